"""An operator puts a wallet right, with a reason and his name (R37)."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.access import Viewer
from domain.money import Amount
from domain.ports import Door


class Adjusted(NamedTuple):
    posting_id: UUID
    is_replayed: bool


async def adjust_wallet(
    door: Door, viewer: Viewer, wallet_id: UUID, *, change: Amount, reason: str, key: str, now: datetime
) -> Adjusted:
    """Adds to a wallet or takes from it; a commitment's in its current cycle, never below zero. Idempotent by key.

    Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, TooLow, IdempotencyConflict.
    """
    raise NotImplementedError
