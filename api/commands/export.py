"""The usage history as a file: `export`."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from uuid import UUID

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from sqlalchemy.ext.asyncio import AsyncConnection

from api.clock import utc_now
from api.commands.console import err, is_interactive, operator, run, the_company
from api.usage_csv import RowsDiffer, csv_chunks
from domain.access import Scope
from domain.catalogue import Direction, Service, UsageType, WalletSource
from domain.errors import InvalidInput
from domain.periods import YearMonth
from domain.usage import OfficeReference
from persistence.begin import Begin
from persistence.companies import CompanyFacts
from persistence.database import Database
from persistence.exports import Selection, select_rows
from schema.ids import IdKind, parse
from schema.scalars import CountryCode, Decimal, parse_country_code, parse_date_time
from schema.usage_history import DateTimeRangeInput, DecimalRangeInput, UsageHistoryFilter, wanted_by

_PARTIES = {IdKind.MEMBER: "member_id", IdKind.GROUP: "group_id", IdKind.CONTACT: "contact_id"}
_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{1,14}")

CompanyOption = Annotated[str | None, typer.Option(help="Slug of the company; not needed while there is only one.")]
OfficeOption = Annotated[list[str] | None, typer.Option(help="Slug of an office; may be repeated. By default all.")]
WalletSourceOption = Annotated[list[WalletSource] | None, typer.Option(help="Paid in part by this; may be repeated.")]
PartyOption = Annotated[
    str | None, typer.Option(help="A phone number, +14155550100, or the id of a member, group or contact.")
]
RegionOption = Annotated[
    list[str] | None, typer.Option(help="Only numbers of this region went to or came from: US. May be repeated.")
]
BookedLateOption = Annotated[
    bool | None,
    typer.Option(
        "--booked-late/--not-booked-late",
        help="Only what was charged to a later cycle than its own; or only the rest.",
        show_default=False,
    ),
]


def export(
    company: CompanyOption = None,
    office: OfficeOption = None,
    month: Annotated[str | None, typer.Option(help="Only this billing cycle: 2026-03.")] = None,
    since: Annotated[str | None, typer.Option(help="From this moment on: 2026-03-01T00:00:00-05:00.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this moment.")] = None,
    service: Annotated[list[Service] | None, typer.Option(help="Only this service; may be repeated.")] = None,
    usage_type: Annotated[list[UsageType] | None, typer.Option(help="Only this usage type; may be repeated.")] = None,
    wallet_source: WalletSourceOption = None,
    party: PartyOption = None,
    direction: Annotated[Direction | None, typer.Option(help="INBOUND or OUTBOUND.")] = None,
    region: RegionOption = None,
    cost_min: Annotated[str | None, typer.Option(help="The least cost, inclusive: 0.50.")] = None,
    cost_max: Annotated[str | None, typer.Option(help="The highest cost, inclusive.")] = None,
    booked_late: BookedLateOption = None,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="By default the newest come first.")] = False,
    output: Annotated[Path | None, typer.Option(help="The file to write; by default standard output.")] = None,
) -> None:
    """Write the usage history as CSV: the same bytes as a download of the same list. docs/export.md has the columns."""

    async def story(database: Database, begin: Begin) -> None:
        facts, now = await the_company(database, company), utc_now()
        filter_ = UsageHistoryFilter(
            month=None if month is None else YearMonth.parse(month),
            occurred_at=_between(since, until),
            services=service or None,
            usage_types=usage_type or None,
            wallet_sources=wallet_source or None,
            direction=direction,
            destination_regions=[CountryCode(parse_country_code(code)) for code in region or ()] or None,
            cost=_costing(cost_min, cost_max),
            booked_late=booked_late,
        )
        offices = await _offices(begin, facts, office) if office else None
        wanted = replace(wanted_by(filter_), office_ids=offices, **_party(party))
        scope = Scope.of(operator(facts.id, now))
        async with database.snapshot() as connection:
            chosen = await select_rows(connection, scope, wanted=wanted, is_descending=not oldest_first, now=now)
            await _write(connection, chosen, output)

    run(story, makes_database=False)


def _between(since: str | None, until: str | None) -> DateTimeRangeInput | None:
    """Raises InvalidInput."""
    if since is None and until is None:
        return None
    first, end = (None if text is None else parse_date_time(text) for text in (since, until))
    return DateTimeRangeInput(from_=first, until=end)


def _costing(least: str | None, most: str | None) -> DecimalRangeInput | None:
    if least is None and most is None:
        return None
    return DecimalRangeInput(min=None if least is None else Decimal(least), max=None if most is None else Decimal(most))


async def _offices(begin: Begin, facts: CompanyFacts, slugs: list[str]) -> tuple[UUID, ...]:
    named = [OfficeReference(slug=slug) for slug in slugs]
    found = await begin.find_offices(facts.id, named)
    for reference in named:
        if reference not in found:
            raise InvalidInput(f"There is no office {reference.slug!r}. Known: {', '.join(facts.offices)}.")
    return tuple(sorted(set(found.values())))


def _party(text: str | None) -> dict[str, Any]:
    """The side of the filter that the text means. Raises InvalidInput."""
    if text is None:
        return {}
    named = parse(text)
    if named is not None and named[0] in _PARTIES:
        return {_PARTIES[named[0]]: named[1]}
    if _PHONE_NUMBER.fullmatch(text):
        return {"phone_number": text}
    raise InvalidInput(f"{text[:60]!r} is neither a phone number, +14155550100, nor the id mem_…, grp_… or con_….")


async def _write(connection: AsyncConnection, chosen: Selection, output: Path | None) -> None:
    """Raises InvalidInput when the file cannot be written, or would be wrong."""
    with _file(output) as write, _progress(chosen) as move:
        async with aclosing(csv_chunks(connection, chosen)) as chunks:
            try:
                async for row_count, chunk in chunks:
                    write(chunk)
                    move(row_count)
            except RowsDiffer as error:
                raise InvalidInput(f"{error} The file would be wrong; `farebox verify` may tell why.") from None


@contextmanager
def _file(output: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Standard output; or a file that has its name only once it is whole, so that no half one is ever met."""
    if output is None:
        yield _print
        return
    aside = output.parent / f".{output.name}.{os.getpid()}.part"
    try:
        with _told(output):
            file = aside.open("xb")
        with file:
            yield lambda chunk: _put(file, chunk, output)
        with _told(output):
            aside.replace(output)
    finally:
        aside.unlink(missing_ok=True)


def _put(file: BinaryIO, chunk: bytes, output: Path) -> None:
    with _told(output):
        file.write(chunk)


@contextmanager
def _told(output: Path) -> Iterator[None]:
    """An error of the file is not one of the database."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{output} could not be written: {error.strerror or error}.") from None


def _print(chunk: bytes) -> None:
    """Past Python's own buffer, which does not always say that nobody reads any more."""
    left = memoryview(chunk)
    try:
        while left:
            left = left[os.write(sys.stdout.fileno(), left) :]
    except BrokenPipeError:  # `farebox export | head`
        raise typer.Exit(1) from None


@contextmanager
def _progress(chosen: Selection) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, moved by the rows written; nothing where nobody watches."""
    if not is_interactive():
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(chosen.file_name, total=chosen.row_count)
        yield lambda row_count: progress.update(task, completed=row_count)
