"""What the sandbox processor remembers: cards about to be saved, payments, refunds.

Every call is one transaction of its own, apart from the books: whatever becomes of the process, this tells what the
outside world did. Money is taken by an update that names the state it starts from, so it is taken once.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import Database
from persistence.ids import new_id
from persistence.tables.sandbox import SANDBOX_PAYMENT, SANDBOX_REFUND, SANDBOX_SETUP


class SandboxState(StrEnum):
    CREATED = "CREATED"
    REQUIRES_ACTION = "REQUIRES_ACTION"
    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    CANCELED = "CANCELED"


class SandboxPayment(NamedTuple):
    company_id: UUID
    id: UUID
    top_up_id: UUID
    card: str
    amount_minor: int
    """Cents, or yen."""
    currency: str
    state: SandboxState
    reason: str | None
    charge_count: int
    """How often money was taken."""


class SandboxStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_setup(self, company_id: UUID, setup_id: UUID, card: str, now: datetime) -> None:
        """Asked for again it changes nothing."""
        values = {"company_id": company_id, "id": setup_id, "card": card, "created_at": now}
        async with self._database.writing() as connection:
            await _insert_new(connection, SANDBOX_SETUP, values)

    async def chosen_card(self, company_id: UUID, setup_id: UUID) -> str | None:
        mine = _this(SANDBOX_SETUP, company_id, setup_id)
        rows = await self._database.rows(select(SANDBOX_SETUP.c.card).where(mine))
        return rows[0].card if rows else None

    async def choose_card(self, company_id: UUID, setup_id: UUID, card: str) -> None:
        statement = update(SANDBOX_SETUP).where(_this(SANDBOX_SETUP, company_id, setup_id)).values(card=card)
        async with self._database.writing() as connection:
            await connection.execute(statement)

    async def add_payment(
        self, company_id: UUID, top_up_id: UUID, *, card: str, amount_minor: int, currency: str, now: datetime
    ) -> UUID:
        """A new one each time, as at a processor that knows no idempotency."""
        payment_id = new_id()
        values = {
            "company_id": company_id,
            "id": payment_id,
            "top_up_id": top_up_id,
            "card": card,
            "amount_minor": amount_minor,
            "currency": currency,
            "state": SandboxState.CREATED,
            "reason": None,
            "charge_count": 0,
            "created_at": now,
        }
        async with self._database.writing() as connection:
            await connection.execute(insert(SANDBOX_PAYMENT).values(values))
        return payment_id

    async def find_payment(self, company_id: UUID, payment_id: UUID) -> SandboxPayment | None:
        columns = [SANDBOX_PAYMENT.c[name] for name in SandboxPayment._fields]
        mine = _this(SANDBOX_PAYMENT, company_id, payment_id)
        rows = await self._database.rows(select(*columns).where(mine))
        if not rows:
            return None
        payment = SandboxPayment._make(rows[0])
        return payment._replace(state=SandboxState(payment.state))

    async def move(
        self, payment: SandboxPayment, after: SandboxState, *, reason: str | None = None, takes_money: bool = False
    ) -> bool:
        """From the state and reason it was seen in to another; False when somebody else moved it first."""
        table = SANDBOX_PAYMENT
        seen = and_(
            _this(table, payment.company_id, payment.id),
            table.c.state == payment.state,
            table.c.reason.is_not_distinct_from(payment.reason),
        )
        count = table.c.charge_count + (1 if takes_money else 0)
        statement = update(table).where(seen).values(state=after, reason=reason, charge_count=count)
        async with self._database.writing() as connection:
            moved = await connection.execute(statement.returning(table.c.id))
            return moved.first() is not None

    async def add_refund(
        self, company_id: UUID, refund_id: UUID, payment_id: UUID, amount_minor: int, now: datetime
    ) -> bool:
        """False when more would go back than was paid. The same refund again is the first one."""
        payments, refunds = SANDBOX_PAYMENT, SANDBOX_REFUND
        async with self._database.writing() as connection:
            mine = _this(payments, company_id, payment_id)
            # Locked, so that two refunds of one payment do not both see room for themselves.
            payment = (await connection.execute(select(payments).where(mine).with_for_update())).first()
            if (await connection.execute(select(refunds.c.id).where(_this(refunds, company_id, refund_id)))).first():
                return True
            if payment is None or payment.state != SandboxState.SUCCEEDED:
                return False
            before = and_(refunds.c.company_id == company_id, refunds.c.payment_id == payment_id)
            total = select(func.coalesce(func.sum(refunds.c.amount_minor), 0)).where(before)
            if int((await connection.execute(total)).scalar_one()) + amount_minor > payment.amount_minor:
                return False
            values = {
                "company_id": company_id,
                "id": refund_id,
                "payment_id": payment_id,
                "amount_minor": amount_minor,
                "created_at": now,
            }
            await _insert_new(connection, refunds, values)
            return True


def _this(table: Table, company_id: UUID, row_id: UUID) -> ColumnElement[bool]:
    return and_(table.c.company_id == company_id, table.c.id == row_id)


async def _insert_new(connection: AsyncConnection, table: Table, values: dict[str, object]) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(values)
    await connection.execute(statement.on_conflict_do_nothing(index_elements=["company_id", "id"]))
