"""Auto-recharge: configured by a person, judged by every transaction that spends, settled by the worker (R33–R35)."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.access import Viewer
from domain.auto_recharge import AutoRecharge
from domain.fund_work import FundWork
from domain.ledger import Books
from domain.money import Amount, Micros
from domain.ports import Door
from domain.top_ups import TopUp


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
    """What is None stays as it is. Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, TooLow, TooHigh."""
    raise NotImplementedError


async def judge_recharge(work: FundWork, books: Books, *, available_micros: Micros | None = None) -> TopUp | None:
    """To be called under the lock, after everything was moved and before the books are saved (R33).

    `available_micros`: for an authorization that was refused for want of funds, judged on what is available instead
    of on the balance. Cheap when auto-recharge is off or the balance is above the threshold.
    """
    raise NotImplementedError


async def judge_due(door: Door, *, now: datetime) -> int:
    """Offices whose back-off, cap or day has ended are judged again; the number of them."""
    raise NotImplementedError
