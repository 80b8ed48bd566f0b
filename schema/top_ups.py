"""Top-ups: every attempt to add universal credits, bought or by auto-recharge, and what became of it (R29–R31)."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.catalogue import WalletKind
from domain.errors import InvalidInput, NotFound
from domain.payments import NextAction
from domain.top_ups import TopUp as DomainTopUp
from persistence.top_up_list import WantedTopUps, count_top_ups, read_top_up_page
from schema.connections import After, Before, CountedConnection, First, Last, page, window_of
from schema.context import Context, Info
from schema.ids import IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.payment_methods import PaymentMethod, PaymentNextAction, load_payment_method, next_action_of
from schema.payment_words import REASON_TEXTS, ProcessorKind, TopUpOrigin, TopUpReason, TopUpState
from schema.scalars import Money, money
from schema.wallets import LazyOffice, Wallet, wallet_of

if TYPE_CHECKING:
    from schema.office import Office

MAX_LIST_ENTRIES = 100
T = TypeVar("T")


async def _office(root: "TopUp", info: Info) -> "Office":
    from schema.office import office_of  # an office shows its auto-recharge, and that its last top-up

    row = await info.context.loaders.offices.load(root.row.office_id)
    if row is None:
        raise NotFound("This office is no longer there.")
    return office_of(row)


def _reason_text(root: "TopUp") -> str | None:
    return REASON_TEXTS[root.reason] if root.reason else None


async def _refundable(root: "TopUp", info: Info) -> Money:
    await info.context.renewed()  # holds that are over hold nothing back
    micros = await info.context.loaders.refundable.load(root.row.id)
    return money(micros, root.row.currency)


def _next_action(root: "TopUp", info: Info) -> PaymentNextAction | None:
    row = root.row
    if root.state is not TopUpState.REQUIRES_ACTION or not info.context.may(Permission.PURCHASE_CREDITS):
        return None
    return next_action_of(ProcessorKind(row.processor), NextAction(**(row.next_action or {})), row.action_expires_at)


async def _payment_method(root: "TopUp", info: Info) -> PaymentMethod | None:
    return await load_payment_method(info.context, root.row.payment_method_id)


async def _wallet(root: "TopUp", info: Info) -> Wallet:
    wallet = await universal_wallet(info.context, root.row.office_id)
    if wallet is None:
        raise NotFound("This wallet is no longer there.")
    return wallet


async def universal_wallet(context: Context, office_id: UUID) -> Wallet | None:
    """An office's universal credits as they now are; None for a caller who may not see wallets."""
    if not context.may(Permission.VIEW_WALLETS):
        return None
    await context.renewed()
    for row in await context.loaders.wallets_of_office.load(office_id):
        if row.kind == WalletKind.UNIVERSAL:
            return wallet_of(row, context.now)
    return None


@strawberry.type(
    description="One attempt to add universal credits to an office: a purchase, an auto-recharge, or an auto-recharge"
    " that was skipped. The credits are there once it is SETTLED, never before; it settles once."
)
class TopUp(Node):
    row: strawberry.Private[AnyRow]
    office: LazyOffice = strawberry.field(resolver=_office, description="The office whose credits these are.")
    origin: TopUpOrigin = strawberry.field(description="Whether somebody bought them or auto-recharge did.")
    state: TopUpState = strawberry.field(description="Where it stands.")
    reason: TopUpReason | None = strawberry.field(description="Why it failed or was skipped; otherwise null.")
    reason_text: str | None = strawberry.field(
        resolver=_reason_text, description="The reason in a sentence for a person, in English."
    )
    credits: Money = strawberry.field(description="What the wallet gets.")
    tax: Money = strawberry.field(description="The tax on top of it.")
    total: Money = strawberry.field(description="What the card or the invoice pays: credits and tax.")
    refunded: Money = strawberry.field(
        description="How much of the credits was given back, by refund or by a dispute with the bank."
    )
    refundable: Money = strawberry.field(
        resolver=_refundable,
        description="How much of the credits could be given back now: what of them is neither spent nor held nor"
        " given back. The oldest credits are spent first.",
    )
    created_at: datetime = strawberry.field(description="When it was begun, or skipped.")
    settled_at: datetime | None = strawberry.field(description="When the credits were added; null until then.")
    paid_at: datetime | None = strawberry.field(
        description="Of an office that pays by invoice: when the invoice was paid. Null until then, and for cards."
    )
    next_action: PaymentNextAction | None = strawberry.field(
        resolver=_next_action,
        description="What the cardholder must do, while the state is REQUIRES_ACTION. Null otherwise, and for callers"
        " who may not buy.",
    )
    payment_method: PaymentMethod | None = strawberry.field(
        resolver=_payment_method, description="The card that pays. Null for invoices, and where no card was tried."
    )
    requested_by: str | None = strawberry.field(description="Who bought it, by the name in the token; `Auto-recharge`.")
    wallet: Wallet = strawberry.field(
        resolver=_wallet, description="The office's universal credits as they now are: where the credits go."
    )


