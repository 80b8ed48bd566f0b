"""`node` and `nodes`: any object by its id, as far as the caller may see it.

Unknown, not the caller's, and of a kind his token does not open are one answer: null.
"""

from asyncio import gather
from collections.abc import Callable
from typing import Annotated, NamedTuple
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.errors import InvalidInput
from persistence.offices import read_company
from schema.activity import activity_of
from schema.api_keys import api_key_of
from schema.auto_recharge import office_auto_recharge
from schema.company import company_of, viewer_of
from schema.context import Context, Info
from schema.directory import contact_of, group_of, member_of
from schema.holds import MAY_SEE_HOLDS, hold_of
from schema.ids import IdKind, parse
from schema.ledger import posting_of
from schema.loaders import AnyRow, ById, Loaders
from schema.nodes import Node
from schema.office import office_of
from schema.payment_methods import payment_method_of
from schema.rates import rate_card_of, rate_of
from schema.rejections import rejected_usage_of
from schema.spending_alerts import load_spending_alert
from schema.top_ups import top_up_of
from schema.usage_record import record_of
from schema.wallets import plan_usage_of, wallet_of
from schema.webhook_deliveries import webhook_delivery_of
from schema.webhook_endpoints import webhook_endpoint_of

MAX_NODES = 100


class _Kind(NamedTuple):
    """How an object of one type is found and shown, and the permissions any of which opens it; none:"
    " open to all."""

    loader: Callable[[Loaders], ById]
    show: Callable[[AnyRow, Context], Node]
    opened_by: frozenset[Permission] = frozenset()


_USAGE = frozenset({Permission.VIEW_USAGE})
_DIRECTORY = frozenset({Permission.VIEW_USAGE, Permission.SYNC_DIRECTORY})
_WALLETS = frozenset({Permission.VIEW_WALLETS})
_RATES = frozenset({Permission.VIEW_RATES})
_REJECTIONS = frozenset({Permission.VIEW_USAGE, Permission.RECORD_USAGE})
_ACTIVITY = frozenset({Permission.VIEW_ACTIVITY})
_ALERTS = frozenset({Permission.VIEW_WALLETS, Permission.VIEW_USAGE})
"""Both of them."""
_API_KEYS = frozenset({Permission.MANAGE_API_KEYS})
_WEBHOOKS = frozenset({Permission.MANAGE_WEBHOOKS})

_KINDS = {
    IdKind.OFFICE: _Kind(lambda of: of.offices, lambda row, _: office_of(row)),
    IdKind.MEMBER: _Kind(lambda of: of.members, lambda row, _: member_of(row), _DIRECTORY),
    IdKind.GROUP: _Kind(lambda of: of.groups, lambda row, _: group_of(row), _DIRECTORY),
    IdKind.CONTACT: _Kind(lambda of: of.contacts, lambda row, _: contact_of(row), _DIRECTORY),
    IdKind.WALLET: _Kind(lambda of: of.wallets, lambda row, context: wallet_of(row, context.now), _WALLETS),
    IdKind.PLAN_USAGE: _Kind(lambda of: of.plan_usage, lambda row, context: plan_usage_of(row, context.now), _WALLETS),
    IdKind.USAGE_RECORD: _Kind(lambda of: of.usage_records, lambda row, _: record_of(row), _USAGE),
    IdKind.RATE: _Kind(lambda of: of.rates, lambda row, _: rate_of(row), _RATES),
    IdKind.RATE_CARD: _Kind(lambda of: of.rate_cards, lambda row, _: rate_card_of(row), _RATES),
    IdKind.REJECTED_USAGE: _Kind(lambda of: of.rejections, lambda row, _: rejected_usage_of(row), _REJECTIONS),
    IdKind.POSTING: _Kind(lambda of: of.postings, lambda row, _: posting_of(row), _WALLETS),
    IdKind.HOLD: _Kind(lambda of: of.holds, lambda row, _: hold_of(row), MAY_SEE_HOLDS),
    IdKind.ACTIVITY: _Kind(lambda of: of.activities, activity_of, _ACTIVITY),
    IdKind.API_KEY: _Kind(lambda of: of.api_keys, lambda row, _: api_key_of(row), _API_KEYS),
    IdKind.WEBHOOK_ENDPOINT: _Kind(lambda of: of.webhook_endpoints, lambda row, _: webhook_endpoint_of(row), _WEBHOOKS),
    IdKind.WEBHOOK_DELIVERY: _Kind(
        lambda of: of.webhook_deliveries, lambda row, _: webhook_delivery_of(row), _WEBHOOKS
    ),
    IdKind.TOP_UP: _Kind(lambda of: of.top_ups, lambda row, _: top_up_of(row), _WALLETS),
    IdKind.PAYMENT_METHOD: _Kind(
        lambda of: of.payment_methods, lambda row, context: payment_method_of(row, context.now), _WALLETS
    ),
}
_RENEWED = frozenset({IdKind.WALLET, IdKind.PLAN_USAGE, IdKind.HOLD})


async def find_node(context: Context, text: str) -> Node | None:
    found = parse(text)
    if found is None:
        return None
    kind, value = found
    if kind is IdKind.VIEWER:
        viewer = viewer_of(context)
        return viewer if viewer.id == text else None
    if kind is IdKind.COMPANY:
        return await _company(context, value)
    if kind is IdKind.AUTO_RECHARGE:
        return await office_auto_recharge(context, value) if context.may(Permission.VIEW_WALLETS) else None
    if kind is IdKind.SPENDING_ALERT:
        return await load_spending_alert(context, value) if context.viewer.permissions >= _ALERTS else None
    way = _KINDS.get(kind)
    if way is None:
        return None
    if way.opened_by and not way.opened_by & context.viewer.permissions:
        return None
    if kind in _RENEWED:
        await context.renewed()
    row = await way.loader(context.loaders).load(value)
    return way.show(row, context) if row else None


async def _company(context: Context, value: UUID) -> Node | None:
    if value != context.scope.company_id and not context.scope.is_operator:
        return None
    row = await read_company(context.database, context.scope.within(value))
    return company_of(row) if row else None


async def resolve_node(
    info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")]
) -> Node | None:
    return await find_node(info.context, id)


async def resolve_nodes(
    info: Info,
    ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 ids.")],
) -> list[Node | None]:
    if len(ids) > MAX_NODES:
        raise InvalidInput(f"`ids` may name at most {MAX_NODES}.", field=("ids",))
    return list(await gather(*(find_node(info.context, text) for text in ids)))
