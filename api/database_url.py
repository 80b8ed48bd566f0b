"""One spelling for the address of the database, whichever of the usual ones the operator wrote.

SQLite speaks through aiosqlite and PostgreSQL through asyncpg; nothing else is offered.
"""

from urllib.parse import parse_qsl, urlencode

SQLITE = "sqlite+aiosqlite"
POSTGRESQL = "postgresql+asyncpg"
DEFAULT_DATABASE_URL = f"{SQLITE}:///var/farebox.db"

_DRIVERS = {
    "sqlite": SQLITE,
    SQLITE: SQLITE,
    "postgres": POSTGRESQL,
    "postgresql": POSTGRESQL,
    POSTGRESQL: POSTGRESQL,
}


def normalise_database_url(url: str) -> str:
    """The address with its async driver. Raises ValueError, without the address: it may hold a password."""
    dialect, separator, rest = url.strip().partition("://")
    driver = _DRIVERS.get(dialect.lower())
    if not separator or driver is None:
        raise ValueError("write sqlite:///path/to/file.db or postgresql://user:password@host/database")
    if driver == SQLITE:
        return f"{driver}://{_sqlite_path(rest)}"
    return f"{driver}://{_with_asyncpg_ssl(rest)}"


def _sqlite_path(rest: str) -> str:
    path = rest.partition("?")[0]
    if not path.startswith("/"):
        raise ValueError("an SQLite address has three slashes before its path: sqlite:///var/farebox.db")
    if path in {"/", "/:memory:"} or "mode=memory" in rest:
        # A database in memory is one connection: every transaction would see the others' half-done work.
        raise ValueError("a database in memory cannot be shared; name a file: sqlite:///var/farebox.db")
    return rest


def _with_asyncpg_ssl(rest: str) -> str:
    """libpq calls it `sslmode`, asyncpg calls it `ssl`; the values are the same."""
    address, separator, query = rest.partition("?")
    if not separator:
        return rest
    pairs = [("ssl" if key == "sslmode" else key, value) for key, value in parse_qsl(query)]
    return f"{address}?{urlencode(pairs)}"
