"""Getting data in: `apply`, `import-rates`, `import-usage`, `replay`."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from phonenumbers import SUPPORTED_REGIONS
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api.clock import utc_now
from api.commands.console import err, fail, is_interactive, operator, out, run, the_company
from api.company_file import read_company_file
from api.imports.cdr import UsageFormat, UsageReader, read_usage
from api.imports.column_map import parse_column_map
from api.imports.deck_fields import AnyDirection, parse_increment
from api.imports.rates import Deck, DeckFormat, read_deck
from api.memory import keep_what_is_there
from api.usage_import import ImportSummary, import_usage, why_not
from domain.batch import check_source
from domain.catalogue import Direction, Service, UsageType
from domain.charging import Outcome
from domain.errors import InvalidInput
from domain.money import Currency, decimal_text
from domain.provisioning import CompanyPlan
from domain.rate_cards import CardLoaded
from domain.rates import NewRate
from domain.stories.charge import replay_rejected
from domain.stories.provision import apply_company, load_deck
from domain.usage import OfficeReference, RejectionCode
from persistence.begin import Begin
from persistence.companies import CompanyFacts, find_companies, find_deck_names
from persistence.database import Database
from persistence.statistics import look_at_new_tables

Company = Annotated[str | None, typer.Option(help="Slug of the company; not needed while there is only one.")]
Backfill = Annotated[
    bool, typer.Option("--backfill", help="Charge history to the billing cycles it belongs to, closed ones included.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do everything, tell what comes of it, and take it back.")]


def apply(
    file: Annotated[Path, typer.Argument(help="YAML; docs/files.md has a complete example.")],
    dry_run: DryRun = False,
) -> None:
    """Make a company be as its file says: offices, plans, commitments, directory and settings."""

    async def story(database: Database, begin: Begin) -> tuple[list[str], list[str]]:
        changes = await apply_company(begin, plan, now=utc_now(), is_dry_run=dry_run)
        return changes, await _missing_decks(database, plan)

    try:
        plan = read_company_file(file)
    except InvalidInput as error:
        fail(str(error))
    changes, missing = run(story, is_dry_run=dry_run)
    for change in changes:
        out.print(change, markup=False)
    verb = "would change" if dry_run else "changed"
    out.print(f"{len(changes)} {verb}." if changes else "Nothing to change.")
    for name in missing:
        out.print(
            f"Note: no deck {name!r} is loaded yet; `farebox import-rates FILE --deck {name}` does it.", markup=False
        )
    _end(dry_run)


def _end(is_dry_run: bool) -> None:
    if is_dry_run:
        out.print("Dry run: nothing was changed.")


async def _missing_decks(database: Database, plan: CompanyPlan) -> list[str]:
    """Decks that the company file names and nobody loaded: misspelt, or still to come."""
    named = {*plan.decks, *(deck for office in plan.offices for deck in office.decks)}
    for company in await find_companies(database):
        if company.slug == plan.slug:
            named -= await find_deck_names(database, company.id)
    return sorted(named)


def import_rates(
    file: Annotated[Path, typer.Argument(help="A rate deck in CSV.")],
    format: Annotated[str, typer.Option(help="auto, npa-nxx, country or farebox.")] = "auto",
    deck: Annotated[str | None, typer.Option(help="Name of the deck; by default the file's.")] = None,
    company: Company = None,
    effective_from: Annotated[
        str | None, typer.Option(help="When it comes into force: a date or an RFC 3339 time; by default now.")
    ] = None,
    currency: Annotated[Currency | None, typer.Option(help="The deck's; must be the company's.")] = None,
    service: Annotated[
        Service, typer.Option(help="What the deck is for, where its rows do not say.")
    ] = Service.CALLING,
    usage_type: Annotated[list[UsageType] | None, typer.Option(help="Only these usage types; may be repeated.")] = None,
    direction: Annotated[str | None, typer.Option(help="OUTBOUND, INBOUND or ANY; calls: OUTBOUND.")] = None,
    increment: Annotated[str, typer.Option(help="First/next seconds of a call, as in 60/60.")] = "60/60",
    prefix_completion: Annotated[str | None, typer.Option(help="Digits before every prefix; NPA-NXX decks: 1.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Load the good rows of a rate deck, all of them or none; every bad row is listed with its line and reason."""

    async def story(database: Database, begin: Begin) -> None:
        facts = await the_company(database, company)
        if currency not in (None, facts.currency):
            raise InvalidInput(
                f"{facts.slug} keeps its books in {facts.currency}: a deck in {currency} cannot rate it."
            )
        now = utc_now()
        read = read_deck(
            file,
            format="auto" if format == "auto" else DeckFormat(format),
            service=service,
            usage_types=usage_type or (),
            direction=_direction(direction),
            increment=parse_increment(increment),
            prefix_completion=prefix_completion,
        )
        rates = _good_rates(file, read)
        name = deck or file.stem.lower()
        moment = _moment(effective_from) if effective_from else now
        loaded = await load_deck(
            begin, facts.id, card=name, rates=rates, effective_from=moment, now=now, is_dry_run=dry_run
        )
        _print_deck(name, read, loaded, facts, is_dry_run=dry_run)
        _end(dry_run)

    if format != "auto" and format not in tuple(DeckFormat):
        fail(f"Unknown format {format!r}: choose auto, {', '.join(DeckFormat)}.")
    run(story, is_dry_run=dry_run)


