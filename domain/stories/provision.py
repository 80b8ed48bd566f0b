"""How a company, its plans, its directory and its rates get in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act, by_command
from domain.auto_recharge import judge_later
from domain.directory import check_directory
from domain.errors import NotFound
from domain.ledger import CONTRACT, Books, Details
from domain.money import Currency
from domain.periods import CycleTerms, first_instant
from domain.plan_changes import check_plan, company_changes, compare_company, compare_office, office_changes
from domain.ports import DirectorySync, Door, PlanWork
from domain.provisioning import (
    CompanyPlan,
    DirectoryContact,
    DirectoryGroup,
    DirectoryMember,
    OfficePlan,
    PaymentTerms,
)
from domain.rate_cards import CardLoaded, place_card
from domain.rates import NewRate
from domain.renewal import change_terms, open_first_cycle, raise_allowance, raise_commitment, renew

APPLY = "apply"
SYNC = "syncDirectory"
IMPORT_RATES = "import-rates"


async def apply_company(door: Door, plan: CompanyPlan, *, now: datetime, is_dry_run: bool = False) -> list[str]:
    """Make a company be as its plan says; the changes, one sentence each. Applying it again changes nothing.

    A dry run is the same story, and nothing of it stays.
    """
    return await door.again(partial(_apply, door, plan, now, is_dry_run))


async def _apply(door: Door, plan: CompanyPlan, now: datetime, is_dry_run: bool) -> list[str]:
    async with door.provision(plan.slug, now, is_dry_run=is_dry_run) as work:
        stored = await work.stored_plan()
        check_plan(stored, plan, now)
        changes = compare_company(stored, plan)
        if not changes:
            return changes
        company_id = await work.save_company(plan)
        await work.release_numbers(plan.offices)
        if stored is not None and _alert_thresholds(stored) != _alert_thresholds(plan):
            await work.watch_offices()
        known = {office.slug: office for office in stored.offices} if stored else {}
        for office in sorted(plan.offices, key=lambda office: office.slug):
            before = known.get(office.slug)
            if before is None:
                await _open_office(work, office, now)
            elif compare_office(before, office, plan.currency):
                await _change_office(work, before, office, plan.currency, now)
        if stored is not None and stored.invoice_limit_micros != plan.invoice_limit_micros:
            await _judge_limited(work, {**known, **{office.slug: office for office in plan.offices}}, now)
        sync = await work.sync_directory(plan.members, plan.groups, plan.contacts, is_replace=False)
        own = company_changes(stored, plan) if stored else [Change("name", None, plan.name)]
        if noted := [*own, *_directory_changes(sync)]:
            await work.save_activity(by_command(APPLY, *noted, target=(TargetKind.COMPANY, company_id)))
    return changes


def _directory_changes(sync: DirectorySync) -> list[Change]:
    """How many of each kind; the directory itself says who."""
    told = []
    for kind, counts in sync._asdict().items():
        parts = {
            "created": counts.created_count,
            "updated": counts.updated_count,
            "deactivated": counts.deactivated_count,
        }
        if text := ", ".join(f"{count} {done}" for done, count in parts.items() if count):
            told.append(Change(kind, None, text))
    return told


async def _open_office(work: PlanWork, plan: OfficePlan, now: datetime) -> None:
    office_id = await work.add_office(plan)
    books = await work.lock_books(office_id)
    moment = now
    if plan.opened_on is not None:
        moment = first_instant(plan.opened_on, plan.time_zone)
    open_first_cycle(books, moment)
    details = Details(note="Credits brought along.")
    books.into_universal(plan.opening_credits_micros, CONTRACT, details)
    renew(books)
    await work.save_books(books)
    await _note_office(work, office_id, Change("name", None, plan.name))


async def _change_office(
    work: PlanWork, before: OfficePlan, plan: OfficePlan, currency: Currency, now: datetime
) -> None:
    """Cycles that are due by now were due under the old terms: they are renewed before anything changes."""
    # With its history where boundaries move: the end of an annual commitment depends on every cycle since its start.
    moves = (before.time_zone, before.anchor_day) != (plan.time_zone, plan.anchor_day)
    books = await work.lock_books(await work.office_id(plan.slug), with_history=moves)
    renew(books)
    terms = CycleTerms(time_zone=plan.time_zone, anchor_day=plan.anchor_day)
    if terms != books.funds.office.terms:
        change_terms(books, terms)
    if _recharging_of(before) != _recharging_of(plan):
        judge_later(books.funds.recharge, now)
    books.watch_soon()
    await work.save_office(plan)
    await _raise_at_once(work, books, plan)
    await work.save_books(books)
    await _note_office(work, books.funds.office.id, *office_changes(before, plan, currency))


def _alert_thresholds(plan: CompanyPlan) -> tuple[int, int]:
    return plan.spending_alert_rise_percent, plan.spending_alert_minimum_micros


def _recharging_of(plan: OfficePlan) -> tuple[object, ...]:
    """What of an office's plan decides whether it is recharged (R33)."""
    return plan.is_suspended, plan.payment_terms, plan.invoice_limit_micros, plan.tax_rate_micros


