"""The money of a top-up is collected from a card, once (R29): charge, ask, settle. By requests and by the worker."""

from datetime import datetime
from uuid import UUID

from domain.payments import Processors
from domain.ports import Door
from domain.top_ups import TopUp


async def collect(door: Door, processors: Processors, top_up: TopUp, *, now: datetime) -> TopUp:
    """Whatever has to be done next about a top-up that is in flight; the top-up as it is afterwards."""
    raise NotImplementedError


async def hear_of_payment(
    door: Door, processors: Processors, company_id: UUID, top_up_id: UUID, *, now: datetime
) -> TopUp | None:
    """A processor's webhook named a payment: it is asked what became of it. None when there is no such top-up."""
    raise NotImplementedError


async def settle_due(door: Door, processors: Processors, *, now: datetime) -> int:
    """Takes up every top-up that is due; the number of them. Safe to run anywhere, by many workers at once."""
    raise NotImplementedError