def _good_rates(file: Path, read: Deck) -> list[NewRate]:
    """The others are listed. Raises InvalidInput when there are only others."""
    for row in read.bad_rows:
        out.print(f"line {row.line}: {row.reason}  [{row.text}]", markup=False)
    if not read.rates:
        raise InvalidInput(f"{file} has no good row: nothing was loaded.")
    return [rate for _, rate in read.rates]


def _print_deck(name: str, read: Deck, loaded: CardLoaded, company: CompanyFacts, *, is_dry_run: bool) -> None:
    good = len({line for line, _ in read.rates})
    out.print(f"Deck {name!r} ({read.format}), {company.currency}, company {company.slug}:")
    out.print(f"  {good + len(read.bad_rows):>9,} rows read")
    out.print(f"  {good:>9,} good")
    out.print(f"  {len(read.bad_rows):>9,} bad, not loaded")
    placement = loaded.placement
    since = f"{placement.effective_from:%Y-%m-%d %H:%M}Z"
    if placement.is_unchanged:
        out.print(f"The same rates are in force since {since}: nothing to load.")
        return
    until = f" until {placement.effective_until:%Y-%m-%d %H:%M}Z" if placement.effective_until else ""
    would_be = "would be " if is_dry_run else ""
    out.print(f"{loaded.rate_count:,} rates {would_be}in force from {since}{until}.")
    if placement.predecessor_id is not None:
        out.print("The deck's rates before them end there.")
    if placement.replaces_id is not None:
        out.print("They take the place of those loaded for that moment.")
    if company.decks and name not in company.decks:
        named = ", ".join(company.decks)
        out.print(f"Note: the company file names {named} under `decks`, not {name}: no office uses it.")


