"""All tables of the project, gathered: importing this is what makes the metadata complete."""

from sqlalchemy import MetaData
from sqlmodel import SQLModel

from persistence.tables import (
    activity,
    alerts,
    charging,
    company,
    exports,
    funds,
    holds,
    partners,
    payments,
    rates,
    sandbox,
)

TABLE_MODULES = (activity, alerts, charging, company, exports, funds, holds, partners, payments, rates, sandbox)
METADATA: MetaData = SQLModel.metadata
