"""An office that buys by invoice has paid (R31)."""

from typing import Annotated
from uuid import UUID

import strawberry

from domain.errors import InvalidInput
from domain.stories.invoice import InvoicesPaid, settle_invoice
from persistence.offices import read_company
from schema.context import Info
from schema.cost import sized
from schema.errors import UserError
from schema.idempotency import key_description
from schema.ids import NOTHING, IdKind, decode, require_all
from schema.scalars import Money, money
from schema.top_ups import TopUp, top_up_of

MAX_TOP_UPS = 100


@strawberry.input(description="Invoiced top-ups that were paid. For operators.")
class SettleInvoiceInput:
    office_id: strawberry.ID = strawberry.field(description="The office that paid.")
    idempotency_key: str = strawberry.field(description=key_description("payment"))
    top_up_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The top-ups that were paid, `top_…`, at most"
        f" {MAX_TOP_UPS}; all that the office owes when left out.",
    )


async def _top_ups(root: "SettleInvoicePayload", info: Info) -> list[TopUp] | None:
    if root.done is None:
        return None
    rows = await info.context.loaders.top_ups.load_many(root.done.top_up_ids)
    return [top_up_of(row) for row in rows if row is not None]


async def _total_paid(root: "SettleInvoicePayload", info: Info) -> Money | None:
    if root.done is None:
        return None
    company = await read_company(info.context.database, info.context.scope)
    return money(root.done.total_micros, company.currency) if company else None


@strawberry.type(description="What was paid.")
class SettleInvoicePayload:
    done: strawberry.Private[InvoicesPaid | None] = None
    top_ups: list[TopUp] | None = strawberry.field(
        directives=[sized(25)],
        resolver=_top_ups,
        description="The top-ups that no longer count against the office's invoice limit. Null when there are"
        " `userErrors`.",
    )
    total_paid: Money | None = strawberry.field(
        resolver=_total_paid,
        description="What they came to: credits and tax, less what was refunded. Null when there are `userErrors`.",
    )
    is_replayed: bool = strawberry.field(
        default=False, description="Whether this key had done it before, and nothing was changed now."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


def _named(ids: list[strawberry.ID] | None) -> tuple[UUID, ...] | None:
    if ids is not None and len(ids) > MAX_TOP_UPS:
        raise InvalidInput(f"`topUpIds` may name at most {MAX_TOP_UPS}.", field=("topUpIds",))
    return None if ids is None else require_all(IdKind.TOP_UP, ids, "topUpIds")


async def resolve_settle_invoice(
    info: Info, input: Annotated[SettleInvoiceInput, strawberry.argument(description="What was paid.")]
) -> SettleInvoicePayload:
    context = info.context
    done = await settle_invoice(
        context.begin,
        context.viewer,
        decode(IdKind.OFFICE, input.office_id) or NOTHING,
        top_up_ids=_named(input.top_up_ids),
        key=input.idempotency_key,
        now=context.now,
    )
    return SettleInvoicePayload(done=done, is_replayed=done.is_replayed)