@strawberry.type(description="A page of an office's top-ups, last made first.")
class TopUpConnection(CountedConnection[TopUp]):
    pass


_EMPTY_FINDS_NOTHING = " At most 100; an empty list finds nothing."


@strawberry.input(description="What a top-up must be like; what is left out does not matter.")
class TopUpFilter:
    origins: list[TopUpOrigin] | None = strawberry.field(
        default=None, description="Made by one of these." + _EMPTY_FINDS_NOTHING
    )
    states: list[TopUpState] | None = strawberry.field(
        default=None, description="In one of these states." + _EMPTY_FINDS_NOTHING
    )


def top_up_of(row: AnyRow) -> TopUp:
    return TopUp(
        id=encode(IdKind.TOP_UP, row.id),
        row=row,
        origin=TopUpOrigin(row.origin),
        state=TopUpState(row.state),
        reason=TopUpReason(row.reason) if row.reason else None,
        credits=money(row.credits_micros, row.currency),
        tax=money(row.tax_micros, row.currency),
        total=money(row.total_micros, row.currency),
        refunded=money(row.refunded_micros, row.currency),
        created_at=row.created_at,
        settled_at=row.settled_at,
        paid_at=row.paid_at,
        requested_by=row.requested_by,
    )


async def load_top_up(context: Context, top_up: DomainTopUp | UUID | None) -> TopUp | None:
    """A top-up as it now is; None for none, and for one the caller cannot see."""
    value = top_up.id if isinstance(top_up, DomainTopUp) else top_up
    row = await context.loaders.top_ups.load(value) if value else None
    return top_up_of(row) if row else None


async def resolve_top_up(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
) -> TopUp | None:
    info.context.viewer.require(Permission.VIEW_WALLETS)
    return await load_top_up(info.context, decode(IdKind.TOP_UP, id))


async def resolve_top_ups(
    info: Info,
    office_id: Annotated[strawberry.ID, strawberry.argument(description="The office.")],
    filter: Annotated[
        TopUpFilter | None, strawberry.argument(description="Which top-ups; all of the office's when left out.")
    ] = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> TopUpConnection | None:
    context = info.context
    context.viewer.require(Permission.VIEW_WALLETS)
    office = decode(IdKind.OFFICE, office_id)
    if office is None or await context.loaders.offices.load(office) is None:
        return None  # before the cursor is looked at: one that fits would tell that there is such an office
    asked = filter or TopUpFilter()
    wanted = WantedTopUps(office, _values("origins", asked.origins), _values("states", asked.states))
    seal = context.cursors((datetime, UUID), "topUps", *wanted)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    found = await read_top_up_page(context.database, context.scope, wanted=wanted, window=window)
    return TopUpConnection(
        count=lambda: count_top_ups(context.database, context.scope, wanted=wanted),
        **page(seal, window, found, map(top_up_of, found.rows), lambda row: (row.created_at, row.id)),
    )


def _values(field: str, values: list[T] | None) -> tuple[T, ...] | None:
    """The values named, each once and in one order: the same filter has the same cursors. Raises InvalidInput."""
    if values is None:
        return None
    if len(values) > MAX_LIST_ENTRIES:
        raise InvalidInput(f"`{field}` may name at most {MAX_LIST_ENTRIES}.", field=("filter", field))
    return tuple(sorted(set(values), key=str))