async def _judge_limited(work: PlanWork, offices: Mapping[str, OfficePlan], now: datetime) -> None:
    """Those that the company's own limit of what may be owed is a limit of."""
    for slug, plan in sorted(offices.items()):
        if plan.payment_terms is PaymentTerms.INVOICE and plan.invoice_limit_micros is None:
            books = await work.lock_books(await work.office_id(slug))
            renew(books)
            judge_later(books.funds.recharge, now)
            await work.save_books(books)


async def _note_office(work: PlanWork, office_id: UUID, *changes: Change) -> None:
    await work.save_activity(by_command(APPLY, *changes, office_id=office_id, target=(TargetKind.OFFICE, office_id)))


async def _raise_at_once(work: PlanWork, books: Books, plan: OfficePlan) -> None:
    commitments, allowances = await work.plan_terms(books.funds.office.id)
    immediate = {commitment.kind for commitment in plan.commitments if commitment.is_immediate}
    for commitment in commitments:
        if commitment.kind in immediate:
            raise_commitment(books, commitment)
    covered = {allowance.service for allowance in plan.allowances if allowance.is_immediate}
    for allowance in allowances:
        if allowance.service in covered:
            raise_allowance(books, allowance)


async def sync_directory(
    door: Door,
    viewer: Viewer,
    *,
    members: Sequence[DirectoryMember] | None,
    groups: Sequence[DirectoryGroup] | None,
    contacts: Sequence[DirectoryContact] | None,
    is_replace: bool,
    now: datetime,
) -> DirectorySync:
    """Bring members, groups and contacts up to date; with `is_replace`, whoever is not named becomes inactive.

    A kind that is None is left alone. Raises NotPermitted, NotFound, and InvalidInput or TooHigh for a list that is not
    well-formed, which changes nothing.
    """
    viewer.require(Permission.SYNC_DIRECTORY)
    scope = Scope.of(viewer)
    company_id = scope.company
    if not scope.is_whole_company:
        # The same answer as for an office that is not there, or a limited reporter could tell which there are.
        raise NotFound("A directory belongs to a whole company: this token does not cover one.")
    check_directory(members, groups, contacts)

    async def story() -> DirectorySync:
        async with door.provision(company_id, now) as work:
            sync = await work.sync_directory(members, groups, contacts, is_replace=is_replace)
            if changes := _directory_changes(sync):
                await work.save_activity(act(viewer, SYNC, *changes, target=(TargetKind.COMPANY, company_id)))
            return sync

    return await door.again(story)


async def load_deck(
    door: Door,
    company_id: UUID,
    *,
    card: str,
    rates: Sequence[NewRate],
    effective_from: datetime,
    now: datetime,
    is_dry_run: bool = False,
) -> CardLoaded:
    """Put a deck in force, whole or not at all (R18, R19). Raises RateConflict when it would change the past.

    A dry run is the same story, and nothing of it stays.
    """

    async def story() -> CardLoaded:
        async with door.provision(company_id, now, is_dry_run=is_dry_run) as work:
            placement = place_card(await work.cards(card), rates, effective_from=effective_from, now=now)
            if placement.is_unchanged:
                return CardLoaded(0, placement)
            card_id = await work.save_card(card, rates, placement)
            deck = Change(
                "deck", None, f"{card}: {len(rates)} rates from {placement.effective_from:%Y-%m-%d %H:%M} UTC"
            )
            await work.save_activity(by_command(IMPORT_RATES, deck, target=(TargetKind.RATE_CARD, card_id)))
        return CardLoaded(len(rates), placement)

    return await door.again(story)
