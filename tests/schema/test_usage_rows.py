"""The history written straight from its rows, and of objects: the same bytes."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from domain.access import Role, Scope, Viewer
from persistence.history import HistoryFilter
from persistence.history_rows import COLUMNS, NULLABLE, read_history_rows
from persistence.keyset import Window
from schema import usage_history
from schema.usage_rows import RECORD, USAGE_RECORDS
from tests.schema.conftest import House
from tests.schema.test_compiled import answer, operations

PARTY = "id name externalId isActive"
MONEY = "{ amount currencyCode }"
ROW = f"""__typename id source eventId state service usageType direction occurredAt recordedAt billingMonth isBookedLate
    durationSeconds walletSources office {{ id slug name timeZone regionCode anchorDay paymentTerms }}
    member {{ {PARTY} }} group {{ {PARTY} kind }} contact {{ {PARTY} }}
    phoneNumber {{ kind phoneNumber text regionCode }} quantity {{ value unit }} listPrice {MONEY} cost {MONEY}
    rate {{ amount currencyCode unit destination connectionFee {MONEY}
            billingIncrement {{ minimumSeconds incrementSeconds label }} }}"""
ARGUMENTS = "filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before"
LIST = f"""query ($filter: UsageHistoryFilter, $orderBy: UsageOrder, $first: Int, $after: String, $last: Int,
    $before: String, $no: Boolean = false) {{ usageHistory({ARGUMENTS}) {{
        totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
        edges {{ cursor node {{ {ROW} }} }} again: nodes {{ key: id ...Paid state @include(if: $no) }} }} }}
    fragment Paid on UsageRecord {{ cost {{ paid: amount }} cost {{ currencyCode }} }}"""
_INCIDENT = re.compile(r"\b[0-9a-f]{12}\b")
"""Each fault has a number of its own."""
EACH = "query {{ usageHistory(first: 100) {{ nodes {{ {} }} }} }}"


class Both:
    """The same question asked of both; how often rows were read for it."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stock, self._rows = operations(house, is_compiled=False), operations(house, is_compiled=True)
        self.reads = 0
        read = usage_history.read_history_rows

        async def counted(*given: Any, **more: Any) -> Any:
            self.reads += 1
            return await read(*given, **more)

        monkeypatch.setattr(usage_history, "read_history_rows", counted)

    async def ask(self, query: str, viewer: Viewer, **variables: Any) -> str:
        expected, found = [
            _INCIDENT.sub("Incident", str(await answer(asked, query, viewer, variables)))
            for asked in (self._stock, self._rows)
        ]
        assert found == expected, variables
        return expected


@pytest.fixture
def both(house: House, monkeypatch: pytest.MonkeyPatch) -> Both:
    return Both(house, monkeypatch)


async def filters(house: House) -> Sequence[dict[str, Any]]:
    hq, berlin = await house.office(), await house.office("berlin")
    parties = await house.ask("{ usageParties { nodes { __typename ... on Node { id } } } }")
    return [
        {},
        {"month": "2026-03"},
        {"month": "2026-04"},
        {"officeIds": [hq]},
        {"officeIds": [hq, berlin]},
        {"officeIds": []},
        {"occurredAt": {"from": "2026-03-01T00:00:00Z", "until": "2026-03-01T13:00:00.000001Z"}},
        {"services": ["CALLING", "FAX"], "usageTypes": ["LOCAL", "DOMESTIC"]},
        {"walletSources": ["PLAN", "CALLING"], "direction": "OUTBOUND"},
        {"party": {"phoneNumber": "+14155550100"}, "destinationRegions": ["US", "GB"]},
        {"cost": {"min": "0.01", "max": "5"}, "bookedLate": False},
        *({"party": {f"{node['__typename'].lower()}Id": node["id"]}} for node in parties["usageParties"]["nodes"]),
    ]


async def test_every_page_has_the_same_bytes(house: House, both: Both) -> None:
    admin, of_office = house.world.viewer(Role.COMPANY_ADMIN), await house.office_admin("hq", "berlin")
    asked = 0
    for filter in await filters(house):
        for order in ("OCCURRED_AT_DESC", "OCCURRED_AT_ASC"):
            told = await both.ask(LIST, admin, filter=filter, orderBy=order, first=100)
            assert "errors" not in told
            await both.ask(LIST, of_office, filter=filter, orderBy=order, first=3)
            asked += 2
    assert both.reads == asked


async def test_windows_lie_in_the_same_place(house: House, both: Both) -> None:
    admin = house.world.viewer(Role.COMPANY_ADMIN)
    for filter in ({}, {"officeIds": [await house.office("berlin")]}, {"party": {"phoneNumber": "+14155550100"}}):
        data = await house.ask(
            "query ($filter: UsageHistoryFilter) { usageHistory(filter: $filter) { edges { cursor } } }",
            {"filter": filter},
        )
        cursors = [edge["cursor"] for edge in data["usageHistory"]["edges"]]
        for window in (
            {"first": 3, "after": cursors[1]},
            {"last": 3, "before": cursors[-2]},
            {"first": 2, "after": cursors[0], "before": cursors[2]},
            {"last": 0},
            {"first": 0},
            {"after": "nonsense"},
            {"first": 101},
        ):
            await both.ask(LIST, admin, filter=filter, **window)
    assert both.reads > 12


