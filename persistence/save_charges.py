"""A charged batch, saved at once: history rows, rollups, notes, rejections kept and consumed (DESIGN §5).

Everything is set-based: the number of statements does not grow with the batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import Direction, Service, UsageType
from domain.charging import Charge, Charged, Decision
from domain.known import Known, KnownCharge, KnownRejection
from domain.ledger import Books
from domain.numbers import Address, AddressKind
from domain.reversal import Reversal
from domain.usage import RejectionCode, UsageEvent
from domain.waterfall import Coverage, Payment
from persistence.bulk import Writes
from persistence.event_store import event_to_json
from persistence.prepared import Prepared, Texts, one_of, read
from persistence.tables import NO_ONE
from persistence.tables.charging import CHARGE, REJECTED_USAGE, USAGE_BY_CYCLE, USAGE_BY_DAY

MEASURES = ("charge_count", "quantity", "plan_micros", "commitment_micros", "universal_micros")
CHARGE_COLUMNS = (
    *("company_id", "id", "office_id", "sequence", "source", "event_id", "fingerprint", "reverses_id"),
    *("reversed_by_id", "occurred_at", "recorded_at", "local_day", "month", "is_booked_late"),
    *("service", "usage_type", "direction", "member_id", "group_id", "contact_id"),
    *("from_kind", "from_text", "from_number", "from_region", "to_kind", "to_text", "to_number", "to_region"),
    *("region_code", "duration_seconds", "quantity", "rate_id", "rate_nanos", "first_seconds", "next_seconds"),
    *("connection_fee_micros", "destination", "list_price_micros", "cost_micros"),
    *("plan_quantity", "plan_micros", "commitment_micros", "universal_micros", "sources"),
    *("coverage", "has_commitment", "details"),
)
_ROLLUP_COLUMNS = {
    table: (*(column.name for column in table.primary_key.columns), *MEASURES)
    for table in (USAGE_BY_CYCLE, USAGE_BY_DAY)
}
_TEXT: dict[str, str] = {
    name: name.value for names in (Service, UsageType, Direction, AddressKind, Coverage) for name in names
}
"""The names of kinds as the drivers take them fastest."""
_NOBODY = (None, None, None, None)

RollupChange = tuple[tuple[Any, ...], tuple[Any, ...], tuple[int, ...]]
"""The cycle rollup's key, the day rollup's key, and what is added to both."""


def _with_keys(table: Any, *names: str) -> Prepared:
    """Of the events of one source."""
    mine = and_(table.c.company_id == bindparam("company"), table.c.source == bindparam("source"))
    listed = one_of(table.c.event_id, bindparam("events", type_=Texts()))
    return Prepared(select(*(table.c[name] for name in names)).where(mine, listed))


_CHARGED = _with_keys(CHARGE, "event_id", "id", "fingerprint", "details")
_REJECTED = _with_keys(REJECTED_USAGE, "event_id", "id", "office_id", "attempt_count", "code")


async def find_known(connection: AsyncConnection, company_id: UUID, keys: Sequence[tuple[str, str]]) -> Known:
    charges: dict[tuple[str, str], KnownCharge] = {}
    rejections: dict[tuple[str, str], KnownRejection] = {}
    for source in sorted({source for source, _ in keys}):
        events = sorted({event_id for of, event_id in keys if of == source})
        values = {"company": company_id, "source": source, "events": events}
        charged, rejected = await read(connection, (_CHARGED, values), (_REJECTED, values))
        charges |= {(source, row.event_id): KnownCharge(row.id, row.fingerprint, row.details) for row in charged}
        rejections |= {
            (source, row.event_id): KnownRejection(row.id, row.office_id, row.attempt_count, RejectionCode(row.code))
            for row in rejected
        }
    return Known(charges, rejections)


async def save_charges(connection: AsyncConnection, books: Books, charged: Charged, known: Known) -> None:
    """What is rare: notes brought up to date, rejections kept and consumed."""
    company_id = books.funds.office.company_id
    await _save_notes(connection, company_id, charged.corrected_notes)
    await _keep_rejections(connection, books, charged.decisions, known)
    if not known.rejections:
        return
    charges = [charge.event.key for charge in charged.charges]
    consumed = [known.rejections[key].id for key in charges if key in known.rejections]
    if consumed:
        mine = and_(REJECTED_USAGE.c.company_id == company_id, REJECTED_USAGE.c.id.in_(consumed))
        await connection.execute(delete(REJECTED_USAGE).where(mine))


def insert_charges(writes: Writes, charges: Sequence[tuple[Books, Sequence[Charge]]]) -> None:
    """The history and both rollups, of one office after the other."""
    rows = [_charge_row(books, charge) for books, of_office in charges for charge in of_office]
    writes.insert(CHARGE, CHARGE_COLUMNS, rows)
    _add_to_rollups(writes, [_rollup_keys(books, charge) for books, of_office in charges for charge in of_office])


def _charge_row(books: Books, charge: Charge) -> list[Any]:
    company_id, office_id = books.funds.office.company_id, books.funds.office.id
    event, rated, payment = charge.event, charge.rated, charge.payment
    measured, rate = rated.measured, rated.rate
    decided_by = measured.decided_by
    return [
        company_id,
        charge.id,
        office_id,
        charge.sequence,
        event.source,
        event.event_id,
        charge.fingerprint,
        None,
        None,
        event.occurred_at,
        books.now,
        charge.local_day,
        charge.cycle.month.number,
        charge.is_booked_late,
        _TEXT[measured.service],
        _TEXT[measured.usage_type],
        _TEXT[measured.direction] if measured.direction else None,
        charge.member_id,
        charge.group_id,
        charge.contact_id,
        *_address(measured.from_),
        *_address(measured.to),
        decided_by.region if decided_by else None,
        measured.duration_seconds,
        rated.quantity,
        rate.id,
        rate.nanos_per_unit,
        rate.increment.first_seconds,
        rate.increment.next_seconds,
        rate.connection_fee_micros,
        rate.destination,
        payment.list_price_micros,
        payment.cost_micros,
        payment.plan_quantity,
        payment.plan_micros,
        payment.commitment_micros,
        payment.universal_micros,
        payment.sources,
        _TEXT[charge.coverage],
        charge.has_commitment,
        measured.details,
    ]


def _address(address: Address | None) -> Sequence[str | None]:
    return (_TEXT[address.kind], address.text, address.e164, address.region) if address else _NOBODY


def _rollup_keys(books: Books, charge: Charge) -> RollupChange:
    office = (books.funds.office.company_id, books.funds.office.id)
    measured, payment = charge.rated.measured, charge.payment
    month, service, usage_type = charge.cycle.month.number, _TEXT[measured.service], _TEXT[measured.usage_type]
    region = measured.decided_by.region if measured.decided_by else None
    direction = _TEXT[measured.direction] if measured.direction else ""
    return (
        (*office, month, service, usage_type, payment.sources, charge.member_id or NO_ONE, charge.group_id or NO_ONE),
        (*office, charge.local_day, month, service, usage_type, direction, region or "", payment.sources),
        _measures(charge.rated.quantity, payment),
    )


def _measures(quantity: int, payment: Payment) -> tuple[int, ...]:
    return (1, quantity, payment.plan_micros, payment.commitment_micros, payment.universal_micros)


def _add_to_rollups(writes: Writes, changes: Iterable[RollupChange]) -> None:
    by_cycle: dict[tuple[Any, ...], list[int]] = {}
    by_day: dict[tuple[Any, ...], list[int]] = {}
    for cycle_key, day_key, measures in changes:
        for sums, key in ((by_cycle, cycle_key), (by_day, day_key)):
            total = sums.get(key)
            if total is None:
                sums[key] = list(measures)
            else:
                total[:] = map(add, total, measures)
    for table, sums in ((USAGE_BY_CYCLE, by_cycle), (USAGE_BY_DAY, by_day)):
        rows = [[*key, *total] for key, total in sums.items()]
        writes.insert(table, _ROLLUP_COLUMNS[table], rows, adds=MEASURES)


async def _save_notes(connection: AsyncConnection, company_id: UUID, notes: Mapping[UUID, Mapping[str, Any]]) -> None:
    if not notes:
        return
    mine = and_(CHARGE.c.company_id == company_id, CHARGE.c.id == bindparam("charge_id"))
    rows = [{"charge_id": charge_id, "new_details": details} for charge_id, details in notes.items()]
    await connection.execute(update(CHARGE).where(mine).values(details=bindparam("new_details")), rows)


async def _keep_rejections(
    connection: AsyncConnection, books: Books, decisions: Sequence[Decision], known: Known
) -> None:
    kept = {decision.event.key: decision for decision in decisions if decision.rejected_id is not None}
    if not kept:
        return
    rows = [_rejection_row(books, decision, known) for decision in kept.values()]
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    statement = insert(REJECTED_USAGE)
    names = ("office_id", "occurred_at", "received_at", "service", "code", "message", "attempt_count", "event")
    replaced = {name: statement.excluded[name] for name in names}
    keys = ["company_id", "source", "event_id"]
    await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replaced), rows)


def _rejection_row(books: Books, decision: Decision, known: Known) -> dict[str, Any]:
    event, rejection = decision.event, decision.rejection
    return {
        "company_id": books.funds.office.company_id,
        "id": decision.rejected_id,
        "office_id": books.funds.office.id,
        "source": event.source,
        "event_id": event.event_id,
        "occurred_at": event.occurred_at,
        "received_at": books.now,
        "service": _service(event).value,
        "code": rejection.code.value if rejection else "",
        "message": rejection.message if rejection else "",
        "attempt_count": known.attempts(event) + 1,
        "event": event_to_json(event),
    }


def _service(event: UsageEvent) -> Service:
    return event.usage.service


async def save_reversal(
    connection: AsyncConnection, writes: Writes, company_id: UUID, reversal: Reversal, now: Any
) -> None:
    """The record that gives a charge back: the original's facts, with the figures of the reversal."""
    original, payment = reversal.original, reversal.payment
    changed = {
        "id": reversal.id,
        "sequence": reversal.sequence,
        "source": "farebox:reversal",
        # One reversal a charge, and the unique key of events sees to it.
        "event_id": original.id.hex,
        "reverses_id": original.id,
        "reversed_by_id": None,
        "occurred_at": reversal.occurred_at,
        "recorded_at": now,
        "local_day": reversal.local_day,
        "month": reversal.month.number,
        "is_booked_late": False,
        "quantity": -original.quantity,
        "list_price_micros": payment.list_price_micros,
        "cost_micros": payment.cost_micros,
        "plan_quantity": payment.plan_quantity,
        "plan_micros": payment.plan_micros,
        "commitment_micros": payment.commitment_micros,
        "universal_micros": payment.universal_micros,
        "sources": payment.sources,
    }
    mine = and_(CHARGE.c.company_id == company_id, CHARGE.c.id == original.id)
    row = (await connection.execute(select(CHARGE).where(mine))).one()._mapping
    await connection.execute(CHARGE.insert().values({**row, **changed}))
    await connection.execute(update(CHARGE).where(mine).values(reversed_by_id=reversal.id))
    _add_to_rollups(writes, [_reversal_keys(company_id, reversal)])


def _reversal_keys(company_id: UUID, reversal: Reversal) -> RollupChange:
    original, payment, month = reversal.original, reversal.payment, reversal.month.number
    direction = original.direction.value if original.direction else ""
    party = (original.member_id or NO_ONE, original.group_id or NO_ONE)
    kind = (original.service.value, original.usage_type.value)
    office = (company_id, original.office_id)
    return (
        (*office, month, *kind, payment.sources, *party),
        (*office, reversal.local_day, month, *kind, direction, original.region_code or "", payment.sources),
        _measures(-original.quantity, payment),
    )
