"""An office's alerts, judged over its books (R38, R39): what is to be raised now, what stands, what is over."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from domain.alert_news import tell_raised
from domain.alerts import Alert, AlertKind, AlertState, Cause, end, level_of, settle_level, settle_rise
from domain.catalogue import Service
from domain.funds import AllowanceCycle, CommitmentCycle, Funds
from domain.ledger import WATCH_PAUSE, Books
from domain.money import Micros
from domain.periods import Period, YearMonth, first_instant, local_day
from domain.spending_rise import EarlierCycle, Rise, Thresholds, Upturn


class WatchFacts(NamedTuple):
    """What has to be known besides the books."""

    thresholds: Thresholds
    earlier: EarlierCycle | None
    """None in the office's first cycle."""
    open_alerts: Sequence[Alert]
    plan_micros: Mapping[Service, Micros]
    """The list price of what the plan covered in the current cycle."""
    had_universal: bool
    """Whether there ever were universal credits; asked for where `is_universal_low`."""

    def standing_cause(self, month: YearMonth, current: Micros, previous: Micros) -> Cause | None:
        """Of the rise that is shown in this cycle, where nothing has changed since it was found."""
        for alert in self.open_alerts:
            is_shown = alert.kind is AlertKind.SPENDING_RISE and alert.state is AlertState.ACTIVE
            if is_shown and alert.month == month and alert.latest_micros == (current, previous):
                return alert.cause
        return None


class Judged(NamedTuple):
    moved: list[Alert]
    """Earlier ones as they now are. To be saved first: of a kind and subject one ends before the next is there."""
    raised: list[Alert]


def is_universal_low(funds: Funds) -> bool:
    """Strictly below the threshold, and nothing refills it (R39)."""
    return not funds.recharge.is_enabled and funds.universal_micros < funds.recharge.threshold_micros


def judge_alerts(books: Books, facts: WatchFacts, rise: Rise | Upturn | None) -> Judged:
    """What became of the office's alerts, and what is new; that is also news.

    While it is not known what an upturn comes from, rises stay as they are. The books must be renewed: alerts of a
    cycle that is over end here, and only current accounts raise any.
    """
    now = books.now
    levelled = [*_commitments(books), *_allowances(books, facts), *_universal(books, facts)]
    found = {alert.subject: alert for alert in levelled}
    over = [alert for alert in facts.open_alerts if _is_over(books, alert)]
    standing = [alert for alert in facts.open_alerts if alert not in over]
    rises = [alert for alert in standing if alert.kind is AlertKind.SPENDING_RISE]
    levels = {alert.subject: alert for alert in standing if alert.kind is not AlertKind.SPENDING_RISE}
    moved = [end(alert, now) for alert in over]
    if not isinstance(rise, Upturn):
        moved += settle_rise(rises, _risen(books, rise) if rise else None, now)
    for subject in sorted({*found, *levels}):
        moved += settle_level(levels.get(subject), found.get(subject), now)
    known = {alert.id for alert in facts.open_alerts}
    raised = [alert for alert in moved if alert.id not in known]
    for alert in raised:
        tell_raised(books, alert)
    return Judged([alert for alert in moved if alert.id in known], raised)


def next_watch(books: Books) -> datetime:
    """When alerts are judged next if nothing happens: once another day is complete, or another cycle has begun."""
    current = books.funds.current
    zone = current.terms.time_zone
    today = local_day(books.now, zone)
    midnight = first_instant(today + timedelta(days=1), zone)
    if midnight <= books.now:  # clocks that went back over midnight show the same day again
        midnight = first_instant(today + timedelta(days=2), zone)
    return min(midnight, current.ends_at) + WATCH_PAUSE


def _is_over(books: Books, alert: Alert) -> bool:
    """Whether the cycle that an alert is about has ended. Universal credits have none."""
    match alert.kind:
        case AlertKind.UNIVERSAL_LOW:
            return False
        case AlertKind.COMMITMENT_USED:
            return all(
                (account.wallet_id, account.month) != (alert.wallet_id, alert.month)
                for account in _current_accounts(books)
            )
        case _:
            return alert.month != books.funds.current.month


def _current_accounts(books: Books) -> list[CommitmentCycle]:
    """Not the previous cycle's, which may still be open for late usage."""
    funds = books.funds
    return [
        account for account in funds.commitment_cycles if account.starts_at <= funds.current.starts_at < account.ends_at
    ]


def _risen(books: Books, rise: Rise) -> Alert:
    return Alert(
        id=books.new_id(),
        kind=AlertKind.SPENDING_RISE,
        subject=rise.cause.subject,
        month=books.funds.current.month,
        period=rise.period,
        raised_at=books.now,
        current_micros=rise.current_micros,
        previous_micros=rise.previous_micros,
        cause=rise.cause,
        latest_micros=(rise.current_micros, rise.previous_micros),
    )


def _commitments(books: Books) -> list[Alert]:
    found = [
        (account, level_of(account.spent_micros, account.committed_micros)) for account in _current_accounts(books)
    ]
    return [_commitment_used(books, account, level) for account, level in found if level]


def _commitment_used(books: Books, account: CommitmentCycle, level: int) -> Alert:
    return Alert(
        id=books.new_id(),
        kind=AlertKind.COMMITMENT_USED,
        subject=f"commitment:{account.kind}",
        month=account.month,
        period=Period(account.starts_at, account.ends_at),
        raised_at=books.now,
        current_micros=account.spent_micros,
        wallet_id=account.wallet_id,
        limit_micros=account.committed_micros,
        used_percent=level,
    )


def _allowances(books: Books, facts: WatchFacts) -> list[Alert]:
    month = books.funds.current.month
    current = [allowance for allowance in books.funds.allowance_cycles.values() if allowance.month == month]
    found = [(allowance, level_of(allowance.spent_quantity, allowance.committed_quantity)) for allowance in current]
    return [_allowance_used(books, facts, allowance, level) for allowance, level in found if level]


def _allowance_used(books: Books, facts: WatchFacts, allowance: AllowanceCycle, level: int) -> Alert:
    cycle = books.funds.current
    return Alert(
        id=books.new_id(),
        kind=AlertKind.ALLOWANCE_USED,
        subject=f"allowance:{allowance.service}",
        month=cycle.month,
        period=Period(cycle.starts_at, cycle.ends_at),
        raised_at=books.now,
        current_micros=facts.plan_micros.get(allowance.service, 0),
        allowance_cycle_id=allowance.id,
        used_percent=level,
        spent_quantity=allowance.spent_quantity,
        committed_quantity=allowance.committed_quantity,
    )


def _universal(books: Books, facts: WatchFacts) -> list[Alert]:
    """Credits that never were cannot fall."""
    funds, cycle = books.funds, books.funds.current
    if not (is_universal_low(funds) and facts.had_universal):
        return []
    return [
        Alert(
            id=books.new_id(),
            kind=AlertKind.UNIVERSAL_LOW,
            subject="universal",
            month=cycle.month,
            period=Period(cycle.starts_at, cycle.ends_at),
            raised_at=books.now,
            current_micros=funds.universal_micros,
            wallet_id=funds.universal_wallet_id,
            limit_micros=funds.recharge.threshold_micros,
        )
    ]
