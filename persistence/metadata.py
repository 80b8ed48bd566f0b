"""All tables of the project, gathered: importing this is what makes the metadata complete."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from persistence.tables import activity, charging, company, funds, holds, payments, rates, sandbox

TABLE_MODULES = (activity, charging, company, funds, holds, payments, rates, sandbox)
METADATA: MetaData = SQLModel.metadata
