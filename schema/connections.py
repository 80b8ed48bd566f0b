"""Long lists: Relay connections read by keyset, with sealed cursors (API.md §1).

A cursor is the position of one item, sealed for the very list it came from: the company, the field, its order and its
filter. One that was changed, or that belongs to another list, is refused.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
import strawberry

from domain.errors import InvalidInput
from persistence.keyset import Position, Slice, Window
from schema.cost import VALUE

DEFAULT_PAGE = 25
MAX_PAGE = 100
MAX_INT = 2**31 - 1
_SEAL_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FOREIGN = "This cursor belongs to another list: use cursors only with the field, order and filter they came from."

T = TypeVar("T")

First = Annotated[
    int | None,
    strawberry.argument(
        description="How many items from the start, 0 to 100; 25 when neither `first` nor `last` is given."
    ),
]
After = Annotated[str | None, strawberry.argument(description="Only items after this cursor.")]
Last = Annotated[
    int | None, strawberry.argument(description="How many items from the end, 0 to 100. Not together with `first`.")
]
Before = Annotated[str | None, strawberry.argument(description="Only items before this cursor.")]


class CursorSeal:
    """Makes and checks the cursors of one list. `shape` gives the types of a position's values.

    The first key seals; cursors sealed with another are good too.
    """

    def __init__(self, keys: Sequence[bytes], shape: Sequence[type], *list_name: object) -> None:
        self._name = repr(list_name).encode()
        self._shape = shape
        self._keys = keys
        self._key = self._of_list(keys[0])

    def _of_list(self, key: bytes) -> bytes:
        return blake2b(self._name, key=blake2b(key).digest(), digest_size=32).digest()

    def close(self, position: Position) -> str:
        payload = orjson.dumps([_to_json(value) for value in position])
        return _text(_seal(self._key, payload) + payload)

    def open(self, cursor: str | None) -> Position | None:
        """The position a cursor was made from; None for none. Raises InvalidInput."""
        if cursor is None:
            return None
        try:
            sealed = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (BadBase64, ValueError):
            raise InvalidInput(_FOREIGN) from None
        payload = sealed[_SEAL_BYTES:]
        is_ours = any(
            hmac.compare_digest(sealed[:_SEAL_BYTES], _seal(self._of_list(key), payload)) for key in self._keys
        )
        # The decoder overlooks stray characters; a cursor has one spelling.
        if not is_ours or _text(sealed) != cursor:
            raise InvalidInput(_FOREIGN)
        values = orjson.loads(payload)
        return tuple(_from_json(value, kind) for value, kind in zip(values, self._shape, strict=True))


def _seal(key: bytes, payload: bytes) -> bytes:
    return blake2b(payload, key=key, digest_size=_SEAL_BYTES).digest()


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _to_json(value: Any) -> str | int:
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, UUID):
        return value.hex
    plain: str | int = value
    return plain


def _from_json(value: Any, kind: type) -> Any:
    if kind is datetime:
        return _EPOCH + value * _MICROSECOND
    return UUID(hex=value) if kind is UUID else value


def window_of(
    seal: CursorSeal, *, first: int | None, after: str | None, last: int | None, before: str | None
) -> Window:
    """Which part of a list the four arguments ask for. Raises InvalidInput."""
    if first is not None and last is not None:
        raise InvalidInput("Give `first` or `last`, not both.")
    for name, count in (("first", first), ("last", last)):
        if count is not None and not 0 <= count <= MAX_PAGE:
            raise InvalidInput(f"`{name}` may be 0 to {MAX_PAGE}; use cursors to go on.", field=(name,))
    limit = first if first is not None else last if last is not None else DEFAULT_PAGE
    return Window(limit, seal.open(after), seal.open(before), is_from_end=last is not None)


@strawberry.type(directives=[VALUE], description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(
        description="Whether items follow: go on with `after: endCursor`. When paging by `last`, whether `before`"
        " was given."
    )
    has_previous_page: bool = strawberry.field(
        description="When paging by `last`, whether items come before: go on with `before: startCursor`. When paging"
        " by `first`, whether `after` was given."
    )
    start_cursor: str | None = strawberry.field(description="Cursor of the first item; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last item; null on an empty page.")


@strawberry.type(directives=[VALUE], description="One item of a list and its place in it.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(
        description="The item's place, for `after` and `before` of the same list with the same filter and order."
    )
    node: T = strawberry.field(description="The item.")


@strawberry.type
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="The items of this page, each with its cursor.")
    nodes: list[T] = strawberry.field(description="The items of this page alone.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")


async def _total_count(root: "CountedConnection[Any]") -> int:
    return min(await root.count(), MAX_INT)


@strawberry.type
class CountedConnection(Connection[T]):
    count: strawberry.Private[Callable[[], Awaitable[int]]]
    total_count: int = strawberry.field(
        resolver=_total_count,
        description="How many items the whole list has, exactly; counted only when asked for. At most 2147483647.",
    )


def page(
    seal: CursorSeal, window: Window, found: Slice, nodes: Iterable[T], position: Callable[[Any], Position]
) -> dict[str, Any]:
    """The fields of a connection, from the rows found and what they look like on the wire."""
    edges = [Edge(cursor=seal.close(position(row)), node=node) for row, node in zip(found.rows, nodes, strict=True)]
    ends = (edges[0].cursor, edges[-1].cursor) if edges else (None, None)
    return {"edges": edges, "nodes": [edge.node for edge in edges], "page_info": page_info(window, found, *ends)}


def page_info(window: Window, found: Slice, start: str | None, end: str | None) -> PageInfo:
    return PageInfo(
        has_next_page=window.before is not None if window.is_from_end else found.has_more,
        has_previous_page=found.has_more if window.is_from_end else window.after is not None,
        start_cursor=start,
        end_cursor=end,
    )