def import_usage_file(
    file: Annotated[Path, typer.Argument(help="Call records or other usage.")],
    format: Annotated[UsageFormat, typer.Option(help="What wrote the file.")],
    office: Annotated[str | None, typer.Option(help="Slug of the office that is charged.")] = None,
    company: Company = None,
    timezone: Annotated[str | None, typer.Option(help="IANA zone of the file's times, where they name none.")] = None,
    region: Annotated[str | None, typer.Option(help="Country of national numbers; by default the office's.")] = None,
    backfill: Backfill = False,
    map: Annotated[str | None, typer.Option(help="csv: from=caller,to=callee,direction:=OUTBOUND,…")] = None,
    time_format: Annotated[str | None, typer.Option(help="csv: strptime pattern of ambiguous times.")] = None,
    direction: Annotated[Direction | None, typer.Option(help="For records that do not say.")] = None,
    service: Annotated[Service, typer.Option(help="csv: what the rows are.")] = Service.CALLING,
    source: Annotated[str | None, typer.Option(help="Reporting system; by default the format's name.")] = None,
) -> None:
    """Charge usage from a file. Safe to run twice; one line for every row that was not charged."""

    async def story(database: Database, begin: Begin) -> tuple[ImportSummary, Currency]:
        facts = await the_company(database, company)
        if office is not None and office not in facts.offices:
            raise InvalidInput(f"There is no office {office!r}. Known: {', '.join(facts.offices)}.")
        if region is not None and region not in SUPPORTED_REGIONS:
            raise InvalidInput(f"There is no region {region!r}: write an ISO 3166 code such as US.")
        check_source(source or format.value)
        reader = read_usage(
            file,
            format=format,
            source=source or format.value,
            time_zone=timezone,
            region=region,
            direction=direction,
            service=service,
            column_map=parse_column_map(map) if map else None,
            time_format=time_format,
        )
        keep_what_is_there()
        with _progress(file, reader) as advance:
            summary = await import_usage(
                begin,
                operator(facts.id, utc_now()),
                reader,
                office=OfficeReference(slug=office) if office else None,
                clock=utc_now,
                is_backfill=backfill,
                report=lambda line, reason: out.print(f"line {line}: {reason}", markup=False),
                progress=advance,
                begun=partial(look_at_new_tables, database),
            )
        return summary, facts.currency

    _print_summary(*run(story))


@contextmanager
def _progress(file: Path, reader: UsageReader) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, moved by the bytes read; nothing where nobody watches."""
    if not is_interactive():
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(file.name, total=reader.total_bytes)
        yield lambda: progress.update(task, completed=reader.bytes_read)


def _print_summary(summary: ImportSummary, currency: Currency) -> None:
    out.print(f"{summary.row_count:>9,} rows read")
    for outcome in Outcome:
        out.print(f"{summary.outcomes[outcome]:>9,} {outcome.lower()}")
    out.print(f"{summary.unreadable_count:>9,} unreadable")
    out.print(f"Charged now: {decimal_text(summary.cost_micros)} {currency}")


def replay(
    code: Annotated[RejectionCode | None, typer.Option(help="Only rejections with this code.")] = None,
    company: Company = None,
    backfill: Backfill = False,
) -> None:
    """Try rejected usage again, after rates have changed; what is charged is no longer rejected."""

    async def story(database: Database, begin: Begin) -> Counter[Outcome]:
        facts = await the_company(database, company)
        now = utc_now()
        viewer = operator(facts.id, now)
        decisions = await replay_rejected(begin, viewer, now=now, code=code, is_backfill=backfill)
        for decision in decisions:
            reason = why_not(decision)
            if reason:
                out.print(f"{decision.event.source} {decision.event.event_id}: {reason}", markup=False)
        return Counter(decision.outcome for decision in decisions)

    outcomes = run(story)
    out.print(f"{outcomes[Outcome.CHARGED]:,} charged, {outcomes[Outcome.REJECTED]:,} still rejected.")


def _direction(text: str | None) -> Direction | AnyDirection | None:
    if text is None:
        return None
    if text.upper() == "ANY":
        return "ANY"
    try:
        return Direction(text.upper())
    except ValueError:
        raise InvalidInput(f"Unknown direction {text!r}: OUTBOUND, INBOUND or ANY.") from None


def _moment(text: str) -> datetime:
    """A date is its first instant in UTC."""
    try:
        if len(text) == len("2026-01-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no date or time: write 2026-01-31 or 2026-01-31T09:00:00Z.") from None
    if moment.tzinfo is None:
        raise InvalidInput(f"{text!r} names no offset: add Z or one like +02:00.")
    return moment.astimezone(UTC)
