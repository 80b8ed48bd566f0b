"""Auto-recharge: configured by a person, judged by every transaction that spends, settled by the worker (R33–R35)."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act
from domain.auto_recharge import AutoRecharge, note_decline, note_success
from domain.errors import NotFound
from domain.fund_work import FundWork
from domain.ledger import Books
from domain.money import Amount, Currency, Micros, money_text
from domain.ports import Door
from domain.recharge_settings import RechargeSettings, begin_within, change_settings, check_settings
from domain.recharging import is_low, judge
from domain.renewal import renew
from domain.top_up_news import tell_declined
from domain.top_ups import TopUp, TopUpState

CONFIGURE = "configureAutoRecharge"
SWITCH_OFF = "switchOffAutoRecharge"


class RechargeConfigured(NamedTuple):
    recharge: AutoRecharge
    top_up: TopUp | None
    """A recharge that the new settings started at once."""


async def configure_recharge(
    door: Door,
    viewer: Viewer,
    office_id: UUID,
    *,
    is_enabled: bool | None,
    threshold: Amount | None,
    amount: Amount | None,
    cycle_cap: Amount | None,
    now: datetime,
) -> RechargeConfigured:
    """What is None stays as it is. An office without a card may switch it on: it waits for a card then.

    Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, TooLow, TooHigh; for the amount of one recharge
    BelowMinimum and AboveMaximum, which tell the bounds.
    """
    viewer.require(Permission.CONFIGURE_AUTO_RECHARGE)
    if not Scope.of(viewer).covers(office_id):
        raise NotFound("There is no such office.", field=("officeId",))
    settings = RechargeSettings(is_enabled, threshold, amount, cycle_cap)
    return await door.again(partial(_configure, door, viewer, office_id, settings, now))


async def _configure(
    door: Door, viewer: Viewer, office_id: UUID, settings: RechargeSettings, now: datetime
) -> RechargeConfigured:
    async with door.begin(Scope.of(viewer).company, now) as work:
        books = await work.lock_books(office_id)
        renew(books)
        billing = await work.billing(books)
        recharge = books.funds.recharge
        begin_within(recharge, billing)
        check_settings(recharge, settings, billing)
        before = replace(recharge)
        change_settings(recharge, settings, now)
        books.watch_soon()
        changes = _changes(before, recharge, billing.currency)
        top_up = await judge_recharge(work, books)
        if changes:
            target = (TargetKind.AUTO_RECHARGE, office_id)
            await work.save_activity(act(viewer, CONFIGURE, *changes, office_id=office_id, target=target))
        await work.save_books(books)
    return RechargeConfigured(recharge, top_up)


def _changes(before: AutoRecharge, after: AutoRecharge, currency: Currency) -> list[Change]:
    def told(recharge: AutoRecharge) -> dict[str, str]:
        return {
            "isEnabled": "on" if recharge.is_enabled else "off",
            "threshold": money_text(recharge.threshold_micros, currency),
            "amount": money_text(recharge.amount_micros, currency),
            "cycleCap": money_text(recharge.cap_micros, currency),
        }

    now = told(after)
    return [Change(field, old, now[field]) for field, old in told(before).items() if old != now[field]]


async def judge_recharge(work: FundWork, books: Books, *, available_micros: Micros | None = None) -> TopUp | None:
    """To be called under the lock, after everything was moved and before the books are saved (R33).

    `available_micros`: for an authorization that was refused for want of funds, judged on what is available instead
    of on the balance. Cheap when auto-recharge is off or the balance is above the threshold.
    """
    if not is_low(books, available_micros):
        return None
    return judge(books, await work.billing(books), await work.recharge_facts(books), available_micros)


async def note_recharge(work: FundWork, books: Books, top_up: TopUp, *, is_decline: bool = True) -> None:
    """To be called under the lock when a recharge was SETTLED or FAILED, after its state and the money were moved and
    before the books are saved. A success is followed by another judgement (R33), a decline by a back-off (R35); one
    that failed without being declined, by a judgement too.

    Not for PROCESSOR_UNAVAILABLE while it is not known what became of the money: such a recharge stays in flight.
    """
    recharge = books.funds.recharge
    if top_up.state is TopUpState.SETTLED:
        note_success(recharge)
        await judge_recharge(work, books)
    elif not is_decline:
        await judge_recharge(work, books)
    else:
        is_switched_off = note_decline(recharge, books.now)
        tell_declined(books, top_up, is_switched_off=is_switched_off)
        if is_switched_off:
            books.watch_soon()
            await _note_switched_off(work, top_up.office_id)


async def _note_switched_off(work: FundWork, office_id: UUID) -> None:
    change, target = Change("isEnabled", "on", "off"), (TargetKind.AUTO_RECHARGE, office_id)
    await work.save_activity(act(None, SWITCH_OFF, change, office_id=office_id, target=target))


async def judge_due(door: Door, *, now: datetime) -> int:
    """Offices whose back-off, cap or day has ended are judged again; the number of them. Safe to run anywhere.

    One that fails does not keep the others waiting. Raises ExceptionGroup with all that failed.
    """
    failures: list[Exception] = []
    due = await door.due_recharges(now)
    for company_id, office_id in due:
        try:
            await door.again(partial(_judge_office, door, company_id, office_id, now))
        except Exception as error:
            failures.append(error)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(due)} offices could not be judged.", failures)
    return len(due)


async def _judge_office(door: Door, company_id: UUID, office_id: UUID, now: datetime) -> None:
    async with door.begin(company_id, now) as work:
        books = await work.lock_books(office_id)
        recharge = books.funds.recharge
        if recharge.judge_at is None or recharge.judge_at > now:
            return  # another worker was here first
        renew(books)
        recharge.judge_at = None
        await judge_recharge(work, books)
        await work.save_books(books)
