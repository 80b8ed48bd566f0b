"""How long statements take, for whoever measures: told of each one, with its text and without its values.

COPY is not told of; neither are the statements that begin and end a transaction.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Literal
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

Use = Literal["read", "write"]
OnStatement = Callable[[Use, str, float], None]
"""(use, text, seconds). A read that locks is a write: it waits as one."""

_BEGUN = "_farebox_begun"
_TOLD: WeakKeyDictionary[Engine, list[OnStatement]] = WeakKeyDictionary()


def watch_statements(engine: AsyncEngine, told: OnStatement) -> None:
    """`told` is called as soon as the statement has ended, or failed, where it was begun."""

    def begin(_connection: Any, _cursor: Any, _text: str, _values: Any, context: Any, _many: bool) -> None:
        setattr(context, _BEGUN, perf_counter())

    def end(_connection: Any, _cursor: Any, text: str, _values: Any, context: Any, _many: bool) -> None:
        told(_use_of(text), text, perf_counter() - getattr(context, _BEGUN))

    def fail(failure: Any) -> None:
        begun = getattr(failure.execution_context, _BEGUN, None)
        if begun is not None and failure.statement is not None:
            told(_use_of(failure.statement), failure.statement, perf_counter() - begun)

    _TOLD.setdefault(engine.sync_engine, []).append(told)
    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "after_cursor_execute", end)
    event.listen(engine.sync_engine, "handle_error", fail)


def tell_statement(connection: AsyncConnection, text: str, seconds: float) -> None:
    """Of one that went past SQLAlchemy."""
    tell_engine(connection.engine.sync_engine, text, seconds)


def tell_engine(engine: Engine, text: str, seconds: float) -> None:
    for told in _TOLD.get(engine, ()):
        told(_use_of(text), text, seconds)


def _use_of(text: str) -> Use:
    start = text[:6].upper()
    if start in ("INSERT", "UPDATE", "DELETE"):
        return "write"
    return "write" if "FOR UPDATE" in text or "FOR NO KEY" in text else "read"
