"""Every test has databases of its own, but all of them speak the same two dialects: a statement is compiled for the
first of them, and not for each of some thousand. Compiling took a third of the suite's time."""

from sqlalchemy import Connection, event
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.dialects.sqlite.aiosqlite import dialect as aiosqlite_dialect
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.util import LRUCache

STATEMENTS = 5_000


def compile_once() -> None:
    compiled: LRUCache[object, object] = LRUCache(STATEMENTS)
    for dialect in (asyncpg_dialect, aiosqlite_dialect):
        # The dialect is part of a compiled statement's key, and each engine makes one of its own.
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign, assignment]
        dialect.__eq__ = _is_of_the_same_kind  # type: ignore[method-assign, assignment]

    @event.listens_for(Engine, "engine_connect")
    def share(connection: Connection) -> None:
        connection.engine._compiled_cache = compiled  # type: ignore[assignment]


def _is_of_the_same_kind(one: Dialect, other: object) -> bool:
    return type(one) is type(other)
