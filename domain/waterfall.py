"""Who pays, in which order (R24–R26): plan allowance, the service's commitment, universal credits.

Two laws hold and are tested: the parts add up to the price, and no source is used before an earlier eligible one is
empty. Money paid in two halves comes from the same sources as money paid at once.
"""

from enum import StrEnum
from typing import NamedTuple

from domain.money import Micros, divide_half_up

PLAN_BIT = 1
COMMITMENT_BIT = 2
UNIVERSAL_BIT = 4


class Coverage(StrEnum):
    """Why the plan paid what it paid."""

    FREE = "FREE"
    """The usage has no price: there was nothing to cover."""
    NO_ALLOWANCE = "NO_ALLOWANCE"
    """The plan includes nothing of this service."""
    NOT_COVERED = "NOT_COVERED"
    """The plan includes some of this service, but not this usage type."""
    USED_UP = "USED_UP"
    """Nothing was left of the allowance."""
    COVERED = "COVERED"
    """The allowance paid for all or part of it."""


class Payment(NamedTuple):
    """What one charge takes from each source. Plan in units and their value, wallets in money."""

    plan_quantity: int
    plan_micros: Micros
    commitment_micros: Micros
    universal_micros: Micros

    @property
    def cost_micros(self) -> Micros:
        """What wallets paid (R22)."""
        return self.commitment_micros + self.universal_micros

    @property
    def list_price_micros(self) -> Micros:
        return self.plan_micros + self.cost_micros

    @property
    def sources(self) -> int:
        """The set of payers as three bits."""
        return (
            (PLAN_BIT if self.plan_quantity or self.plan_micros else 0)
            | (COMMITMENT_BIT if self.commitment_micros else 0)
            | (UNIVERSAL_BIT if self.universal_micros else 0)
        )


def allocate(*, quantity: int, price: Micros, fee: Micros, allowance_left: int, commitment_left: Micros) -> Payment:
    """Split one charge over its sources.

    `price` is without the connection fee, which no allowance covers. `allowance_left` is in the service's unit and 0
    where the plan does not cover this usage; `commitment_left` is 0 where no commitment pays for the service.
    Universal credits pay whatever is left, below zero if need be: usage that happened is always charged (R26).
    """
    covered = min(quantity, allowance_left) if price else 0
    covered_value = divide_half_up(price * covered, quantity) if covered else 0
    rest = price - covered_value + fee
    commitment = min(rest, commitment_left)
    return Payment(covered, covered_value, commitment, rest - commitment)
