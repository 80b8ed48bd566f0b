"""The lines of an export's file, made by the database: COPY pipes them on PostgreSQL, SQLite hands them over by the
hundred. What the database leaves to Python stands between marks (see `persistence.line_words`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.export_rows import Source, source_of
from persistence.exports import Selection
from persistence.line_words import Constant, PostgresqlWords, SqliteWords, Words, quoted
from persistence.sessions import session_of
from persistence.usage_lines import LINE_END, Row, columns_of, end_cell, line_of
from persistence.zone_offsets import local_text

PART_ROWS = 200
"""That SQLite hands over at once: some 70 kB."""
PARTS_AHEAD = 4
"""That PostgreSQL sent and nobody took yet; it waits then."""
CACHE_KIBIBYTES = 4_096
"""Of SQLite, while it reads a file's rows. It sorts in so much memory too; what is more goes to a file of its own."""
_ORDER = ("occurred_at", "id")


class Lines(NamedTuple):
    """Whole lines, how many, and what they cost. The parts of a file add up; one may be told of before it comes."""

    text: bytes
    row_count: int
    cost_micros: int


def zones_of(chosen: Selection) -> Sequence[ZoneInfo]:
    """By the numbers that lines name them by."""
    return sorted({office.time_zone for office in chosen.offices.values()}, key=str)


async def stream_lines(connection: AsyncConnection, chosen: Selection) -> AsyncGenerator[Lines, None]:
    """Every record of the selection in its order, some at a time; never more of them than that are held.

    To be closed by whoever does not read to the end, while the connection is still his.
    """
    if not chosen.offices:
        return
    is_sqlite = connection.dialect.name == "sqlite"
    source = source_of(chosen, zones_of(chosen), is_sqlite=is_sqlite)
    async with _tuned(connection):
        if is_sqlite:
            statement = _lines(SqliteWords(), source, chosen)
            async with connection.stream(statement, execution_options={"yield_per": PART_ROWS}) as result:
                async for rows in result.partitions():
                    lines, costs = zip(*rows, strict=True)
                    text = LINE_END.join((*lines, "")).encode("utf-8", "replace")
                    yield Lines(text, len(rows), sum(costs))
            return
        usage = source.rows
        [cost] = (await connection.execute(select(func.coalesce(func.sum(usage.c.cost_micros), 0)))).one()
        yield Lines(b"", 0, int(cost))
        statement = _lines(PostgresqlWords(), source, chosen)
        async with aclosing(_copied(connection, statement)) as parts:
            async for data in parts:
                # A line has no line break of its own: what has one is left to Python, in digits.
                yield Lines(data.replace(b"\n", LINE_END.encode()), data.count(b"\n"), 0)


class _NotWanted(Exception):
    """Nobody reads on: the driver takes it for the end and has the server stop."""


async def _copied(connection: AsyncConnection, statement: Select[Any]) -> AsyncGenerator[bytes, None]:
    """What COPY sends, in whole rows, as fast as it is taken."""
    query = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    values = [query.params[name] for name in query.positiontup or ()]
    ahead: asyncio.Queue[bytes | None] = asyncio.Queue(PARTS_AHEAD)
    is_wanted = True

    async def take(data: bytes) -> None:
        if not is_wanted:
            raise _NotWanted
        await ahead.put(data)

    async def copy() -> None:
        try:
            await session_of(connection).copy_from_query(str(query), *values, output=take, delimiter=",", null="")
        finally:
            if is_wanted:
                await ahead.put(None)

    copying = asyncio.ensure_future(copy())
    try:
        while (data := await ahead.get()) is not None:
            yield data
        await copying
    finally:
        is_wanted = False
        while not ahead.empty():
            ahead.get_nowait()
        with suppress(_NotWanted):
            await copying


def _lines(words: Words, source: Source, chosen: Selection) -> Select[Any]:
    """A column for every cell, which COPY puts commas between; SQLite is faster with a whole line, and its cost."""
    zones = zones_of(chosen)
    row = Row(
        occurred=local_text(words, "usage.occurred_at", "usage.zone", zones, chosen.as_of),
        recorded=local_text(words, "usage.recorded_at", "usage.zone", zones, chosen.as_of),
        office="usage.office_cell",
        member=_name(words, "directory_member", "usage.member_id"),
        group=_name(words, "directory_group", "usage.group_id"),
        contact=_name(words, "directory_contact", "usage.contact_id"),
        from_=end_cell(words, "usage.from"),
        to=end_cell(words, "usage.to"),
        taken_back=_TAKEN_BACK,
    )
    usage = source.rows
    if words.is_layered:
        twice: Mapping[str, str] = {name: getattr(row, name) for name in ("occurred", "recorded", "from_", "to")}
        layer = select(usage, *(literal_column(sql).label(f"said_{name}") for name, sql in twice.items()))
        usage = _ordered(layer, usage, chosen).offset(literal_column("0")).subquery("usage")
        row = row._replace(**{name: f"usage.said_{name}" for name in twice})
        cells = columns_of(words, row, chosen.currency)
    else:
        cells = [line_of(words, row, chosen.currency), "usage.cost_micros"]
    said = [quoted(cell) if isinstance(cell, Constant) else cell for cell in cells]
    columns: list[Any] = [literal_column(sql).label(f"cell_{at}") for at, sql in enumerate(said)]
    lines = select(*columns).select_from(usage)
    return lines if source.is_ordered else _ordered(lines, usage, chosen)


def _ordered(statement: Select[Any], usage: Any, chosen: Selection) -> Select[Any]:
    columns = [usage.c[name] for name in _ORDER]
    return statement.order_by(*(column.desc() if chosen.is_descending else column.asc() for column in columns))


def _name(words: Words, table: str, id_: str) -> str:
    row = f"named.company_id = usage.company_id AND named.id = {id_}"
    found = f"(SELECT {words.cell('named.name')} FROM {table} AS named WHERE {row})"  # noqa: S608 - our own names
    return f"CASE WHEN {id_} IS NOT NULL THEN {found} END"


_TAKEN_BACK = (
    "usage.reversed_by_id IS NOT NULL AND (SELECT later.sequence FROM charge AS later"
    " WHERE later.company_id = usage.company_id AND later.id = usage.reversed_by_id) < usage.watermark"
)


@asynccontextmanager
async def _tuned(connection: AsyncConnection) -> AsyncIterator[None]:
    """For a long read in order.

    PostgreSQL would rather sort a big range on its disk than read it by the index that is in order, compile for seconds
    first, and look a name up by reading all of a small directory, for each row. SQLite would sort in memory, and fill
    its cache with pages that are read once.
    """
    if connection.dialect.name == "postgresql":
        tuned = {"enable_sort": "off", "jit": "off", "datestyle": "ISO", "random_page_cost": "1"}
        await connection.execute(select(*(func.set_config(name, value, True) for name, value in tuned.items())))
        yield
        return
    tuned = {"cache_size": f"-{CACHE_KIBIBYTES}", "temp_store": "FILE"}
    before = {name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one() for name in tuned}
    await _set(connection, tuned)
    try:
        yield
    finally:
        await _set(connection, before)


async def _set(connection: AsyncConnection, pragmas: Mapping[str, Any]) -> None:
    for name, value in pragmas.items():
        await connection.exec_driver_sql(f"PRAGMA {name} = {value}")
