"""Documents that the operator gave the server: a manifest, as the build of a front end writes it.

Three forms are known: an object of ids and texts, as graphql-codegen's client preset and relay-compiler write it, and
Apollo's persisted query manifest. Whatever is wrong with it stops the start. Docs: docs/documents.md.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from api.document import Document
from api.refusals import Refused
from api.settings import PREFIX, Settings, SettingsError

APOLLO = "apollo-persisted-query-manifest"
SHA256 = "sha256:"


class TrustedDocuments:
    """All of them valid. Found by the manifest's ids, by `sha256:` and the hash of the text, and by the text."""

    def __init__(self, manifest: Mapping[str, str], read: Callable[[str], Document]) -> None:
        """`read` raises Refused. Raises SettingsError for the first document that could never be run."""
        self._by_text: dict[str, Document] = {}
        self._by_id: dict[str, Document] = {}
        for document_id, text in manifest.items():
            try:
                document = self._by_text.get(text) or read(text)
            except Refused as refused:
                raise _wrong(f"the document {document_id!r}: {refused.errors[0]['message']}") from None
            self._by_text[text] = self._by_id[document_id] = document
            self._by_id.setdefault(hash_of(text), document)

    def by_id(self, document_id: str) -> Document | None:
        return self._by_id.get(document_id) or self._by_id.get(document_id.removeprefix(SHA256))

    def by_text(self, text: str) -> Document | None:
        return self._by_text.get(text)


def trusted_documents(settings: Settings, read: Callable[[str], Document]) -> TrustedDocuments | None:
    """Those of the manifest that is set; None without one. Raises SettingsError."""
    if settings.trusted_documents is not None:
        return TrustedDocuments(read_manifest(settings.trusted_documents), read)
    if settings.trusted_documents_only:
        raise SettingsError(f"{PREFIX}TRUSTED_DOCUMENTS_ONLY: this needs a manifest, {PREFIX}TRUSTED_DOCUMENTS.")
    return None


def read_manifest(path: Path) -> dict[str, str]:
    """Texts by their ids. Raises SettingsError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_members)
    except OSError as error:
        raise _wrong(f"the file cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _wrong("the file is not JSON in UTF-8") from None
    if not isinstance(found, dict):
        raise _wrong("the file is not a JSON object")
    manifest: dict[str, str] = {}
    for document_id, text in _apollo(found) if found.get("format") == APOLLO else found.items():
        if not isinstance(document_id, str) or not document_id:
            raise _wrong("a document has no id")
        if not isinstance(text, str) or not text:
            raise _wrong(f"the document {document_id!r} is not a text")
        if manifest.setdefault(document_id, text) != text:
            raise _wrong(f"the id {document_id!r} is given to two documents")
    if not manifest:
        raise _wrong("the file has no documents")
    return manifest


def hash_of(text: str) -> str:
    """In hexadecimal."""
    return sha256(text.encode()).hexdigest()


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if members.setdefault(name, value) != value:
            raise _wrong(f"{name!r} is there twice")
    return members


def _apollo(found: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    operations = found.get("operations")
    if found.get("version") != 1 or not isinstance(operations, list):
        raise _wrong("of Apollo's manifests, version 1 with a list of `operations` is read")
    for operation in operations:
        if not isinstance(operation, dict):
            raise _wrong("an operation is not an object")
        yield operation.get("id"), operation.get("body")


def _wrong(what: str) -> SettingsError:
    return SettingsError(f"{PREFIX}TRUSTED_DOCUMENTS: {what.rstrip('.')}.")
