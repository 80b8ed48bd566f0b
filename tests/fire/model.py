"""What an office has, as the rules say it (R8–R11, R24–R28, R36): the figures to compare the books with.

Amounts in micros, the allowance in seconds. Written from the rules alone: nothing of the product is used here.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

COMMITTED, INCLUDED = 3_000_000, 600
LATE = timedelta(hours=72)
UNITS_OF_PRICE = {"call": (20_000, 60), "fax": (30_000, 1), "agent": (500_000, 1)}


class Paid(NamedTuple):
    month: datetime
    plan: int
    commitment: int
    universal: int


def month_of(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, 1, tzinfo=UTC)


def is_open(month: datetime, now: datetime) -> bool:
    return now < month_of(month + timedelta(days=32)) + LATE


def half_up(part: int, whole: int) -> int:
    return (2 * part + whole) // (2 * whole)


def split(kind: str, quantity: int, month: datetime, plan: int, commitment: int) -> Paid:
    """The plan covers calls, the commitment calls and faxes, universal credits everything."""
    price = half_up(UNITS_OF_PRICE[kind][0] * quantity, UNITS_OF_PRICE[kind][1])
    covered = min(quantity, plan) if kind == "call" else 0
    rest = price - half_up(price * covered, quantity)
    committed = min(rest, commitment) if kind != "agent" else 0
    return Paid(month, covered, committed, rest - committed)


@dataclass
class Model:
    universal: int
    commitment: defaultdict[datetime, int] = field(default_factory=lambda: defaultdict(lambda: COMMITTED))
    plan: defaultdict[datetime, int] = field(default_factory=lambda: defaultdict(lambda: INCLUDED))
    held: dict[str, tuple[Paid, datetime]] = field(default_factory=dict)
    """By event id: what is kept, and until when."""
    charged: dict[str, Paid] = field(default_factory=dict)

    def pass_time(self, now: datetime) -> None:
        self.held = {key: (paid, end) for key, (paid, end) in self.held.items() if end > now}
        for month in list(self.commitment):
            self.commitment[month] *= is_open(month, now)

    def charge(self, key: str, kind: str, quantity: int, at: datetime, now: datetime) -> int:
        month = month_of(at) if is_open(month_of(at), now) else month_of(now)
        paid = split(kind, quantity, month, self.plan[month], self.commitment[month])
        self._move(paid, -1)
        self.held.pop(key, None)
        self.charged[key] = paid
        return paid.commitment + paid.universal

    def reverse(self, key: str, now: datetime) -> None:
        paid = self.charged[key]
        if not is_open(paid.month, now):
            paid = Paid(paid.month, 0, 0, paid.commitment + paid.universal)
        self._move(paid, 1)

    def _move(self, paid: Paid, sign: int) -> None:
        self.plan[paid.month] += sign * paid.plan
        self.commitment[paid.month] += sign * paid.commitment
        self.universal += sign * paid.universal

    def grant(
        self, kind: str, most: int, now: datetime, *, extra: int, besides: str | None = None
    ) -> tuple[int, Paid] | None:
        """The most that is neither spent nor held by others. `extra`: universal credits that recharges bought."""
        month = month_of(now)
        others = [paid for key, (paid, _end) in self.held.items() if key != besides]
        if besides is not None and is_open(self.held[besides][0].month, now):
            month = self.held[besides][0].month
        plan = max(0, self.plan[month] - sum(paid.plan for paid in others if paid.month == month))
        commitment = max(0, self.commitment[month] - sum(paid.commitment for paid in others))
        universal = max(0, self.universal + extra - sum(paid.universal for paid in others))
        for quantity in range(most, 0, -1):
            paid = split(kind, quantity, month, plan, commitment)
            if paid.universal <= universal:
                return quantity, paid
        return None
