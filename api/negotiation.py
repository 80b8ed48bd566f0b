"""Which media type the caller reads best: the two of GraphQL over HTTP, or a browser's page.

`application/graphql-response+json` lets the status speak; `application/json` is for clients that believe a
status other than 200 comes from a proxy, so a well-formed request is answered 200 whatever its outcome.
"""

from typing import Final

GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
JSON: Final = "application/json"
HTML: Final = "text/html"
EVENT_STREAM: Final = "text/event-stream"

MAX_ACCEPT_RANGES = 50


def choose_media_type(accept: str | None) -> str | None:
    """The better of the two JSON types; `application/json` when the caller does not care; None for neither."""
    ranges = _ranges(accept or "*/*")
    plain = _quality(ranges, JSON)
    # A wildcard means a client that never heard of the newer type.
    newer = ranges.get(GRAPHQL_RESPONSE, 0.0)
    if newer and newer >= ranges.get(JSON, 0.0):
        return GRAPHQL_RESPONSE
    return JSON if plain > 0 else None


def wants_events(accept: str | None, *, is_subscription: bool) -> bool:
    """Whether the answer is to be an event stream: of a subscription to who takes one, of the rest to who prefers it.

    Some clients name every type they could read, whatever they ask for. A wildcard means no event stream.
    """
    ranges = _ranges(accept or "")
    events = ranges.get(EVENT_STREAM, 0.0)
    if is_subscription:
        return events > 0
    return events > max(_quality(ranges, JSON), ranges.get(GRAPHQL_RESPONSE, 0.0))


def prefers_html(accept: str | None) -> bool:
    """Whether this is a browser asking for a page: it names text/html, and JSON no better than that."""
    ranges = _ranges(accept or "")
    html = ranges.get(HTML, 0.0)
    return html > 0 and html > max(ranges.get(GRAPHQL_RESPONSE, 0.0), ranges.get(JSON, 0.0))


def is_json(content_type: str | None) -> bool:
    """`application/json`, in UTF-8 when an encoding is named."""
    kind, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    return kind == JSON and all(_is_utf8(parameter) for parameter in parameters)


def _is_utf8(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() != "charset" or value.strip().strip('"') in {"utf-8", "utf8"}


def _quality(ranges: dict[str, float], media_type: str) -> float:
    """The most specific range that fits decides, as RFC 9110, 12.5.1 has it."""
    for candidate in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if candidate in ranges:
            return ranges[candidate]
    return 0.0


def _ranges(accept: str) -> dict[str, float]:
    """Each range with its quality from 0 to 1; what cannot be read counts as not there."""
    found: dict[str, float] = {}
    for part in accept.split(",")[:MAX_ACCEPT_RANGES]:
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                quality = _number(parameter[2:])
        if all(_is_utf8(parameter) for parameter in parameters):
            found[kind] = max(found.get(kind, 0.0), quality)
    return found


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
