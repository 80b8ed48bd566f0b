"""Reads everything a caller can reach, by what the schema itself says there is: no field is left out by forgetting.

Each document starts at one root field and selects all below it, some levels deep; values are collected as they came.
"""

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from functools import cache
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, GraphQLUnionType, get_named_type

from schema.ids import IdKind
from schema.root import schema
from tests.access.estate import Estate

GRAPHQL: GraphQLSchema = schema._schema
DEPTH = 3
EXAMPLES = 1
"""How many objects of a kind are walked from by their id; lists walk from all of them."""
CURSORS = {"cursor", "startCursor", "endCursor"}

STARTS = {
    "viewer": "viewer",
    "company": "company",
    "offices": "offices(first: 100)",
    "wallets": "wallets",
    "spendingAlerts": "spendingAlerts(includeDismissed: true)",
    "usageHistory": "usageHistory(first: 100)",
    "usageSummary": "usageSummary(groupBy: [MONTH, MEMBER], top: 100)",
    "usageParties": "usageParties(first: 100)",
    "rates": "rates(first: 100)",
    "rejectedUsage": "rejectedUsage(first: 100)",
}
"""Root fields that need no argument."""

BY_OFFICE = {
    "planUsage": "planUsage(officeId: $id)",
    "office": "office(id: $id)",
    "topUps": "topUps(officeId: $id, first: 100)",
    "autoRecharge": "autoRecharge(officeId: $id)",
}
BY_WALLET = {"ledger": "ledger(walletId: $id, first: 100)"}
BY_RECORD = {"usageRecord": "usageRecord(id: $id)"}

TYPE_OF = {
    IdKind.COMPANY: "Company",
    IdKind.OFFICE: "Office",
    IdKind.MEMBER: "Member",
    IdKind.GROUP: "Group",
    IdKind.CONTACT: "Contact",
    IdKind.WALLET: "Wallet",
    IdKind.PLAN_USAGE: "PlanUsage",
    IdKind.USAGE_RECORD: "UsageRecord",
    IdKind.RATE: "Rate",
    IdKind.RATE_CARD: "RateCard",
    IdKind.REJECTED_USAGE: "RejectedUsage",
    IdKind.POSTING: "Posting",
    IdKind.ACTIVITY: "Activity",
    IdKind.TOP_UP: "TopUp",
    IdKind.PAYMENT_METHOD: "PaymentMethod",
    IdKind.AUTO_RECHARGE: "AutoRecharge",
    IdKind.SPENDING_ALERT: "SpendingAlert",
    IdKind.API_KEY: "ApiKey",
    IdKind.WEBHOOK_ENDPOINT: "WebhookEndpoint",
    IdKind.WEBHOOK_DELIVERY: "WebhookDelivery",
}

FOR_ADMINS = frozenset({"Company.activity", "Company.apiKeys", "Company.webhookEndpoints"})
"""Refused to whom they are not open, with all that is asked beside them: those read everything but that."""

UNLISTED = {IdKind.HOLD: "Hold"}
"""Types in no list: everybody asks for all of them by id, whosever they are."""


def _is_leaf(type_: Any) -> bool:
    return not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)


@cache
def selection(type_name: str, depth: int, closed: frozenset[str] = frozenset()) -> str:
    """All of a type: its values, and all of what hangs on it down to `depth`, but for the fields that are closed."""
    type_ = GRAPHQL.type_map[type_name]
    if isinstance(type_, GraphQLUnionType):
        parts = " ".join(f"... on {part.name} {selection(part.name, depth, closed)}" for part in type_.types)
        return f"{{ __typename {parts} }}"
    assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType), type_name
    parts = " ".join(
        _field(name, get_named_type(field.type), depth, closed)
        for name, field in type_.fields.items()
        if f"{type_name}.{name}" not in closed
    )
    return f"{{ __typename {parts} }}"