@pytest.mark.parametrize("order", ["OCCURRED_AT_DESC", "OCCURRED_AT_ASC"])
async def test_a_short_page_of_the_company_begins_like_a_long_one(house: House, order: str) -> None:
    """An office without usage takes no place in it."""
    query = "query ($first: Int, $by: UsageOrder) { usageHistory(first: $first, orderBy: $by) { nodes { id } } }"
    short, long = [
        (await house.ask(query, {"first": first, "by": order}))["usageHistory"]["nodes"] for first in (2, 100)
    ]
    assert len(short) == 2
    assert short == long[:2]


@pytest.mark.parametrize("role", [Role.PARTNER, Role.OFFICE_ADMIN, Role.OPERATOR])
async def test_who_may_see_what_is_the_same(house: House, both: Both, role: Role) -> None:
    viewer = house.world.viewer(role, office_ids=frozenset() if role is Role.OFFICE_ADMIN else None)
    await both.ask(LIST, viewer, first=10)
    await both.ask("{ usageHistory { nodes { member { id email office { id } } } } }", viewer)


async def test_every_field_of_the_book_is_told_alone(house: House, both: Both) -> None:
    admin = house.world.viewer(Role.COMPANY_ADMIN)
    below = {"office": "{ id }", "member": "{ name }", "group": "{ kind }", "contact": "{ name }", "rate": "{ unit }"}
    below |= {"phoneNumber": "{ text }", "quantity": "{ value }", "cost": "{ amount }", "listPrice": "{ amount }"}
    for name in RECORD:
        await both.ask(EACH.format(f"{name} {below.get(name, '')}"), admin)
    assert both.reads == len(RECORD)
    for name in ("explanation", "details { __typename }", "reversedBy { id }", "contact { phoneNumbers }"):
        await both.ask(EACH.format(f"id {name}"), admin)
    assert both.reads == len(RECORD), "These are made of objects."


ODD = (
    "duration_seconds = NULL, destination = 'A \"x\" é', rate_nanos = 1, cost_micros = cost_micros",
    "list_price_micros = -100000, plan_micros = -100000, cost_micros = 0, commitment_micros = 0, universal_micros = 0",
    "reverses_id = id, reversed_by_id = id",
    "is_booked_late = true, connection_fee_micros = 1500000, first_seconds = 60, next_seconds = 10",
    "direction = NULL",
    "direction = 'INBOUND', from_kind = NULL",
    "to_kind = NULL, from_kind = NULL, from_text = NULL, to_text = NULL",
    "sources = 7",
    "service = 'TELEX'",
    "usage_type = 'TELEX'",
    "member_id = NULL, group_id = NULL, contact_id = NULL",
    "quantity = -9007199254740993",
)


@pytest.mark.parametrize("odd", ODD)
async def test_odd_rows_are_told_alike(house: House, both: Both, odd: str) -> None:
    async with house.database.writing() as connection:
        await connection.execute(text(f"UPDATE charge SET {odd} WHERE event_id IN ('call', 'ivr')"))
    await both.ask(LIST, house.world.viewer(Role.COMPANY_ADMIN), first=100)
    assert both.reads == 1


async def test_moments_have_their_decimals(house: House, both: Both) -> None:
    moments = ("2026-03-01 09:30:00.000001+00", "2026-03-01 09:30:00.5+00", "1969-12-31 23:59:59.999999+00")
    for moment, micros in zip(moments, (1772357400000001, 1772357400500000, -1), strict=True):
        told = str(micros) if house.database.is_sqlite else f"'{moment}'"
        async with house.database.writing() as connection:
            await connection.exec_driver_sql(f"UPDATE charge SET recorded_at = {told} WHERE event_id = 'call'")
        told = await both.ask(LIST, house.world.viewer(Role.COMPANY_ADMIN), first=100)
        assert moment[:10] in told


async def test_a_number_that_is_too_large_is_told_alike(house: House, both: Both) -> None:
    if not house.database.is_sqlite:
        pytest.skip("PostgreSQL does not take one.")
    async with house.database.writing() as connection:
        await connection.execute(text("UPDATE charge SET duration_seconds = 2147483648 WHERE event_id = 'call'"))
    told = await both.ask(LIST, house.world.viewer(Role.COMPANY_ADMIN), first=100)
    assert "errors" in told


async def test_columns_are_what_the_book_takes_them_for(house: House) -> None:
    """Types as the statement has them, and whether there are nulls where none may be."""
    names = tuple(COLUMNS[house.database.is_sqlite])
    scope, window = Scope(house.world.company_id, None), Window(100)
    found = await read_history_rows(house.database, scope, columns=names, wanted=HistoryFilter(), window=window)
    numbers = {"duration_seconds", "sources", "first_seconds", "next_seconds", "office_anchor_day"}
    moments = {"moment", "occurred_at", "recorded_at"}
    for name, values in zip(names, zip(*found.rows, strict=True), strict=True):
        kinds: tuple[type, ...] = (str,)
        if name in numbers:
            kinds = (int,)
        elif name == "is_booked_late" or name.endswith("is_active"):
            kinds = (int,) if house.database.is_sqlite else (bool,)
        elif name in moments:
            kinds = ((int,) if name == "moment" else (str,)) if house.database.is_sqlite else (datetime,)
        party = name.partition("_")[0]
        may_be_null = name in NULLABLE or party in ("member", "group", "contact")
        assert {type(value) for value in values} <= {*kinds, *((type(None),) if may_be_null else ())}, name


async def test_a_column_that_may_be_null_makes_no_field_that_may_not(
    house: House, both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    careful = USAGE_RECORDS._replace(nullable=NULLABLE | {"source"})
    monkeypatch.setattr(usage_history, "USAGE_RECORDS", careful)
    await both.ask(EACH.format("source"), house.world.viewer(Role.COMPANY_ADMIN))
    assert both.reads == 0
