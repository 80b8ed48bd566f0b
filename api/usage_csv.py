"""The usage history as CSV: the whole file in chunks. The database makes its lines, all but the cells it leaves to
`domain.csv_cells`. docs/export.md says what each column means.
"""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.csv_cells import LINE_END, text_cell
from persistence.export_lines import stream_lines, zones_of
from persistence.exports import Selection
from persistence.line_words import MARK, MOMENT
from persistence.usage_lines import COLUMNS

HEADER = (",".join(COLUMNS) + LINE_END).encode()
CHUNK_BYTES = 65_536

_LEFT = re.compile(b"%b(.)([^%b]*)%b" % ((MARK.encode(),) * 3))
_CACHED_CELLS = 16_384
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RowsDiffer(Exception):
    """The rows read are not those that were counted: the file would be wrong, and is broken off."""


async def csv_chunks(connection: AsyncConnection, chosen: Selection) -> AsyncGenerator[tuple[int, bytes], None]:
    """The file, some 64 kB at a time, each with the number of rows so far.

    Raises RowsDiffer instead of the last chunk when rows or sum are not what the selection promised.
    """
    write = _writer(chosen)
    parts, size = [HEADER], len(HEADER)
    row_count = cost_micros = 0
    async with aclosing(stream_lines(connection, chosen)) as lines:
        async for text, count, cost in lines:
            row_count += count
            cost_micros += cost
            part = _LEFT.sub(write, text) if MARK.encode() in text else text
            parts.append(part)
            size += len(part)
            if size >= CHUNK_BYTES:
                yield row_count, b"".join(parts)
                parts, size = [], 0
    if (row_count, cost_micros) != (chosen.row_count, chosen.cost_micros):
        raise RowsDiffer(f"{row_count} rows were read, {chosen.row_count} counted; or their cost differs.")
    yield row_count, b"".join(parts)


def _writer(chosen: Selection) -> Callable[[re.Match[bytes]], bytes]:
    """Writes what was left between two marks."""
    zones = zones_of(chosen)

    @lru_cache(maxsize=_CACHED_CELLS)
    def cell(kind: bytes, told: bytes) -> bytes:
        if kind == MOMENT.encode():
            zone, micros = told.split(b":")
            moment = _EPOCH + timedelta(microseconds=int(micros))
            return moment.astimezone(zones[int(zone)]).isoformat().encode()
        return text_cell(bytes.fromhex(told.decode()).decode("utf-8", "replace")).encode("utf-8", "replace")

    return lambda left: cell(left[1], left[2])
