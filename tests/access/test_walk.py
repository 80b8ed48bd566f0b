"""Everything a caller can reach by any path, three levels deep: nothing of another company or office."""

import re
from typing import Any

import pytest
from graphql import GraphQLObjectType

from domain.access import PartnerScope, Role
from schema.ids import IdKind
from tests.access.estate import MARKS, MARKS_OF_ACME, MARKS_OF_GLOBEX, Estate, token
from tests.access.walk import DEPTH, FOR_ADMINS, GRAPHQL, Reader

NOT_READ = {
    *("Query", "Mutation", "DirectorySyncCounts", "RecordUsageResult", "UsageRejection", "UsageExport"),
    *("CreditPurchaseQuote", "PaymentNextAction", "UsageQuote", "HoldRefusal"),
    *("Subscription", "UsageRecordedEvent"),
}
"""What only mutations and subscriptions answer, besides payloads and errors; and what only buyers are told."""
OF_ADMINS = {
    *("Activity", "ActivityChange", "ActivityConnection", "ActivityEdge", "ApiKey"),
    *("WebhookEndpoint", "WebhookDelivery", "WebhookDeliveryConnection", "WebhookDeliveryEdge"),
}
NOT_USED_HERE = {
    *("SpendingCause", "MessageDetails", "AiAgentDetails", "CallLocation", "CallQuality"),
    *("WalletForecast", "SpendForecast"),
}
"""Values without anything behind them; the estate has no such usage, nor three days of any."""

HQ_ADMIN: dict[str, Any] = {"role": Role.OFFICE_ADMIN, "offices": ("hq",)}
HQ_PARTNER: dict[str, Any] = {"role": Role.PARTNER, "offices": ("hq",), "scopes": frozenset(PartnerScope)}
PARTNER: dict[str, Any] = {"role": Role.PARTNER, "scopes": frozenset(PartnerScope)}


def _leaks(reader: Reader, marks: re.Pattern[str], hidden: set[str]) -> list[tuple[str, str]]:
    """Every value that carries a mark, or the digits of a hidden id, in whatever spelling."""
    digits = {identifier.partition("_")[2]: identifier for identifier in hidden}
    return [
        (".".join(path), str(value))
        for path, value in reader.told
        if value is not None
        and (marks.search(str(value)) or any(found in digits for found in re.findall(r"[0-9a-f]{32}", str(value))))
    ]


async def _read(estate: Estate, bearer: str, depth: int = DEPTH, closed: frozenset[str] = frozenset()) -> Reader:
    reader = Reader(estate, bearer, closed)
    await reader.read_everything(depth)
    return reader


def _readable_types() -> set[str]:
    named = {name for name, type_ in GRAPHQL.type_map.items() if isinstance(type_, GraphQLObjectType)}
    unread = {name for name in named if name.startswith("__") or name.endswith(("Payload", "UserError"))}
    return named - unread - NOT_READ - NOT_USED_HERE


async def test_a_company_admin_reaches_every_type_and_all_offices_but_no_other_company(estate: Estate) -> None:
    """Also the proof that the walk would see what it looks for: berlin's marks are all there."""
    admin = await _read(estate, token())
    assert admin.types >= _readable_types()
    own = estate.all_of("acme", "hq", "berlin", "lone")
    not_shown = (IdKind.PLAN_USAGE, IdKind.POSTING, IdKind.CARD_SETUP)
    assert admin.ids >= {found for found in own if not found.startswith(not_shown)}
    told = {found.group().lower() for _, value in admin.told if (found := MARKS.search(str(value)))}
    assert told == {"berlin", "66666.666666"}
    assert _leaks(admin, MARKS_OF_GLOBEX, estate.all_of("globex", "vault")) == []


async def test_another_company_s_admin_sees_his_own_marks_and_nothing_of_acme(estate: Estate) -> None:
    admin = await _read(estate, token(company="globex"), depth=2)
    told = {found.group().lower() for _, value in admin.told if (found := MARKS.search(str(value)))}
    assert told == {"globex", "vault", "77777.777777"}
    assert _leaks(admin, MARKS_OF_ACME, estate.all_of("acme", "hq", "berlin", "lone")) == []


async def _assert_limited_to_hq(estate: Estate, bearer: str, depth: int = DEPTH) -> None:
    limited = await _read(estate, bearer, depth, FOR_ADMINS)
    assert limited.types >= _readable_types() - OF_ADMINS
    assert not limited.types & OF_ADMINS
    assert limited.ids >= {estate.one(kind, "hq") for kind in (IdKind.OFFICE, IdKind.WALLET, IdKind.USAGE_RECORD)}
    assert _leaks(limited, MARKS, estate.all_of("berlin", "lone", "globex", "vault")) == []


@pytest.mark.parametrize("claims", [HQ_ADMIN, HQ_PARTNER], ids=["office admin", "partner"])
async def test_who_is_limited_to_an_office_reaches_nothing_of_the_others(
    estate: Estate, claims: dict[str, Any]
) -> None:
    await _assert_limited_to_hq(estate, token(**claims))


async def test_nor_does_he_on_postgresql(postgresql_estate: Estate) -> None:
    await _assert_limited_to_hq(postgresql_estate, token(**HQ_ADMIN), depth=2)


async def test_a_partner_of_a_company_reaches_no_other_company(estate: Estate) -> None:
    partner = await _read(estate, token(**PARTNER), depth=2, closed=FOR_ADMINS)
    assert _leaks(partner, MARKS_OF_GLOBEX, estate.all_of("globex", "vault")) == []
