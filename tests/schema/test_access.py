"""Not allowed and not found are the same answer: nothing of another company or office shows, by any id."""

from typing import Any

from domain.access import PartnerScope, Role, Viewer
from tests.schema.conftest import House

EVERYTHING = """{
  viewer { id } company { id } offices { nodes { id } } wallets { id }
  usageHistory(first: 100) { nodes { id } } usageParties { nodes { ... on Node { id } } }
  rates(first: 100) { nodes { id card { id } } } rejectedUsage { nodes { id } }
}"""
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
BY_ID = """query ($id: ID!) {
  office(id: $id) { id } wallets(officeId: $id) { id } planUsage(officeId: $id) { id } usageRecord(id: $id) { id }
  ledger(walletId: $id) { nodes { id } } node(id: $id) { id }
}"""


def _ids(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["id"]] if "id" in value else []
        return own + [found for part in value.values() for found in _ids(part)]
    return [found for part in value for found in _ids(part)] if isinstance(value, list) else []


async def _all_ids(house: House, viewer: Viewer | None = None) -> list[str]:
    ids = _ids(await house.ask(EVERYTHING, viewer=viewer))
    for identifier in list(ids):
        if identifier.startswith("off_"):
            ids += _ids(
                await house.ask("query ($id: ID!) { planUsage(officeId: $id) { id } }", {"id": identifier}, viewer)
            )
        if identifier.startswith("wal_"):
            query = "query ($id: ID!) { ledger(walletId: $id) { nodes { id } } }"
            ids += _ids(await house.ask(query, {"id": identifier}, viewer))
    return sorted(set(ids))


async def test_every_id_that_is_shown_leads_back_to_its_object(house: House) -> None:
    ids = await _all_ids(house)
    assert {identifier[:3] for identifier in ids} == {
        *("com", "con", "crd", "grp", "mem", "off", "plu", "pos", "rat", "rej", "use", "viw", "wal")
    }
    found = (await house.ask(NODES, {"ids": ids}))["nodes"]
    assert [node["id"] for node in found] == ids


async def test_nothing_of_another_company_is_found(house: House) -> None:
    foreign = await _all_ids(house, house.neighbour.viewer(Role.COMPANY_ADMIN))
    assert len(foreign) > 10
    assert (await house.ask(NODES, {"ids": foreign}))["nodes"] == [None] * len(foreign)
    for identifier in [*foreign, "garbage", "", "off_" + "F" * 32]:
        assert set((await house.ask(BY_ID, {"id": identifier})).values()) == {None}, identifier


async def test_nothing_of_another_office_is_found(house: House) -> None:
    everything = set(await _all_ids(house))
    admin = await house.office_admin("lone")
    own = set(await _all_ids(house, admin))
    hidden = sorted(
        identifier for identifier in everything - own if identifier[:3] in {"off", "wal", "plu", "use", "rej", "pos"}
    )
    assert len(hidden) > 20
    assert (await house.ask(NODES, {"ids": hidden}, admin))["nodes"] == [None] * len(hidden)


async def test_a_partner_finds_only_what_his_scopes_open(small_house: House) -> None:
    ids = await _all_ids(small_house)

    async def kinds(*scopes: PartnerScope) -> set[str]:
        partner = small_house.world.viewer(Role.PARTNER, scopes=frozenset(scopes))
        return {node["id"][:3] for node in (await small_house.ask(NODES, {"ids": ids}, partner))["nodes"] if node}

    assert await kinds() == {"com", "off"}
    assert await kinds(PartnerScope.WALLETS_READ) == {"com", "off", "wal", "plu", "pos"}
    assert await kinds(PartnerScope.RATES_READ) == {"com", "off", "rat", "crd"}
    assert await kinds(PartnerScope.USAGE_WRITE) == {"com", "off", "rej"}
    assert await kinds(PartnerScope.USAGE_READ) == {"com", "off", "use", "rej", "mem", "grp", "con"}


async def test_fields_closed_to_a_caller_say_what_is_missing(small_house: House) -> None:
    office = await small_house.office()
    wallet = f"wal_{'0' * 32}"
    cases = {
        "VIEW_USAGE": [
            "usageHistory { totalCount }",
            "usageParties { nodes { __typename } }",
            f'usageRecord(id: "{office}") {{ id }}',
        ],
        "VIEW_WALLETS": [
            "wallets { id }",
            f'planUsage(officeId: "{office}") {{ id }}',
            f'ledger(walletId: "{wallet}") {{ nodes {{ id }} }}',
            "company { walletTotals { kind } }",
            "company { planUsageTotals { service } }",
            f'office(id: "{office}") {{ wallets {{ id }} }}',
            f'office(id: "{office}") {{ planUsage {{ id }} }}',
        ],
        "VIEW_RATES": ["rates { totalCount }"],
    }
    nobody = small_house.world.viewer(Role.PARTNER, scopes=frozenset())
    for permission, fields in cases.items():
        for field in fields:
            assert permission in await small_house.refusal(f"{{ {field} }}", viewer=nobody), field


async def test_too_many_ids_are_refused(small_house: House) -> None:
    assert "at most 100" in await small_house.refusal(NODES, {"ids": ["off_" + "0" * 32] * 101})
