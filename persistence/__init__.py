"""Remembers. SQLModel tables, the unit of work, read queries that ask for a Scope, migrations.

Writes go through the stories of `domain`; reads are functions that return plain rows. SQLite and PostgreSQL run the
same code. Every table carries `company_id` first in its keys, and every query names it.
"""
