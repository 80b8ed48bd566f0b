"""Runs migrations on the connection that `persistence.migrate` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from persistence.metadata import METADATA
from persistence.tables import Id, Json, UtcDateTime


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    if kind == "type":
        if isinstance(item, Id | UtcDateTime):
            return f"{type(item).__name__}()"
        if isinstance(item, type(Json)):
            return "Json"
        if type(item).__name__ == "AutoString":
            return "sa.String()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_item=render_item,
    # SQLite alters a table by building it anew.
    render_as_batch=True,
    # All of them or none: Alembic would commit after each on SQLite, and a second process would come in between.
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
