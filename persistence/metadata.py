"""All tables of the project, gathered: importing this is what makes the metadata complete."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from persistence.tables import charging, company, funds, rates

TABLE_MODULES = (charging, company, funds, rates)
METADATA: MetaData = SQLModel.metadata
