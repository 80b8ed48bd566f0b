"""SQL for whoever keeps the PostgreSQL server, printed and not run: `row-security`, `citus`."""

from typing import Annotated

import typer
from sqlalchemy.engine import make_url

from api.commands.console import fail, settings_or_fail

Role = Annotated[str | None, typer.Option(help="The tenant role; by default FAREBOX_TENANT_ROLE.")]
DEFAULT_ROLE = "farebox_tenant"


def row_security(role: Role = None) -> None:
    """Print the SQL that makes the tenant role of row-level security, where `farebox migrate` may not make it."""
    from persistence.row_security import securing

    settings = settings_or_fail(signs=False, **({"tenant_role": role} if role else {}))
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        fail("Row-level security needs PostgreSQL: FAREBOX_DATABASE_URL names an SQLite file.")
    login = '"' + url.username.replace('"', '""') + '"' if url.username else "CURRENT_USER"
    for statement in securing(settings.tenant_role or DEFAULT_ROLE, login):
        print(f"{statement};")


def citus() -> None:
    """Print the SQL that spreads a migrated, empty database over a Citus cluster, by company."""
    from persistence.citus import distributing

    for statement in distributing():
        print(f"{statement};")
