"""The plan of a company, stored and told again as a plan: what `apply` compares with, and what it changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.errors import InvalidInput, NotFound
from domain.funds import AllowanceTerms, CommitmentTerms
from domain.money import Currency
from domain.provisioning import (
    AllowancePlan,
    CommitmentPlan,
    CompanyPlan,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
    GroupKind,
    OfficePlan,
    PaymentTerms,
)
from persistence.books import allowance_terms, commitment_terms
from persistence.ids import new_id
from persistence.tables.company import COMPANY, CONTACT, GROUP, MEMBER, OFFICE, OFFICE_NUMBER
from persistence.tables.funds import ALLOWANCE, WALLET


async def _rows(connection: AsyncConnection, table: Any, company_id: UUID) -> Sequence[Any]:
    return (await connection.execute(select(table).where(table.c.company_id == company_id))).all()


async def lock_company(connection: AsyncConnection, company: UUID | str) -> Any | None:
    """By id or slug, locked until the end of the transaction; None when there is none."""
    column = COMPANY.c.slug if isinstance(company, str) else COMPANY.c.company_id
    return (
        await connection.execute(select(COMPANY).where(column == company).with_for_update(key_share=True))
    ).one_or_none()


async def stored_plan(connection: AsyncConnection, company: Any) -> CompanyPlan:
    company_id = company.company_id
    offices = sorted(await _rows(connection, OFFICE, company_id), key=lambda row: row.slug)
    slugs = {row.id: row.slug for row in offices}
    numbers = await _rows(connection, OFFICE_NUMBER, company_id)
    allowances = await _rows(connection, ALLOWANCE, company_id)
    wallets = await _rows(connection, WALLET, company_id)
    return CompanyPlan(
        slug=company.slug,
        name=company.name,
        currency=Currency(company.currency),
        domestic_regions=tuple(company.domestic_regions),
        late_usage_hours=company.late_usage_hours,
        spending_alert_rise_percent=company.spending_alert_rise_percent,
        spending_alert_minimum_micros=company.spending_alert_minimum_micros,
        decks=tuple(company.decks),
        purchase_minimum_micros=company.purchase_minimum_micros,
        purchase_maximum_micros=company.purchase_maximum_micros,
        purchase_daily_micros=company.purchase_daily_micros,
        purchase_presets=tuple(company.purchase_presets),
        invoice_limit_micros=company.invoice_limit_micros,
        hold_grant_seconds=company.hold_grant_seconds,
        offices=tuple(
            _office_plan(
                row,
                tuple(sorted(number.phone_number for number in numbers if number.office_id == row.id)),
                [allowance for allowance in allowances if allowance.office_id == row.id],
                [wallet for wallet in wallets if wallet.office_id == row.id and wallet.cadence],
            )
            for row in offices
        ),
        members=tuple(_member(row, slugs) for row in await _rows(connection, MEMBER, company_id)),
        groups=tuple(_group(row, slugs) for row in await _rows(connection, GROUP, company_id)),
        contacts=tuple(_contact(row) for row in await _rows(connection, CONTACT, company_id)),
    )


def _office_plan(row: Any, numbers: tuple[str, ...], allowances: Sequence[Any], wallets: Sequence[Any]) -> OfficePlan:
    return OfficePlan(
        slug=row.slug,
        name=row.name,
        time_zone=row.time_zone,
        region=row.region_code,
        phone_numbers=numbers,
        anchor_day=row.anchor_day,
        payment_terms=PaymentTerms(row.payment_terms),
        tax_name=row.tax_name,
        tax_rate_micros=row.tax_rate_micros,
        decks=tuple(row.decks),
        allowances=tuple(
            AllowancePlan(
                service=Service(allowance.service),
                quantity=allowance.quantity,
                usage_types=tuple(UsageType(name) for name in allowance.usage_types),
            )
            for allowance in allowances
        ),
        commitments=tuple(
            CommitmentPlan(
                kind=WalletKind(wallet.kind), amount_micros=wallet.committed_micros, cadence=Cadence(wallet.cadence)
            )
            for wallet in wallets
        ),
        is_suspended=row.is_suspended,
        invoice_limit_micros=row.invoice_limit_micros,
    )


def _member(row: Any, slugs: Mapping[UUID, str]) -> DirectoryMember:
    return DirectoryMember(
        external_id=row.external_id,
        name=row.name,
        email=row.email,
        office=slugs.get(row.office_id),
        is_active=row.is_active,
        group_external_ids=tuple(row.group_external_ids),
    )


def _group(row: Any, slugs: Mapping[UUID, str]) -> DirectoryGroup:
    return DirectoryGroup(
        external_id=row.external_id,
        name=row.name,
        kind=GroupKind(row.kind),
        office=slugs.get(row.office_id),
        is_active=row.is_active,
    )


def _contact(row: Any) -> DirectoryContact:
    return DirectoryContact(
        external_id=row.external_id,
        name=row.name,
        phone_numbers=tuple(row.phone_numbers),
        is_active=row.is_active,
    )


async def save_company(connection: AsyncConnection, stored: Any | None, plan: CompanyPlan, now: datetime) -> UUID:
    values = {
        "name": plan.name,
        "domestic_regions": list(plan.domestic_regions),
        "late_usage_hours": plan.late_usage_hours,
        "spending_alert_rise_percent": plan.spending_alert_rise_percent,
        "spending_alert_minimum_micros": plan.spending_alert_minimum_micros,
        "decks": list(plan.decks),
        "purchase_minimum_micros": plan.purchase_minimum_micros,
        "purchase_maximum_micros": plan.purchase_maximum_micros,
        "purchase_daily_micros": plan.purchase_daily_micros,
        "purchase_presets": list(plan.purchase_presets),
        "invoice_limit_micros": plan.invoice_limit_micros,
        "hold_grant_seconds": plan.hold_grant_seconds,
    }
    if stored is not None:
        mine = COMPANY.c.company_id == stored.company_id
        await connection.execute(update(COMPANY).where(mine).values(**values))
        found: UUID = stored.company_id
        return found
    company_id = new_id()
    first = {"slug": plan.slug, "currency": plan.currency.value, "rates_version": 0, "created_at": now}
    await connection.execute(insert(COMPANY).values(company_id=company_id, **first, **values))
    return company_id


async def find_office_id(connection: AsyncConnection, company_id: UUID, slug: str) -> UUID:
    mine = and_(OFFICE.c.company_id == company_id, OFFICE.c.slug == slug)
    found: UUID | None = (await connection.execute(select(OFFICE.c.id).where(mine))).scalar_one_or_none()
    if found is None:
        raise NotFound(f"There is no office {slug!r}.")
    return found


async def add_office(connection: AsyncConnection, company_id: UUID, plan: OfficePlan, now: datetime) -> UUID:
    office_id = new_id()
    counters = {"slug": plan.slug, "next_sequence": 1, "renew_due_at": now, "watch_due_at": now, "created_at": now}
    await connection.execute(
        insert(OFFICE).values(company_id=company_id, id=office_id, **counters, **_office_values(plan))
    )
    await connection.execute(
        insert(WALLET).values(
            company_id=company_id,
            id=new_id(),
            office_id=office_id,
            kind=WalletKind.UNIVERSAL.value,
            balance_micros=0,
            reserved_micros=0,
        )
    )
    await _save_parts(connection, company_id, office_id, plan)
    return office_id


async def save_office(connection: AsyncConnection, company_id: UUID, plan: OfficePlan) -> None:
    office_id = await find_office_id(connection, company_id, plan.slug)
    mine = and_(OFFICE.c.company_id == company_id, OFFICE.c.id == office_id)
    await connection.execute(update(OFFICE).where(mine).values(**_office_values(plan)))
    await _save_parts(connection, company_id, office_id, plan)


def _office_values(plan: OfficePlan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "time_zone": plan.time_zone,
        "region_code": plan.region,
        "anchor_day": plan.anchor_day,
        "payment_terms": plan.payment_terms.value,
        "tax_name": plan.tax_name,
        "tax_rate_micros": plan.tax_rate_micros,
        "decks": list(plan.decks),
        "is_suspended": plan.is_suspended,
        "invoice_limit_micros": plan.invoice_limit_micros,
    }


async def _save_parts(connection: AsyncConnection, company_id: UUID, office_id: UUID, plan: OfficePlan) -> None:
    await _save_numbers(connection, company_id, office_id, plan.phone_numbers)
    await _save_allowances(connection, company_id, office_id, plan.allowances)
    await _save_commitments(connection, company_id, office_id, plan.commitments)


async def _save_numbers(connection: AsyncConnection, company_id: UUID, office_id: UUID, numbers: Sequence[str]) -> None:
    table = OFFICE_NUMBER
    others = and_(table.c.company_id == company_id, table.c.office_id != office_id, table.c.phone_number.in_(numbers))
    taken = (await connection.execute(select(table.c.phone_number).where(others))).scalars().all()
    if taken:
        raise InvalidInput(f"{', '.join(sorted(taken))}: another office has this number already.")
    mine = and_(table.c.company_id == company_id, table.c.office_id == office_id)
    await connection.execute(delete(table).where(mine))
    rows = [{"company_id": company_id, "office_id": office_id, "phone_number": number} for number in numbers]
    if rows:
        await connection.execute(insert(table), rows)


async def release_numbers(connection: AsyncConnection, company_id: UUID, offices: Sequence[OfficePlan]) -> None:
    """Before any office is saved, so that numbers can move between them in either direction."""
    table = OFFICE_NUMBER
    kept = {plan.slug: set(plan.phone_numbers) for plan in offices}
    slugs = {row.id: row.slug for row in await _rows(connection, OFFICE, company_id)}
    for row in await _rows(connection, table, company_id):
        slug = slugs[row.office_id]
        if slug in kept and row.phone_number not in kept[slug]:
            mine = and_(table.c.company_id == company_id, table.c.phone_number == row.phone_number)
            await connection.execute(delete(table).where(mine))


async def _save_allowances(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, plans: Sequence[AllowancePlan]
) -> None:
    """What coming cycles include; the running cycle keeps what it was granted."""
    mine = and_(ALLOWANCE.c.company_id == company_id, ALLOWANCE.c.office_id == office_id)
    await connection.execute(delete(ALLOWANCE).where(mine))
    rows = [
        {
            "company_id": company_id,
            "id": new_id(),
            "office_id": office_id,
            "service": plan.service.value,
            "quantity": plan.quantity,
            "usage_types": [kind.value for kind in plan.usage_types],
        }
        for plan in plans
    ]
    if rows:
        await connection.execute(insert(ALLOWANCE), rows)


async def _save_commitments(
    connection: AsyncConnection, company_id: UUID, office_id: UUID, plans: Sequence[CommitmentPlan]
) -> None:
    """A commitment that is no longer planned grants nothing more; its wallet stays, for what is left in it."""
    mine = and_(WALLET.c.company_id == company_id, WALLET.c.office_id == office_id, WALLET.c.cadence.is_not(None))
    stored = {row.kind: row.id for row in (await connection.execute(select(WALLET).where(mine))).all()}
    wanted = {plan.kind.value: plan for plan in plans}
    for kind, wallet_id in stored.items():
        plan = wanted.get(kind)
        values: dict[str, Any] = {"committed_micros": plan.amount_micros if plan else 0}
        if plan is not None:
            values["cadence"] = plan.cadence.value
        row = and_(WALLET.c.company_id == company_id, WALLET.c.id == wallet_id)
        await connection.execute(update(WALLET).where(row).values(**values))
    for kind, plan in wanted.items():
        if kind not in stored:
            terms = {"committed_micros": plan.amount_micros, "cadence": plan.cadence.value, "reserved_micros": 0}
            key = {"company_id": company_id, "id": new_id(), "office_id": office_id, "kind": kind}
            await connection.execute(insert(WALLET).values(**key, **terms))


async def plan_terms(
    connection: AsyncConnection, company_id: UUID, office_id: UUID
) -> tuple[list[CommitmentTerms], list[AllowanceTerms]]:
    wallets = [row for row in await _rows(connection, WALLET, company_id) if row.office_id == office_id]
    allowances = [row for row in await _rows(connection, ALLOWANCE, company_id) if row.office_id == office_id]
    return (
        [commitment_terms(row) for row in wallets if row.cadence],
        [allowance_terms(row) for row in allowances],
    )
