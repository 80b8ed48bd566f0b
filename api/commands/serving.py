"""Running it: `serve`, `token`, `demo`, `schema`."""

import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.clock import utc_now
from api.commands.console import err, fail, out, run, settings_or_fail, the_company
from api.settings import PREFIX, Environment, Settings, SettingsError
from domain.access import PartnerScope, Role
from domain.errors import InvalidInput
from persistence.begin import Begin
from persistence.database import Database

SCHEMA_FILE = Path("schema.graphql")
DEMO_TOKEN_HOURS = 24
START_SECONDS = 60
"""One of several processes that starts slowly on a busy machine is not killed for it, or none would ever start."""


class TokenRole(StrEnum):
    COMPANY_ADMIN = "company-admin"
    OFFICE_ADMIN = "office-admin"
    PARTNER = "partner"
    OPERATOR = "operator"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65_535)] = 8000,
    workers: Annotated[int, typer.Option(help="Processes; SQLite takes one.", min=1, max=64)] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Fill a demo token into GraphiQL. Local runs only.")] = False,
) -> None:
    """Serve GraphQL at /graphql."""
    from api.figures_folder import shared_figures
    from api.logs import set_up as set_up_log
    from api.protocols import options
    from api.server import run as run_server

    settings = settings_or_fail()
    if workers > 1 and settings.database_url.startswith("sqlite"):
        fail("SQLite takes one server process: use --workers 1, or PostgreSQL.")
    if demo and settings.env is Environment.PRODUCTION:
        fail("--demo fills a token into the page: it is for local runs only.")
    _check_documents(settings)
    run(_nothing)  # the database answers and is migrated, or this says why not
    address = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0', '::') else host}:{port}"  # noqa: S104
    if port and settings.public_url is None and settings.env is Environment.LOCAL:
        os.environ[f"{PREFIX}PUBLIC_URL"] = address  # the sandbox's pages are linked to there
    if demo:
        os.environ[f"{PREFIX}DEMO_TOKEN"] = token_text = _demo_token(settings)
        out.print(f"GraphiQL:  {address}/graphql")
        out.print(
            f"Token of the demo's company admin, good for {DEMO_TOKEN_HOURS} hours:\n{token_text}", soft_wrap=True
        )
    set_up_log(settings)  # of this process; each that serves does so for itself
    with shared_figures(workers):
        run_server(
            "api.wiring:serve_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            drain_seconds=settings.drain_seconds,
            timeout_worker_healthcheck=START_SECONDS,
            loop="uvloop",
            lifespan="on",
            log_config=None,
            access_log=False,
            **options(settings),
            **proxy_options(settings),
        )


def proxy_options(settings: Settings) -> dict[str, Any]:
    """How uvicorn finds the caller's address: the last of X-Forwarded-For that is no trusted proxy's."""
    return {
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies) or None,
    }


def _check_documents(settings: Settings) -> None:
    """Else every process would start again and again over a manifest that cannot be used."""
    if settings.trusted_documents is None and not settings.trusted_documents_only:
        return
    from api.documents import open_documents
    from schema.root import schema

    try:
        open_documents(settings, schema)
    except SettingsError as error:
        fail(str(error))


async def _nothing(_database: Database, _begin: Begin) -> None:
    return None


def _demo_token(settings: Settings) -> str:
    from api.demo import DEMO_COMPANY

    return _issue(
        settings, TokenRole.COMPANY_ADMIN, company=DEMO_COMPANY, offices=None, hours=DEMO_TOKEN_HOURS, name="Demo admin"
    )