def _field(name: str, type_: Any, depth: int, closed: frozenset[str]) -> str:
    if _is_leaf(type_):
        return name
    is_value = isinstance(type_, GraphQLObjectType) and _leaves(type_) == list(type_.fields)
    if depth == 0 and not is_value:
        return ""
    return f"{name} {selection(type_.name, max(depth - 1, 0), closed)}"


def _leaves(type_: GraphQLObjectType) -> list[str]:
    return [name for name, field in type_.fields.items() if _is_leaf(get_named_type(field.type))]


def documents(
    start: str, type_name: str, depth: int = DEPTH, end: str = "", closed: frozenset[str] = frozenset()
) -> Iterator[str]:
    """One document for the values of a type, and one for each field that leads on, so that none grows too long."""
    start = f"{'query ($id: ID!)' if '$id' in start else 'query'} {{ {start}"
    type_ = GRAPHQL.type_map[type_name]
    if isinstance(type_, GraphQLUnionType):
        yield f"{start} {selection(type_name, depth, closed)} {end}}}"
        return
    assert isinstance(type_, GraphQLObjectType)
    yield f"{start} {{ __typename {' '.join(_leaves(type_))} }} {end}}}"
    for name, field in type_.fields.items():
        named = get_named_type(field.type)
        if not _is_leaf(named) and f"{type_name}.{name}" not in closed:
            yield f"{start} {{ {name} {selection(named.name, depth - 1, closed)} }} {end}}}"


def values(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of an answer with its path; a sealed cursor is opened as far as anybody can."""
    if isinstance(found, dict):
        for name, value in found.items():
            yield from values(value, (*path, name))
    elif isinstance(found, list):
        for value in found:
            yield from values(value, path)
    elif path and path[-1] in CURSORS and found is not None:
        yield path, urlsafe_b64decode(found + "=" * (-len(found) % 4)).decode("latin-1")
    else:
        yield path, found


class Reader:
    """One caller, and everything he was told."""

    def __init__(self, estate: Estate, bearer: str, closed: frozenset[str] = frozenset()) -> None:
        self._estate = estate
        self._bearer = bearer
        self._closed = closed
        self.told: list[tuple[tuple[str, ...], Any]] = []

    @property
    def ids(self) -> set[str]:
        return {value for path, value in self.told if path[-1] == "id"}

    @property
    def types(self) -> set[str]:
        return {value for path, value in self.told if path[-1] == "__typename"}

    async def read_everything(self, depth: int = DEPTH) -> None:
        query = GRAPHQL.query_type
        assert query
        for name, start in STARTS.items():
            await self._read(start, get_named_type(query.fields[name].type).name, depth)
        for kind, starts in ((IdKind.OFFICE, BY_OFFICE), (IdKind.WALLET, BY_WALLET), (IdKind.USAGE_RECORD, BY_RECORD)):
            limit = EXAMPLES if kind is IdKind.USAGE_RECORD else None
            for identifier in sorted(self._of(kind))[:limit]:
                for name, start in starts.items():
                    await self._read(start, get_named_type(query.fields[name].type).name, depth, id=identifier)
        for kind, type_name in TYPE_OF.items():
            for identifier in sorted(self._of(kind))[:EXAMPLES]:
                await self._read(f"node(id: $id) {{ ... on {type_name}", type_name, depth, "}", id=identifier)

        for kind, type_name in UNLISTED.items():
            for identifier in sorted(found for ids in self._estate.ids[kind].values() for found in ids):
                await self._read(f"node(id: $id) {{ ... on {type_name}", type_name, depth, "}", id=identifier)

    def _of(self, kind: IdKind) -> set[str]:
        return {found for found in self.ids if found.startswith(kind.value)}

    async def _read(self, start: str, type_name: str, depth: int, end: str = "", **variables: str) -> None:
        for text in documents(start, type_name, depth, end, self._closed):
            await self._tell(text, **variables)

    async def _tell(self, text: str, **variables: str) -> None:
        answer = await self._estate.ask(self._bearer, text, **variables)
        assert answer.status == 200, (text, answer.body)
        self.told += values(answer.data)
