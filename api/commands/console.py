"""What every command shares: settings, a database, the operator as viewer, and errors told as sentences."""

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from api.logs import set_up_quietly
from api.opening import NotReady, opened
from api.settings import Settings, SettingsError, load_settings
from domain.access import Role, Viewer
from domain.errors import FareboxError, InvalidInput
from persistence.begin import Begin
from persistence.companies import CompanyFacts, find_companies
from persistence.database import Database

T = TypeVar("T")

out = Console(highlight=False, soft_wrap=True)
err = Console(highlight=False, soft_wrap=True, stderr=True)

Story = Callable[[Database, Begin], Coroutine[Any, Any, T]]


def fail(message: str) -> NoReturn:
    err.print(message, style="red", markup=False)
    raise typer.Exit(1)


def settings_or_fail(*, signs: bool = True, **given: Any) -> Settings:
    try:
        return load_settings(signs=signs, **given)
    except SettingsError as error:
        fail(str(error))


def run(story: Story[T], *, makes_database: bool = True, is_dry_run: bool = False) -> T:
    """Runs a story on the configured database; what a person can cause is told as a sentence, exit code 1.

    A command that only looks does not make a database where there is none: its name would be misspelt. Neither does
    a dry run, nor does it migrate one: it leaves nothing.
    """
    set_up_quietly()
    settings = settings_or_fail(signs=False)
    _check_place(settings, makes_database=makes_database, is_dry_run=is_dry_run)

    async def told() -> T:
        async with opened(settings, is_dry_run=is_dry_run) as (database, begin):
            return await story(database, begin)

    try:
        return asyncio.run(told())
    except (FareboxError, NotReady) as error:
        fail(str(error))
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        fail(f"The database could not be used: {reason}")


def _check_place(settings: Settings, *, makes_database: bool, is_dry_run: bool) -> None:
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    if Path(url.database).is_dir():
        fail(f"The database could not be used: {url.database} is a folder.")
    if Path(url.database).exists():
        return
    if is_dry_run:
        fail(f"There is no database at {url.database}, and a dry run makes none: run `farebox migrate` first.")
    if not makes_database:
        fail(f"There is no database at {url.database}: `farebox apply FILE` or `farebox demo` makes one.")


async def the_company(database: Database, slug: str | None) -> CompanyFacts:
    """The company named, or the only one there is. Raises InvalidInput."""
    companies = await find_companies(database)
    if slug is not None:
        for company in companies:
            if company.slug == slug:
                return company
        raise InvalidInput(f"There is no company {slug!r}. Known: {_known(companies)}.")
    if len(companies) != 1:
        raise InvalidInput(f"Say which company with --company. Known: {_known(companies)}.")
    return companies[0]


def _known(companies: list[CompanyFacts]) -> str:
    return ", ".join(company.slug for company in companies) or "none yet; `farebox apply FILE` makes one"


def operator(company_id: UUID, now: datetime) -> Viewer:
    """Whoever may run commands on this machine is the operator."""
    return Viewer(
        subject="operator",
        name="Operator",
        role=Role.OPERATOR,
        company_id=company_id,
        office_ids=None,
        has_billing=False,
        scopes=frozenset(),
        expires_at=now + timedelta(days=1),
    )


def is_interactive() -> bool:
    return sys.stderr.isatty()
