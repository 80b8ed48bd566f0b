"""Every way of naming a thing, one line each. A root field or an argument that is new must be added here."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from schema.ids import IdKind
from tests.access.export_probes import EXPORTS
from tests.access.hold_probes import HOLDING
from tests.access.key_probes import API_KEYS, KEYS
from tests.access.policy import PHONES, REFERENCES, Of, Probe
from tests.access.summary_probes import SUMMARIES, SUMMARY_LISTS
from tests.access.webhook_probes import MANAGE, WEBHOOK_CHANGES

USAGE = frozenset({"VIEW_USAGE"})
WALLETS = frozenset({"VIEW_WALLETS"})
RATES = frozenset({"VIEW_RATES"})
RECORD = frozenset({"RECORD_USAGE"})
DIRECTORY = frozenset({"SYNC_DIRECTORY"})
REVERSE = frozenset({"REVERSE_USAGE"})
HOLD = frozenset({"HOLD_FUNDS"})
PURCHASE = frozenset({"PURCHASE_CREDITS"})
RECHARGE = frozenset({"CONFIGURE_AUTO_RECHARGE"})
REFUND = frozenset({"REFUND_PURCHASES"})
SETTLE = frozenset({"SETTLE_INVOICES"})
ADJUST = frozenset({"ADJUST_WALLETS"})
ACTIVITY = frozenset({"VIEW_ACTIVITY"})
ALERTS = USAGE | WALLETS
"""Both are needed."""


FIVE = '{ amount: "5", currencyCode: "USD" }'


def is_there(found: Any, _value: str) -> bool:
    return found is not None


def is_listed(found: Any, value: str) -> bool:
    return value in {node["id"] for node in found["nodes"]}


def has_any(found: Any, _value: str) -> bool:
    """A filtered list that finds something, and counts what it finds."""
    assert found.get("totalCount", len(found["nodes"])) == len(found["nodes"])
    return bool(found["nodes"])


def _history(filter_path: str, filter_: str, **more: Any) -> Probe:
    selection = "{ totalCount nodes { id } pageInfo { endCursor } }"
    document = f"query ($id: ?) {{ usageHistory(filter: {filter_}) {selection} }}"
    return Probe(f"Query.usageHistory.filter.{filter_path}", document, is_found=has_any, needs=USAGE, **more)


HISTORY = (
    _history("officeIds", "{ officeIds: [$id] }", values=IdKind.OFFICE, has_bad_input=True),
    _history("party.memberId", "{ party: { memberId: $id } }", values=IdKind.MEMBER, has_bad_input=True),
    _history("party.groupId", "{ party: { groupId: $id } }", values=IdKind.GROUP, has_bad_input=True),
    _history("party.contactId", "{ party: { contactId: $id } }", values=IdKind.CONTACT, has_bad_input=True),
    _history("party.phoneNumber", "{ party: { phoneNumber: $id } }", values=PHONES, takes="PhoneNumber!"),
)

BY_ID = (
    Probe("Query.office.id", "query ($id: ?) { office(id: $id) { id name } }", IdKind.OFFICE, is_there),
    Probe(
        "Query.wallets.officeId", "query ($id: ?) { wallets(officeId: $id) { id } }", IdKind.OFFICE, is_there, WALLETS
    ),
    Probe(
        "Query.planUsage.officeId",
        "query ($id: ?) { planUsage(officeId: $id) { id } }",
        IdKind.OFFICE,
        is_there,
        WALLETS,
    ),
    Probe(
        "Query.usageRecord.id", "query ($id: ?) { usageRecord(id: $id) { id } }", IdKind.USAGE_RECORD, is_there, USAGE
    ),
    Probe(
        "Query.ledger.walletId",
        "query ($id: ?) { ledger(walletId: $id) { nodes { id } } }",
        IdKind.WALLET,
        is_there,
        WALLETS,
    ),
    Probe(
        "Query.autoRecharge.officeId",
        "query ($id: ?) { autoRecharge(officeId: $id) { id } }",
        IdKind.OFFICE,
        is_there,
        WALLETS,
    ),
    Probe(
        "Query.spendingAlerts.officeId",
        "query ($id: ?) { spendingAlerts(officeId: $id) { id message } }",
        IdKind.OFFICE,
        is_there,
        ALERTS,
        needs_all=True,
    ),
    Probe(
        "Query.topUps.officeId",
        "query ($id: ?) { topUps(officeId: $id) { totalCount nodes { id } } }",
        IdKind.OFFICE,
        is_there,
        WALLETS,
    ),
    Probe("Query.topUp.id", "query ($id: ?) { topUp(id: $id) { id } }", IdKind.TOP_UP, is_there, WALLETS),
    Probe(
        "Query.quoteCreditPurchase.input.officeId",
        f"query ($id: ?) {{ quoteCreditPurchase(input: {{ officeId: $id, credits: {FIVE} }}) {{ office {{ id }} }} }}",
        IdKind.OFFICE,
        is_there,
        PURCHASE,
    ),
    Probe(
        "Query.usageParties.officeId",
        "query ($id: ?) { usageParties(officeId: $id) { nodes { ... on Member { office { id } } } } }",
        IdKind.OFFICE,
        lambda found, value: any(node.get("office") == {"id": value} for node in found["nodes"]),
        USAGE,
        has_bad_input=True,
    ),
    Probe(
        "Query.rates.filter.cardId",
        "query ($id: ?) { rates(filter: { cardId: $id }) { totalCount nodes { id } } }",
        IdKind.RATE_CARD,
        has_any,
        RATES,
        of=Of.COMPANY,
        has_bad_input=True,
    ),
    Probe(
        "Query.company.slug",
        "query ($id: ?) { company(slug: $id) { id slug name } }",
        {"acme": "acme", "globex": "globex", "unknown": "nobody", "malformed": "", "upper case": "GLOBEX"},
        is_there,
        of=Of.COMPANY,
        is_open_to_operators=True,
        takes="String!",
    ),
)

LISTS = (
    Probe("Query.offices", "{ offices(first: 100) { nodes { id } } }", IdKind.OFFICE, is_listed),
    Probe("Query.usageHistory", "{ usageHistory { nodes { id } } }", IdKind.USAGE_RECORD, is_listed, USAGE),
    Probe("Query.rates", "{ rates { nodes { id } } }", IdKind.RATE, is_listed, RATES, of=Of.COMPANY),
    Probe(
        "Query.rejectedUsage",
        "{ rejectedUsage { nodes { id } } }",
        IdKind.REJECTED_USAGE,
        is_listed,
        frozenset({"VIEW_USAGE", "RECORD_USAGE"}),
    ),
    Probe(
        "Query.usageParties",
        "{ usageParties(first: 100) { nodes { ... on Member { id } ... on Group { id } ... on Contact { id } } } }",
        IdKind.MEMBER,
        is_listed,
        USAGE,
    ),
    Probe(
        "Query.spendingAlerts",
        "{ spendingAlerts { id } }",
        IdKind.SPENDING_ALERT,
        lambda found, value: value in {alert["id"] for alert in found},
        ALERTS,
        needs_all=True,
    ),
    Probe(
        "Query.wallets",
        "{ wallets { id } }",
        IdKind.WALLET,
        lambda found, value: value in {wallet["id"] for wallet in found},
        WALLETS,
    ),
    Probe(
        "Query.viewer",
        "{ viewer { company { id } } }",
        IdKind.COMPANY,
        lambda found, value: found["company"] == {"id": value},
        of=Of.COMPANY,
    ),
    Probe(
        "Query.company",
        "{ company { id } }",
        IdKind.COMPANY,
        lambda found, value: found == {"id": value},
        of=Of.COMPANY,
    ),
    Probe(
        "Query.company",
        "{ company { activity(first: 100) { nodes { id } } } }",
        IdKind.ACTIVITY,
        lambda found, value: found is not None and is_listed(found["activity"], value),
        ACTIVITY,
    ),
    *SUMMARY_LISTS,
)

_OPENED_BY = {
    IdKind.COMPANY: frozenset[str](),
    IdKind.OFFICE: frozenset[str](),
    IdKind.MEMBER: USAGE | DIRECTORY,
    IdKind.GROUP: USAGE | DIRECTORY,
    IdKind.CONTACT: USAGE | DIRECTORY,
    IdKind.WALLET: WALLETS,
    IdKind.PLAN_USAGE: WALLETS,
    IdKind.USAGE_RECORD: USAGE,
    IdKind.RATE: RATES,
    IdKind.RATE_CARD: RATES,
    IdKind.REJECTED_USAGE: USAGE | RECORD,
    IdKind.POSTING: WALLETS,
    IdKind.ACTIVITY: ACTIVITY,
    IdKind.HOLD: HOLD | WALLETS,
    IdKind.SPENDING_ALERT: ALERTS,
    IdKind.TOP_UP: WALLETS,
    IdKind.PAYMENT_METHOD: WALLETS,
    IdKind.AUTO_RECHARGE: WALLETS,
    IdKind.API_KEY: API_KEYS,
    IdKind.WEBHOOK_ENDPOINT: MANAGE,
    IdKind.WEBHOOK_DELIVERY: MANAGE,
}
OF_COMPANY = frozenset(
    {
        *(IdKind.COMPANY, IdKind.CONTACT, IdKind.RATE, IdKind.RATE_CARD, IdKind.API_KEY),
        *(IdKind.WEBHOOK_ENDPOINT, IdKind.WEBHOOK_DELIVERY),
    }
)


def _nodes() -> Iterator[Probe]:
    for kind, opened_by in _OPENED_BY.items():
        node = Probe(
            "Query.node.id",
            "query ($id: ?) { node(id: $id) { __typename id } again: nodes(ids: [$id]) { id } }",
            kind,
            is_there,
            opened_by,
            of=Of.COMPANY if kind in OF_COMPANY else Of.OFFICE,
            is_of_any_kind=True,
            is_open_to_operators=kind is IdKind.COMPANY,
            needs_all=kind is IdKind.SPENDING_ALERT,
        )
        yield node
        if kind is IdKind.USAGE_RECORD:
            # `nodes` goes the same way; the other kinds are asked of both in one document, whose bytes are compared.
            document = "query ($id: ?) { nodes(ids: [$id]) { __typename id } }"
            yield replace(node, through="Query.nodes.ids", document=document, is_found=lambda found, _: found != [None])


NODES = tuple(_nodes())

_TOO_OLD = (
    'eventId: "probe", occurredAt: "2001-01-01T00:00:00Z",'
    ' usage: { call: { direction: OUTBOUND, from: "1", to: "2", durationSeconds: 1 } }'
)
"""An office that is his rejects it as TOO_OLD, and nothing is kept; any other is UNKNOWN_OFFICE."""


def _is_of_a_known_office(found: Any, _value: str) -> bool:
    [result] = found["results"]
    code: str = result["rejection"]["code"]
    assert code in {"TOO_OLD", "UNKNOWN_OFFICE"}
    return code == "TOO_OLD"


def _mutations() -> Iterator[Probe]:
    answer = "results { rejection { code message field } } userErrors { code message field }"
    for name, (values, takes) in REFERENCES.items():
        for place, input_ in (
            ("office", f"{{ office: {{ {name}: $id }}, events: [{{ {_TOO_OLD} }}] }}"),
            ("events.office", f"{{ events: [{{ office: {{ {name}: $id }}, {_TOO_OLD} }}] }}"),
        ):
            yield Probe(
                f"Mutation.recordUsage.input.{place}.{name}",
                f"mutation ($id: ?) {{ recordUsage(input: {input_}) {{ {answer} }} }}",
                values,
                _is_of_a_known_office,
                RECORD,
                takes=takes,
            )
        for kind in ("members", "groups"):
            entry = f'{{ externalId: "probe", name: "Probe", office: {{ {name}: $id }} }}'
            yield Probe(
                f"Mutation.syncDirectory.input.{kind}.office.{name}",
                f"mutation ($id: ?) {{ syncDirectory(input: {{ {kind}: [{entry}] }}) {{"
                f" {kind} {{ createdCount }} userErrors {{ code message field }} }} }}",
                values,
                lambda found, _: not found["userErrors"],
                DIRECTORY,
                is_for_whole_companies=True,
                takes=takes,
            )


def _buying() -> Iterator[Probe]:
    """Mutations that name one office or top-up; the field of the payload that tells it was found."""
    office, top_up = IdKind.OFFICE, IdKind.TOP_UP
    key = ", idempotencyKey: $key"
    for path, more, told, values, needs in (
        ("purchaseCredits.officeId", f"{key}, credits: {FIVE}, expectedTotal: {FIVE}", "topUp", office, PURCHASE),
        ("completePurchase.topUpId", "", "topUp", top_up, PURCHASE),
        ("startPaymentMethodSetup.officeId", "", "nextAction", office, PURCHASE),
        ("savePaymentMethod.officeId", ", setupId: $beside", "paymentMethod", office, PURCHASE),
        ("refundTopUp.topUpId", f'{key}, amount: {FIVE}, reason: "Probe."', "topUp", top_up, REFUND),
        ("configureAutoRecharge.officeId", ", isEnabled: false", "autoRecharge", office, RECHARGE),
        ("settleInvoice.officeId", key, "topUps", office, SETTLE),
    ):
        name, _, argument = path.partition(".")
        variables = "".join(f", ${one}: {type_}" for one, type_ in _MORE.items() if f"${one}" in more)
        yield Probe(
            f"Mutation.{name}.input.{argument}",
            f"mutation ($id: ?{variables}) {{ {name}(input: {{ {argument}: $id{more} }}) {{"
            f" {told} {{ __typename }} userErrors {{ code message field }} }} }}",
            values,
            _tells(told),
            needs,
            beside=IdKind.CARD_SETUP if "$beside" in more else None,
        )


def _tells(field: str) -> Callable[[Any, str], bool]:
    return lambda found, _: found[field] is not None


_MORE = {"key": "String!", "beside": "ID!"}

MUTATIONS = (
    *_mutations(),
    *(probe for probe in HOLDING if probe.is_mutation),
    Probe(
        "Mutation.replayRejectedUsage.input.ids",
        "mutation ($id: ?) { replayRejectedUsage(input: { ids: [$id] }) {"
        " chargedCount rejectedCount userErrors { code message field } } }",
        IdKind.REJECTED_USAGE,
        lambda found, _: bool(found["rejectedCount"]),
        RECORD,
        has_bad_input=True,
    ),
    Probe(
        "Mutation.reverseUsage.input.usageRecordId",
        "mutation ($id: ?, $key: String!) {"
        ' reverseUsage(input: { usageRecordId: $id, idempotencyKey: $key, reason: "Probe." }) {'
        " reversal { id } isReplayed userErrors { code message field } } }",
        IdKind.USAGE_RECORD,
        lambda found, _: found["reversal"] is not None,
        REVERSE,
    ),
    Probe(
        "Mutation.dismissSpendingAlert.input.id",
        "mutation ($id: ?) { dismissSpendingAlert(input: { id: $id }) {"
        " spendingAlert { id isDismissed } userErrors { code message field } } }",
        IdKind.SPENDING_ALERT,
        lambda found, value: found["spendingAlert"] == {"id": value, "isDismissed": True},
        ALERTS,
        needs_all=True,
    ),
    Probe(
        "Mutation.adjustWallet.input.walletId",
        "mutation ($id: ?, $key: String!) {"
        f' adjustWallet(input: {{ walletId: $id, idempotencyKey: $key, change: {FIVE}, reason: "Probe." }}) {{'
        " wallet { id } posting { id } isReplayed userErrors { code message field } } }",
        IdKind.WALLET,
        lambda found, value: (found["wallet"] or {}).get("id") == value,
        ADJUST,
    ),
    *_buying(),
    *KEYS,
    *WEBHOOK_CHANGES,
)

_ASKED = (*BY_ID, *HISTORY, *SUMMARIES, *LISTS, *NODES)
PROBES = (*(probe for probe in HOLDING if not probe.is_mutation), *_ASKED, *MUTATIONS, *EXPORTS)

OF_THE_TOKEN_ALONE = frozenset({"createWebhookEndpoint", "updateCompanySettings"})
"""Mutations that name nothing: whose company is meant, the token says. Who may is told beside their other tests."""
