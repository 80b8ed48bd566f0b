"""Where a new version of a deck stands in time (R19).

It may end its predecessor, or fill a gap; it never changes what was in force.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from domain.errors import InvalidInput, RateConflict
from domain.rates import NewRate
from domain.usage import MAX_BACKFILL_AGE

MAX_DECK_LEAD = timedelta(days=3_653)
"""How far ahead a deck may be loaded: ten years."""


class Card(NamedTuple):
    """A version of a deck."""

    id: UUID
    effective_from: datetime
    effective_until: datetime | None
    checksum: str


class Placement(NamedTuple):
    effective_from: datetime
    effective_until: datetime | None
    """When a later version takes over already; None: until further notice."""
    predecessor_id: UUID | None
    """The version that ends where this one begins."""
    checksum: str
    replaces_id: UUID | None = None
    """A version of the same moment that has not begun: nothing was priced by it, so it is taken away."""
    is_unchanged: bool = False
    """The very same deck is in force already: there is nothing to load."""


class CardLoaded(NamedTuple):
    rate_count: int
    placement: Placement


def place_card(
    cards: Sequence[Card], rates: Sequence[NewRate], *, effective_from: datetime, now: datetime
) -> Placement:
    """Raises RateConflict for a backdated deck that would change what was in force, InvalidInput for absurd times."""
    if not now - MAX_BACKFILL_AGE <= effective_from <= now + MAX_DECK_LEAD:
        raise InvalidInput(f"{effective_from:%Y-%m-%d} is out of bounds: at most 30 years back and 10 ahead.")
    checksum = deck_checksum(rates)
    later = [card.effective_from for card in cards if card.effective_from > effective_from]
    until = min(later, default=None)
    in_force = next((card for card in cards if _covers(card, effective_from)), None)
    if in_force is None:
        return Placement(effective_from, until, None, checksum)
    if in_force.checksum == checksum:
        return Placement(in_force.effective_from, in_force.effective_until, None, checksum, is_unchanged=True)
    if in_force.effective_from == effective_from > now:
        return Placement(effective_from, in_force.effective_until, None, checksum, replaces_id=in_force.id)
    if effective_from < now or in_force.effective_from == effective_from:
        raise RateConflict(
            f"Rates of this deck are in force from {in_force.effective_from:%Y-%m-%d %H:%M}Z on and may have priced"
            " usage: a deck may begin now or later, or where none was in force."
        )
    return Placement(effective_from, until, in_force.id, checksum)


def deck_checksum(rates: Iterable[NewRate]) -> str:
    """The same for the same rates in any order."""
    digest = blake2b(digest_size=16)
    for line in sorted(repr(tuple(rate)) for rate in rates):
        digest.update(line.encode())
    return digest.hexdigest()


def _covers(card: Card, at: datetime) -> bool:
    return card.effective_from <= at and (card.effective_until is None or at < card.effective_until)
