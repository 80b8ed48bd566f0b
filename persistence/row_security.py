"""Row-level security on PostgreSQL: a role that what is done for one company is done under, and whether it holds.

The policies are made by a migration, for every table, and bind everybody but the owner: `farebox` commands, and the
worker where it looks over all companies. The tenant role owns nothing, cannot log in, and may do no more to a table
than callers need: postings and the audit trail it can only add to, what the sandbox processor remembers it cannot see.

It is a second wall behind the conditions of our own statements. Who can run any SQL he likes as the login role is not
kept out by it: he could change the role back.
"""

from collections.abc import Sequence

from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from persistence.database import Database
from persistence.metadata import METADATA

_ADDED_TO = frozenset({"activity", "alert_dismissal", "idempotency_key", "posting"})
_REPLACED = frozenset({"allowance", "office_number", "rate", "usage_export"})
_ALSO_DELETED = frozenset({"rate_card", "rejected_usage"})
_SANDBOX = frozenset({"sandbox_payment", "sandbox_refund", "sandbox_setup"})
_VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")


class CannotSecure(Exception):
    """The login role may not make or grant what row-level security needs."""


def rights(table: str) -> Sequence[str]:
    """What the tenant role may do to a table of ours."""
    if table in _SANDBOX:
        return ()
    if table in _ADDED_TO:
        return ("SELECT", "INSERT")
    if table in _REPLACED:
        return ("SELECT", "INSERT", "DELETE")
    return _VERBS if table in _ALSO_DELETED else ("SELECT", "INSERT", "UPDATE")


def securing(role: str, login: str, schema: str = "public") -> list[str]:
    """The statements that make the role and grant it what it needs; safe to run again. `role` is a plain name, `login`
    is quoted, or CURRENT_USER."""
    made = (
        f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;"
        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
    return [made, f"GRANT {role} TO {login}", *_granting(role, schema)]


def _granting(role: str, schema: str) -> list[str]:
    """Takes nothing away that is needed, not even for a moment: servers may be at work."""
    statements = [f"GRANT USAGE ON SCHEMA {schema} TO {role}"]
    for table in sorted(METADATA.tables):
        if rights(table):
            statements.append(f"GRANT {', '.join(rights(table))} ON {table} TO {role}")
        others = [verb for verb in (*_VERBS, "TRUNCATE", "REFERENCES", "TRIGGER") if verb not in rights(table)]
        statements.append(f"REVOKE {', '.join(others)} ON {table} FROM {role}")
    return statements


async def secure(database: Database, role: str) -> None:
    """To be run after every migration: new tables need their grants. Raises CannotSecure."""
    # Each by itself: Citus does not take all of them in one transaction.
    engine = create_async_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        schema = (await connection.execute(text("SELECT quote_ident(current_schema())"))).scalar_one()
        statements = securing(role, "CURRENT_USER", schema)
        if (await connection.execute(_MAY_BE, {"role": role})).scalar_one():
            statements = _granting(role, schema)  # somebody who may make roles has done it
        try:
            for statement in statements:
                await connection.exec_driver_sql(statement)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _NO_RIGHT:
                raise
            raise CannotSecure(
                f"The database's login role may not make the role {role} and grant it what it needs: have a"
                " superuser run what `farebox row-security` prints."
            ) from None


async def row_security_problem(database: Database, role: str | None) -> str | None:
    """Why this database cannot be used so, in one sentence; None when nothing is wrong. Without a role it is asked only
    whether the login role sees what it must."""
    if database.is_sqlite:
        told = "FAREBOX_TENANT_ROLE asks for row-level security: that needs PostgreSQL, SQLite has none."
        return None if role is None else told
    async with database.reading() as connection:
        hidden = (await connection.execute(_HIDDEN, {"tables": list(METADATA.tables)})).scalars().all()
        if hidden:
            return (
                f"row-level security hides the rows of {_some(hidden)} from the database's login role: it must own the"
                " tables, be a member of the role that does, or have BYPASSRLS."
            )
        return None if role is None else await problem_of_role(connection, role)


async def problem_of_role(connection: AsyncConnection, role: str) -> str | None:
    if (await connection.execute(_IS_CITUS)).scalar_one():
        return (
            "a tenant role does not work on Citus, which reaches its machines as that role: it cannot log in there."
            " Leave FAREBOX_TENANT_ROLE out."
        )
    found = (await connection.execute(_ROLE, {"role": role})).one_or_none()
    if found is None:
        return f"there is no role {role}: run `farebox migrate`, or what `farebox row-security` prints."
    if found.is_mighty:
        return f"the role {role} can log in, or can see past row-level security: it must do neither."
    if not found.is_ours:
        return f"the login role may not become {role}: run what `farebox row-security` prints."
    tables = list(METADATA.tables)
    owned = (await connection.execute(_OWNED, {"role": role, "tables": tables})).scalars().all()
    if owned:
        return f"the role {role} counts as owner of {_some(owned)}: policies would not bind it."
    bare = (await connection.execute(_BARE, {"tables": tables})).scalars().all()
    if bare:
        return f"{_some(bare)} {'has' if len(bare) == 1 else 'have'} no policy of row-level security."
    pairs = [(table, verb, verb in rights(table)) for table in tables for verb in _VERBS]
    names, verbs, wanted = zip(*pairs, strict=True)
    given = {"role": role, "tables": names, "verbs": verbs, "wanted": wanted}
    wrong = (await connection.execute(_WRONG, {name: _list(value) for name, value in given.items()})).scalars().all()
    if wrong:
        return f"the role {role} has not the rights it should have on {_some(wrong)}: run `farebox migrate`."
    return None


def _list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _some(tables: Sequence[str]) -> str:
    return ", ".join(tables[:3]) + (f" and {len(tables) - 3} more" if len(tables) > 3 else "")


_NO_RIGHT = "42501"
_OURS = "FROM unnest(CAST(:tables AS text[])) AS name JOIN pg_class ON pg_class.oid = to_regclass(name)"
_HIDDEN = text(f"SELECT name {_OURS} WHERE row_security_active(pg_class.oid) ORDER BY name")
_OWNED = text(f"SELECT name {_OURS} WHERE pg_has_role(:role, relowner, 'MEMBER') ORDER BY name")
_BARE = text(
    f"SELECT name {_OURS} WHERE NOT relrowsecurity"  # noqa: S608
    " OR NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid) ORDER BY name"
)
_IS_CITUS = text("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')")
_MAY_BE = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role AND pg_has_role(oid, 'MEMBER'))")
_ROLE = text(
    "SELECT rolcanlogin OR rolsuper OR rolbypassrls AS is_mighty, pg_has_role(oid, 'MEMBER') AS is_ours"
    " FROM pg_roles WHERE rolname = :role"
)
_WRONG = text(
    "SELECT DISTINCT name FROM unnest(CAST(:tables AS text[]), CAST(:verbs AS text[]), CAST(:wanted AS boolean[]))"
    " AS pairs(name, verb, wanted) WHERE to_regclass(name) IS NULL"
    " OR has_table_privilege(:role, to_regclass(name), verb) <> wanted ORDER BY name"
)
