"""From bytes to a GraphQL request: what is asked for, under which operation name, with which variables.

Nothing here trusts the caller: every body that is not one JSON object in UTF-8 with members of the right kind
is refused as BAD_REQUEST, whatever it is instead.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from api.limits import Limits
from api.negotiation import is_json
from api.refusals import refusal
from domain.access import Permission, Viewer

MAX_QUERY_PARAMETERS = 20
MAX_ID_CHARACTERS = 255
BATCHES = frozenset({Permission.RECORD_USAGE, Permission.SYNC_DIRECTORY})
"""What carries a batch."""


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    query: str | None
    """None: `document_id` or `query_hash` says which document it is."""
    operation_name: str | None
    variables: dict[str, Any]
    body_bytes: int
    """Size of what was sent; 0 for a GET."""
    document_id: str | None = None
    """Of a persisted document, as the draft of GraphQL over HTTP has it. Never together with a query."""
    query_hash: str | None = None
    """SHA-256 of the query, in hexadecimal, as Apollo's clients send it: alone, or to be remembered with the query."""


async def read_post(request: Request, viewer: Viewer, limits: Limits) -> GraphQLRequest:
    """Much is read only of a caller who may send a batch. Raises Refused: 400, 413 or 415."""
    if not is_json(request.headers.get("content-type")):
        raise refusal(415, "Send the request as `Content-Type: application/json`, in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise refusal(415, "Send the request without `Content-Encoding`.")
    may_be_long = any(viewer.may(permission) for permission in BATCHES)
    body = await _read_body(request, limits.max_batch_body_bytes if may_be_long else limits.max_body_bytes)
    return read_body(body)


def read_body(body: bytes) -> GraphQLRequest:
    """Raises Refused."""
    found = read_json(body, "The body")
    if isinstance(found, list):
        raise refusal(400, "Send one operation a request; batches of requests are not accepted.")
    if not isinstance(found, dict):
        raise refusal(400, "The body must be a JSON object with the member `query`.")
    return read_members(found, body_bytes=len(body))


def read_get(request: Request) -> GraphQLRequest:
    """The same members as parameters of the address; variables and extensions as JSON. Raises Refused."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_QUERY_PARAMETERS,
        )
    except ValueError:
        raise refusal(400, "The parameters of the address must be percent-encoded UTF-8.") from None
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise refusal(400, f"The parameter `{name}` may be given once.")
        found[name] = value
    for name in ("variables", "extensions"):
        if name in found:
            found[name] = read_json(found[name].encode(), f"The parameter `{name}`") if found[name] else None
    return read_members(found, body_bytes=0)


async def _read_body(request: Request, most: int) -> bytes:
    """`most` is what a batch may have, of who may send one: whether it is one shows only once the body was read."""
    chunks, size = [], 0
    too_large = refusal(413, f"The body is larger than {most} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > most:
        raise too_large
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


def read_json(text: bytes, what: str) -> Any:
    """Raises Refused, in words that begin with `what`.

    orjson decides what is JSON: it takes no NaN, no number beyond a double, no lone surrogate.
    """
    try:
        found = orjson.loads(text)
        json.loads(text, object_pairs_hook=_refuse_double_members)
    except orjson.JSONDecodeError as error:
        raise refusal(400, f"{what} is not JSON in UTF-8: {error.msg}, at character {error.pos}.") from None
    except RecursionError:
        raise refusal(400, f"{what} is nested too deeply.") from None
    return found


def _refuse_double_members(pairs: list[tuple[str, Any]]) -> None:
    """Of two members with one name a proxy may judge the first while this server runs the last."""
    if len(pairs) > 1 and len({name for name, _ in pairs}) < len(pairs):
        raise refusal(400, "An object in the request has the same member twice.")


def read_members(found: Mapping[str, Any], *, body_bytes: int) -> GraphQLRequest:
    """The request that these members make, each of the right kind. Raises Refused."""
    query, name = found.get("query"), found.get("operationName")
    variables, document_id = found.get("variables"), found.get("documentId")
    query_hash = _query_hash(found.get("extensions"))
    if query == "" and (document_id or query_hash):  # graphql-ws cannot leave it out
        query = None
    if document_id is not None and not _is_id(document_id):
        raise refusal(400, f"`documentId` must be a text of 1 to {MAX_ID_CHARACTERS} characters.")
    if document_id is not None and (query is not None or query_hash is not None):
        raise refusal(400, "Send `documentId`, or `query`, or `extensions.persistedQuery`: one of them.")
    if document_id is None and query_hash is None and (not isinstance(query, str) or not query):
        raise refusal(400, "Send the GraphQL document as the text `query`.")
    if query is not None and not isinstance(query, str):
        raise refusal(400, "`query` must be a text.")
    if name is not None and not isinstance(name, str):
        raise refusal(400, "`operationName` must be a text.")
    if variables is not None and not isinstance(variables, dict):
        raise refusal(400, "`variables` must be an object.")
    return GraphQLRequest(query, name or None, variables or {}, body_bytes, document_id, query_hash)


def _query_hash(extensions: object) -> str | None:
    if extensions is None:
        return None
    if not isinstance(extensions, dict):
        raise refusal(400, "`extensions` must be an object.")
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1 or not _is_id(persisted.get("sha256Hash")):
        raise refusal(400, "`extensions.persistedQuery` must have `version` 1 and a `sha256Hash`.")
    found: str = persisted["sha256Hash"]
    return found


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARACTERS
