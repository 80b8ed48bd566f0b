"""Alerts as rows: those of an office that are judged, and those that a viewer reads and dismisses (R38, R39)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.access import Scope
from domain.alerts import Alert, AlertKind, AlertState, Cause, Dimension
from domain.funds import OfficeTerms
from domain.periods import Period, YearMonth
from domain.watching import Judged
from persistence.database import Database
from persistence.history import GROUP_COLUMNS, MEMBER_COLUMNS
from persistence.offices import visible
from persistence.tables.alerts import ALERT_DISMISSAL, SPENDING_ALERT
from persistence.tables.company import COMPANY, GROUP, MEMBER

MAX_ALERTS = 100
"""Shown of a whole company; one office has no more than a dozen."""
_WORDS = {
    Dimension.SERVICE: "cause_service",
    Dimension.USAGE_TYPE: "cause_usage_type",
    Dimension.REGION: "cause_region",
}
_PARTIES = {Dimension.MEMBER: "cause_member_id", Dimension.GROUP: "cause_group_id"}


# ---------- within a transaction ----------


async def find_open_alerts(connection: AsyncConnection, company_id: UUID, office_id: UUID) -> list[Alert]:
    table = SPENDING_ALERT
    mine = and_(table.c.company_id == company_id, table.c.office_id == office_id)
    still_open = table.c.state != AlertState.ENDED.value
    rows = await connection.execute(select(table).where(mine, still_open).order_by(table.c.raised_at, table.c.id))
    return [alert_of(row) for row in rows]


async def save_alerts(connection: AsyncConnection, office: OfficeTerms, judged: Judged) -> None:
    table = SPENDING_ALERT
    for alert in judged.moved:
        mine = and_(table.c.company_id == office.company_id, table.c.id == alert.id)
        await connection.execute(update(table).where(mine).values(**_movable(alert)))
    for alert in judged.raised:
        keys = {"company_id": office.company_id, "office_id": office.id}
        await connection.execute(insert(table).values(**keys, **_fixed(alert), **_movable(alert)))


def _movable(alert: Alert) -> dict[str, Any]:
    return {
        "state": alert.state.value,
        "ended_at": alert.ended_at,
        "current_micros": alert.current_micros,
        "limit_micros": alert.limit_micros,
        "used_percent": alert.used_percent,
        "spent_quantity": alert.spent_quantity,
        "committed_quantity": alert.committed_quantity,
        "latest_current_micros": alert.latest_micros and alert.latest_micros[0],
        "latest_previous_micros": alert.latest_micros and alert.latest_micros[1],
    }


def _fixed(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "subject": alert.subject,
        "month": alert.month.number,
        "period_start": alert.period.starts_at,
        "period_end": alert.period.ends_at,
        "raised_at": alert.raised_at,
        "previous_micros": alert.previous_micros,
        "wallet_id": alert.wallet_id,
        "allowance_cycle_id": alert.allowance_cycle_id,
        **(_cause_row(alert.cause) if alert.cause else {}),
    }


def _cause_row(cause: Cause) -> dict[str, Any]:
    word = _WORDS.get(cause.dimension)
    named = {word: cause.key} if word else {_PARTIES[cause.dimension]: UUID(hex=cause.key)}
    return {**named, "cause_current_micros": cause.current_micros, "cause_previous_micros": cause.previous_micros}


def alert_of(row: Any) -> Alert:
    """The name of a member or group is known where the row was read with it."""
    return Alert(
        id=row.id,
        kind=AlertKind(row.kind),
        state=AlertState(row.state),
        subject=row.subject,
        month=YearMonth.from_number(row.month),
        period=Period(row.period_start, row.period_end),
        raised_at=row.raised_at,
        ended_at=row.ended_at,
        current_micros=row.current_micros,
        previous_micros=row.previous_micros,
        cause=_cause_of(row),
        latest_micros=_latest_of(row),
        wallet_id=row.wallet_id,
        allowance_cycle_id=row.allowance_cycle_id,
        limit_micros=row.limit_micros,
        used_percent=row.used_percent,
        spent_quantity=row.spent_quantity,
        committed_quantity=row.committed_quantity,
    )


def _latest_of(row: Any) -> tuple[int, int] | None:
    return None if row.latest_current_micros is None else (row.latest_current_micros, row.latest_previous_micros)


def _cause_of(row: Any) -> Cause | None:
    figures = row.cause_current_micros, row.cause_previous_micros
    for dimension, column in _WORDS.items():
        if (word := getattr(row, column)) is not None:
            return Cause(dimension, word, *figures)
    for dimension, column in _PARTIES.items():
        if (party_id := getattr(row, column)) is not None:
            return Cause(dimension, party_id.hex, *figures, getattr(row, f"{dimension}_name", None))
    return None


# ---------- for viewers ----------


async def read_alerts(database: Database, scope: Scope, *, subject: str, include_dismissed: bool) -> Sequence[Row[Any]]:
    """Those that are shown, last raised first and at most 100; dismissed ones are the viewer's own."""
    statement = _alerts(scope, subject).where(SPENDING_ALERT.c.state == AlertState.ACTIVE.value)
    if not include_dismissed:
        statement = statement.where(ALERT_DISMISSAL.c.alert_id.is_(None))
    return await database.rows(statement.limit(MAX_ALERTS))


async def read_alerts_of_offices(
    database: Database, scope: Scope, *, subject: str, office_ids: Collection[UUID]
) -> Sequence[Row[Any]]:
    """Those that are shown of each of these offices, dismissed ones too; last raised first."""
    statement = _alerts(scope, subject).where(SPENDING_ALERT.c.state == AlertState.ACTIVE.value)
    return await database.rows(statement.where(SPENDING_ALERT.c.office_id.in_(sorted(office_ids))))


async def read_alerts_by_id(
    database: Database, scope: Scope, *, subject: str, ids: Collection[UUID]
) -> Sequence[Row[Any]]:
    """Whatever became of them."""
    return await database.rows(_alerts(scope, subject).where(SPENDING_ALERT.c.id.in_(sorted(ids))))


def _alerts(scope: Scope, subject: str) -> Select[Any]:
    """Each with its company's currency, what is shown of its member and group, and whether the viewer dismissed it."""
    table = SPENDING_ALERT
    dismissed = and_(
        ALERT_DISMISSAL.c.company_id == table.c.company_id,
        ALERT_DISMISSAL.c.alert_id == table.c.id,
        ALERT_DISMISSAL.c.subject == subject,
    )
    return (
        select(
            table,
            COMPANY.c.currency,
            table.c.cause_member_id.label("member_id"),
            table.c.cause_group_id.label("group_id"),
            *(MEMBER.c[name].label(f"member_{name}") for name in MEMBER_COLUMNS),
            *(GROUP.c[name].label(f"group_{name}") for name in GROUP_COLUMNS),
            ALERT_DISMISSAL.c.alert_id.is_not(None).label("is_dismissed"),
        )
        .join(COMPANY, COMPANY.c.company_id == table.c.company_id)
        .outerjoin(MEMBER, and_(MEMBER.c.company_id == table.c.company_id, MEMBER.c.id == table.c.cause_member_id))
        .outerjoin(GROUP, and_(GROUP.c.company_id == table.c.company_id, GROUP.c.id == table.c.cause_group_id))
        .outerjoin(ALERT_DISMISSAL, dismissed)
        .where(visible(scope, table.c.office_id, table.c.company_id))
        .order_by(table.c.raised_at.desc(), table.c.id.desc())
    )


async def dismiss_alert(database: Database, scope: Scope, alert_id: UUID, *, subject: str, now: datetime) -> bool:
    """For this viewer alone; again changes nothing. False when there is none that he can see."""
    table = SPENDING_ALERT
    mine = and_(visible(scope, table.c.office_id, table.c.company_id), table.c.id == alert_id)
    insert_one = sqlite_insert if database.is_sqlite else postgresql_insert
    async with database.writing() as connection:
        if (await connection.execute(select(table.c.id).where(mine))).one_or_none() is None:
            return False
        row = {"company_id": scope.company_id, "alert_id": alert_id, "subject": subject, "dismissed_at": now}
        await connection.execute(insert_one(ALERT_DISMISSAL).values(**row).on_conflict_do_nothing())
    return True
