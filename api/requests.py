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

from api.negotiation import is_json
from api.refusals import Code, refusal

MAX_BODY_BYTES = 100_000
MAX_LARGE_BODY_BYTES = 1_000_000
"""For the operations that carry a batch. Which operation it is shows only once the body has been read."""

MAX_QUERY_PARAMETERS = 20


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    query: str
    operation_name: str | None
    variables: dict[str, Any]
    body_bytes: int
    """Size of what was sent; 0 for a GET."""


async def read_post(request: Request) -> GraphQLRequest:
    """Raises Refused: 400, 413 or 415."""
    if not is_json(request.headers.get("content-type")):
        raise refusal(415, "Send the request as `Content-Type: application/json`, in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise refusal(415, "Send the request without `Content-Encoding`.")
    body = await _read_body(request)
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


async def _read_body(request: Request) -> bytes:
    chunks, size = [], 0
    too_large = refusal(413, f"The body is larger than {MAX_LARGE_BODY_BYTES} bytes; send it in parts.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > MAX_LARGE_BODY_BYTES:
        raise too_large
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_LARGE_BODY_BYTES:
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
    variables, extensions = found.get("variables"), found.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise refusal(400, "`extensions` must be an object.")
    if query is None and extensions and "persistedQuery" in extensions:
        # Apollo's link knows this text, and sends the whole document next.
        raise refusal(400, "PersistedQueryNotFound", Code.PERSISTED_QUERY_NOT_FOUND, is_well_formed=True)
    if not isinstance(query, str) or not query:
        raise refusal(400, "Send the GraphQL document as the text `query`.")
    if name is not None and not isinstance(name, str):
        raise refusal(400, "`operationName` must be a text.")
    if variables is not None and not isinstance(variables, dict):
        raise refusal(400, "`variables` must be an object.")
    return GraphQLRequest(query, name or None, variables or {}, body_bytes)
