"""Keeping the books: `migrate`, `verify`, `renew`, `settle`, `settle-invoice`."""

from typing import Annotated
from uuid import uuid4

import typer

from api.clock import utc_now
from api.commands.console import fail, operator, out, run, settings_or_fail, the_company
from api.opening import NotReady, bring_up
from domain.errors import InvalidInput
from domain.money import Currency, money_text
from domain.stories.invoice import InvoicesPaid
from domain.stories.invoice import settle_invoice as pay_invoice
from domain.stories.renew import renew_due
from domain.usage import OfficeReference
from persistence.begin import Begin
from persistence.database import Database


def migrate() -> None:
    """Bring the database to the newest schema. Safe to run at any time, by several machines at once."""
    import asyncio

    from sqlalchemy.exc import SQLAlchemyError

    from persistence.migrate import TablesBusy
    from persistence.revision import NEWEST, current_revision

    async def story() -> tuple[str | None, str]:
        settings = settings_or_fail(signs=False)
        database = Database(settings.database_url)
        try:
            before = await current_revision(database)
            if before is not None and before > NEWEST:
                return before, before  # a later release was here first
            await bring_up(settings, database)
        finally:
            await database.close()
        return before, NEWEST

    try:
        before, after = asyncio.run(story())
    except (NotReady, TablesBusy) as error:
        fail(str(error))
    except (SQLAlchemyError, OSError) as error:
        fail(f"The database could not be migrated: {str(getattr(error, 'orig', None) or error).splitlines()[0]}")
    out.print(f"At {after} already." if before == after else f"Migrated from {before or 'nothing'} to {after}.")


def verify() -> None:
    """Prove every invariant over the whole database; exit 1 if one is broken."""
    from persistence.verify import verify as prove

    async def story(database: Database, _begin: Begin) -> int:
        broken = 0
        async for finding in prove(database):
            mark = "ok    " if not finding.broken_count else "BROKEN"
            count = f"{finding.looked_at_count:>9,}"
            out.print(f"{mark} {count}  {finding.name}", style="red" if finding.broken_count else None)
            if finding.broken_count:
                broken += 1
                out.print(f"       {finding.broken_count:,} rows break it, such as:")
                for example in finding.examples:
                    out.print(f"         {example}", markup=False)
        return broken

    broken = run(story, makes_database=False)
    if broken:
        fail(f"{broken} invariants are broken.")
    out.print("Every invariant holds.")


def renew() -> None:
    """Open and close every billing cycle that is due. The server does so by itself whenever it meets one."""

    async def story(_database: Database, begin: Begin) -> int:
        return await renew_due(begin, None, utc_now())

    count = run(story, makes_database=False)
    out.print(f"{count:,} offices renewed." if count else "No office was due.")


def settle() -> None:
    """Do one round of what the server's worker does, now: collect top-ups, give refunds, judge, renew."""
    from api.deliveries import Deliveries
    from api.payments.processors import build_processors, close_processors
    from api.sealing import FernetBox
    from api.worker import JobsFailed, run_once

    async def story(database: Database, begin: Begin) -> dict[str, int]:
        settings = settings_or_fail()
        processors = build_processors(settings, database)
        box = FernetBox(*settings.signing_keys)
        deliveries = Deliveries(database, box, allows_private=settings.webhooks_allow_private)
        try:
            return await run_once(begin, processors, deliveries, utc_now())
        finally:
            close_processors(processors)
            await deliveries.close()

    try:
        done = run(story, makes_database=False)
    except JobsFailed as failed:
        fail(str(failed))
    for name, count in done.items():
        out.print(f"{count:>9,} {name}")


def settle_invoice(
    office: Annotated[str, typer.Option(help="Slug of the office that paid.")],
    top_up: Annotated[
        list[str] | None, typer.Option(help="Id of a top-up that was paid, top_…; may be repeated. By default all.")
    ] = None,
    company: Annotated[
        str | None, typer.Option(help="Slug of the company; not needed while there is only one.")
    ] = None,
) -> None:
    """Clear what an invoiced office owes, once it has paid; what was paid before is left out."""
    from schema.ids import IdKind, encode, require

    async def story(database: Database, begin: Begin) -> tuple[InvoicesPaid, Currency]:
        facts, now, named = await the_company(database, company), utc_now(), OfficeReference(slug=office)
        ids = tuple(require(IdKind.TOP_UP, text, "topUpIds") for text in top_up) if top_up else None
        found = await begin.find_offices(facts.id, [named])
        if named not in found:
            raise InvalidInput(f"There is no office {office!r}. Known: {', '.join(facts.offices)}.")
        key = f"settle-invoice {uuid4().hex}"
        viewer = operator(facts.id, now)
        return await pay_invoice(begin, viewer, found[named], top_up_ids=ids, key=key, now=now), facts.currency

    paid, currency = run(story, makes_database=False)
    for top_up_id in paid.top_up_ids:
        out.print(encode(IdKind.TOP_UP, top_up_id))
    out.print(f"{money_text(paid.total_micros, currency)} paid." if paid.top_up_ids else "Nothing was owed.")
