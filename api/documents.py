"""Which document a request asks for: by its text, by the id it has in the manifest, or by the hash of a text that was
sent before.

A client sends the same few documents over and over: each is read once and then remembered by its text. What is kept
is bounded by the length of all texts together, in which a token counts as twenty characters at least: a tree takes
some 450 bytes a token, however short it is, and all that is kept some 25 MB. Documents of the manifest are kept apart,
for good. To read one that is not known is paid for from a bucket of the caller's, more so when it is refused: who
sends what is known, as a reporter does, never waits. Docs: docs/documents.md.
"""

from collections import OrderedDict
from math import ceil

import strawberry
from graphql import OperationDefinitionNode

from api.buckets import Buckets
from api.document import Document
from api.document_reader import DocumentReader
from api.limits import Limits
from api.refusals import Code, Refused, refusal
from api.requests import GraphQLRequest
from api.settings import Settings
from api.trusted_documents import TrustedDocuments, hash_of, trusted_documents
from api.watch import seen
from domain.access import Role, Viewer

MAX_KEPT_CHARACTERS = 1_000_000
CHARACTERS_PER_TOKEN = 20
"""So many a token weighs at least: it takes memory however short it is."""
REFUSED_WEIGHS = 5
"""Times what one weighs that can be kept and asked for again."""

PERSONS = frozenset({Role.COMPANY_ADMIN, Role.OFFICE_ADMIN})
"""They come with the front ends whose documents the manifest has."""


def open_documents(settings: Settings, schema: strawberry.Schema) -> "Documents":
    """As the settings say. Raises SettingsError."""
    reader = DocumentReader(schema, limits=settings, has_introspection=settings.serves_introspection)
    trusted = trusted_documents(settings, reader.read_all)
    return Documents(reader, limits=settings, trusted=trusted, trusted_only=settings.trusted_documents_only)


class Documents:
    """The documents of one schema."""

    def __init__(
        self,
        reader: DocumentReader,
        *,
        limits: Limits,
        trusted: TrustedDocuments | None = None,
        trusted_only: bool = False,
    ) -> None:
        self._reader = reader
        self._limits = limits
        self._trusted = trusted
        self._trusted_only = trusted_only
        """For persons."""
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._kept_characters = 0
        self._new = Buckets(
            limits.model_copy(
                update={"throttle_points": limits.document_points, "throttle_restore": limits.document_restore}
            )
        )
        """What each caller may yet send of texts that are not kept."""
        self._hashed: dict[str, str] = {}
        """Texts that are kept, by the hash that a caller gave with them."""

    def find(self, asked: GraphQLRequest, viewer: Viewer) -> tuple[Document, OperationDefinitionNode]:
        """The document, and the operation of it that is asked for. Raises Refused with what is wrong."""
        text, trusted = asked.query, self._find_trusted(asked)
        if trusted is not None:
            return trusted, self._reader.select(trusted, asked.operation_name)
        if text is None:
            text = self._hashed.get(asked.query_hash or "")
            if text is None:
                raise _unknown(asked)
        self._refuse_stranger(viewer)
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            operation = self._reader.select(document, asked.operation_name)
        else:
            document, operation = self._read(text, asked.operation_name, viewer)
            self._keep(text, document)
        if asked.query_hash is not None and text in self._kept:
            self._hashed[asked.query_hash] = text
        return document, operation

    def has_kept(self, asked: GraphQLRequest) -> bool:
        """Whether the document is here, so that nothing has to be read to find it."""
        text = asked.query or self._hashed.get(asked.query_hash or "")
        return text in self._kept or self._find_trusted(asked) is not None

    def _read(self, text: str, operation_name: str | None, viewer: Viewer) -> tuple[Document, OperationDefinitionNode]:
        points = 1 + len(text) / 1_000
        if seconds := self._new.take(viewer.identity, points):
            raise _put_off(seconds)
        try:
            return self._reader.read(text, operation_name)
        except Refused:
            self._new.charge(viewer.identity, points * (REFUSED_WEIGHS - 1))
            raise

    def _find_trusted(self, asked: GraphQLRequest) -> Document | None:
        if asked.query is not None and asked.query_hash not in (None, hash_of(asked.query)):
            raise refusal(400, "provided sha does not match query", is_well_formed=True)  # in Apollo's words
        if self._trusted is None:
            return None
        if asked.query is not None:
            return self._trusted.by_text(asked.query)
        return self._trusted.by_id(asked.document_id or asked.query_hash or "")

    def _refuse_stranger(self, viewer: Viewer) -> None:
        is_person = viewer.role in PERSONS and viewer.expires_at is not None
        if self._trusted_only and is_person:
            told = "This server runs only the documents of its manifest for you: ask for one by its id."
            raise refusal(403, told, Code.FORBIDDEN, is_well_formed=True)

    def _keep(self, text: str, document: Document) -> None:
        if len(text) > self._limits.max_document_characters:
            return
        self._kept[text] = document
        self._kept_characters += _weight(text, document)
        while self._kept_characters > MAX_KEPT_CHARACTERS:
            oldest, forgotten = self._kept.popitem(last=False)
            self._kept_characters -= _weight(oldest, forgotten)
            self._hashed.pop(hash_of(oldest), None)


def _weight(text: str, document: Document) -> int:
    """In characters."""
    return max(len(text), CHARACTERS_PER_TOKEN * document.token_count())


def _put_off(seconds: float) -> Refused:
    seen().throttled_by = "documents"
    wait = max(ceil(seconds), 1)
    told = f"Too many new documents in a short time: come again in {wait} second{'s' if wait > 1 else ''}."
    error = {"message": told, "extensions": {"code": Code.THROTTLED, "retryAfterSeconds": wait}}
    return Refused(429, [error], headers={"Retry-After": str(wait)})


def _unknown(asked: GraphQLRequest) -> Refused:
    # Apollo's link knows this text, and sends the whole document next.
    told = "PersistedQueryNotFound" if asked.document_id is None else "No document of this `documentId` is known here."
    return refusal(400, told, Code.PERSISTED_QUERY_NOT_FOUND, is_well_formed=True)