def token(
    role: Annotated[TokenRole, typer.Option(help="Who the token is for.")],
    company: Annotated[str | None, typer.Option(help="Slug; not needed while there is only one company.")] = None,
    office: Annotated[list[str] | None, typer.Option(help="Slug of an office; may be repeated.")] = None,
    scope: Annotated[list[PartnerScope] | None, typer.Option(help="Of a partner; may be repeated.")] = None,
    billing: Annotated[bool, typer.Option("--billing", help="An office admin who may buy credits.")] = False,
    hours: Annotated[float, typer.Option(help="How long it is good for.", min=0.001, max=87_600)] = 12,
    name: Annotated[str | None, typer.Option(help="Shown as the caller's name.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Who it is, for limits and the audit trail; by default the role and company.")
    ] = None,
) -> None:
    """Print a bearer token, and nothing else."""

    async def story(database: Database, _begin: Begin) -> str | None:
        if role is TokenRole.OPERATOR and company is None:
            return None
        facts = await the_company(database, company)
        unknown = sorted(set(office or ()) - set(facts.offices))
        if unknown:
            raise InvalidInput(f"{facts.slug} has no office {unknown[0]!r}. Known: {', '.join(facts.offices)}.")
        return facts.slug

    if role is TokenRole.OFFICE_ADMIN and not office:
        fail("An office admin is admin of some offices: name them with --office.")
    if role is TokenRole.PARTNER and not scope:
        fail(f"A partner's token names what it may do with --scope: {', '.join(PartnerScope)}.")
    slug = run(story, makes_database=False)
    settings = settings_or_fail()  # which may make a key: only where there is a database that it is for
    print(
        _issue(
            settings,
            role,
            company=slug,
            offices=office,
            scopes=scope,
            billing=billing,
            hours=hours,
            name=name,
            subject=subject,
        )
    )


def _issue(
    settings: Settings,
    role: TokenRole,
    *,
    company: str | None,
    offices: list[str] | None,
    hours: float,
    name: str | None,
    scopes: list[PartnerScope] | None = None,
    billing: bool = False,
    subject: str | None = None,
) -> str:
    from api.auth import issue_token
    from api.claims import Claims

    now = utc_now()
    claims = Claims(
        subject=subject or (f"{role}@{company}" if company else str(role)),
        name=name or role.replace("-", " ").capitalize(),
        company=company,
        role=Role[role.name],
        offices=tuple(offices) if offices else None,
        has_billing=billing,
        scopes=frozenset(scopes or ()),
        expires_at=now + timedelta(hours=hours),
    )
    return issue_token(settings, claims, now=now)


def demo() -> None:
    """Load the demo company with six months of usage, all of it charged by the engine. Safe to run twice."""
    from rich.progress import Progress

    from api.commands.console import is_interactive
    from api.demo import DEMO_COMPANY, DemoSummary, load_demo
    from api.demo.payments import load_demo_payments
    from api.payments.processors import build_processors

    settings = settings_or_fail()
    if settings.env is Environment.PRODUCTION:
        fail("The demo company is for local runs only.")

    async def story(database: Database, begin: Begin) -> tuple[DemoSummary, int]:
        with Progress(console=err, transient=True, disable=not is_interactive()) as progress:
            task = progress.add_task("Charging the demo's usage", total=None)
            summary = await load_demo(
                begin,
                database,
                now=utc_now(),
                report=lambda done, total: progress.update(task, completed=done, total=total),
            )
        processors = build_processors(settings, database)
        return summary, await load_demo_payments(begin, database, processors, DEMO_COMPANY, now=utc_now())

    summary, buyer_count = run(story)
    out.print(summary.text, markup=False)
    if buyer_count:
        out.print(f"{buyer_count} offices bought credits with test cards and by invoice.")


def schema(
    check: Annotated[bool, typer.Option("--check", help=f"Exit 1 if ./{SCHEMA_FILE} differs.")] = False,
) -> None:
    """Print the GraphQL schema."""
    from schema.sdl import print_sdl

    text = print_sdl()
    if not check:
        print(text, end="")
    elif not SCHEMA_FILE.exists() or SCHEMA_FILE.read_text(encoding="utf-8") != text:
        fail(f"{SCHEMA_FILE} is not what the code says: write it anew with `farebox schema > {SCHEMA_FILE}`.")
    else:
        out.print(f"{SCHEMA_FILE} is up to date.")
