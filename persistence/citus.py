"""How the schema is spread over the machines of a Citus cluster: the statements, in an order that foreign keys allow.

A company's rows lie on one machine: every table is distributed by `company_id`, which is part of its keys. `company`
itself is small and hardly ever written, and a copy of it stands on every machine: that keeps its slugs unique over all
companies, which a distributed table could not.
"""

from collections.abc import Iterator

from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateTable

from persistence.metadata import METADATA

EVERYWHERE = "company"
"""Its slug is unique without the company's id: the one exception."""
LEADER = "office"
"""The rows of all other tables lie where those of its company do."""


def distributing() -> list[str]:
    """To be run once, on the coordinator, as the owner of the migrated and still empty tables.

    A table that is distributed may not be referred to by one that is not yet, so foreign keys are taken away meanwhile.
    """
    tables = [table.name for table in METADATA.sorted_tables if table.name not in {EVERYWHERE, LEADER}]
    keys = list(_foreign_keys())
    return [
        *(f"ALTER TABLE {key.table.name} DROP CONSTRAINT {key.name!s}" for key in keys),
        f"SELECT create_reference_table('{EVERYWHERE}')",
        f"SELECT create_distributed_table('{LEADER}', 'company_id', colocate_with => 'none')",
        *(f"SELECT create_distributed_table('{table}', 'company_id', colocate_with => '{LEADER}')" for table in tables),
        *(f"ALTER TABLE {key.table.name} ADD CONSTRAINT {key.name!s} {_told(key)}" for key in keys),
    ]


def _told(key: ForeignKeyConstraint) -> str:
    there = ", ".join(element.column.name for element in key.elements)
    return f"FOREIGN KEY ({', '.join(key.column_keys)}) REFERENCES {key.referred_table.name} ({there})"


def _foreign_keys() -> Iterator[ForeignKeyConstraint]:
    """Those that PostgreSQL has: one is SQLite's alone."""
    dialect = make_url("postgresql+asyncpg://").get_dialect()()
    for table in METADATA.sorted_tables:
        made = str(CreateTable(table).compile(dialect=dialect))
        keys = sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
        yield from (key for key in keys if f"CONSTRAINT {key.name!s} " in made)
