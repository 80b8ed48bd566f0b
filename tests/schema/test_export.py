"""The export against the list: the same records, the same bytes; and a file that stays what it was when asked for."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette

from api.downloads import DownloadLinks, Downloads
from api.usage_csv import COLUMNS
from domain.access import PartnerScope, Role, Viewer
from domain.csv_cells import number_cell, text_cell
from domain.stories.charge import reverse_usage
from domain.usage import Call, DirectoryReference, UsageEvent
from persistence.tables.activity import ACTIVITY
from persistence.tables.charging import CHARGE
from persistence.tables.exports import USAGE_EXPORT
from tests.proof import assert_books_hold
from tests.schema.conftest import CURSOR_KEY, HOUR, NOON, House, usage_of_every_service
from tests.world import call

EXPORT = """mutation ($filter: UsageHistoryFilter, $orderBy: UsageOrder) {
  exportUsageHistory(input: { filter: $filter, orderBy: $orderBy }) {
    export { downloadUrl fileName rowCount totalCost { amount currencyCode } asOf expiresAt }
    userErrors { code message field } } }"""
ADDRESS = "{ text phoneNumber }"
LIST = f"""query ($filter: UsageHistoryFilter, $orderBy: UsageOrder) {{
  usageHistory(filter: $filter, orderBy: $orderBy, first: 100) {{ totalCount totalCost {{ amount }} nodes {{
    id source eventId state service usageType direction occurredAt recordedAt billingMonth isBookedLate durationSeconds
    office {{ name timeZone }} member {{ name }} group {{ name }} contact {{ name }} phoneNumber {ADDRESS}
    quantity {{ value unit }} listPrice {{ amount }} cost {{ amount currencyCode }} walletSources
    rate {{ amount unit destination connectionFee {{ amount }} billingIncrement {{ minimumSeconds incrementSeconds }} }}
    allocations {{ source quantity {{ value }} amount {{ amount }} }} reverses {{ id }}
    details {{ __typename
      ... on CallDetails {{ callId from {ADDRESS} to {ADDRESS} billedSeconds quality {{ score }}
        location {{ countryCode region city }} }}
      ... on MessageDetails {{ messageId from {ADDRESS} to {ADDRESS} segmentCount encoding mediaCount deliveryStatus }}
      ... on FaxDetails {{ faxId faxLine {ADDRESS} from {ADDRESS} to {ADDRESS} pageCount status }}
      ... on AiAgentDetails {{ conversationId mode skillsTriggered actionsExecuted aiSessions: sessionsConsumedCount }}
      ... on SessionDetails {{ sessionId channel sessions: sessionsConsumedCount }} }} }} }} }}"""


async def ask_export(house: House, viewer: Viewer | None = None, **variables: Any) -> Any:
    told = (await house.ask(EXPORT, variables, viewer))["exportUsageHistory"]
    assert told["userErrors"] == []
    return told["export"]


async def fetch(house: House, export: Mapping[str, Any]) -> httpx2.Response:
    links = DownloadLinks("https://farebox.example", CURSOR_KEY.decode())
    app = Starlette(routes=[Downloads(house.database, links, clock=lambda: house.world.now).route()])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as client:
        return await client.get(export["downloadUrl"])


async def rows_of(house: House, export: Mapping[str, Any]) -> list[dict[str, str]]:
    response = await fetch(house, export)
    assert response.status_code == 200
    assert response.content.endswith(b"\r\n")
    lines = list(csv.reader(io.StringIO(response.content.decode(), newline=""), strict=True))
    assert tuple(lines[0]) == COLUMNS
    return [dict(zip(COLUMNS, line, strict=True)) for line in lines[1:]]


def as_read(text: str | None) -> str:
    """A text as a program reads it from its cell."""
    [cell, _] = next(csv.reader(io.StringIO(f"{text_cell(text)},", newline="")))
    return cell


def address(end: Mapping[str, Any] | None) -> str:
    if not end:
        return ""
    return number_cell(end["phoneNumber"]) if end["phoneNumber"] else as_read(end["text"])


def uri(end: Mapping[str, Any] | None) -> str:
    return f"tel:{end['phoneNumber']}" if end and end["phoneNumber"] else ""


def local(moment: str, zone: str) -> str:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(zone)).isoformat()


def text(value: object) -> str:
    return "" if value is None else str(value)


def expected_row(node: dict[str, Any]) -> dict[str, str]:
    """The line of a record of the list, made from nothing but what GraphQL says."""
    rate, details, zone = node["rate"], node["details"], node["office"]["timeZone"]
    paid = {part["source"]: part for part in node["allocations"]}
    increment, fee = rate["billingIncrement"] or {}, rate["connectionFee"] or {}
    row = {
        "Time": local(node["occurredAt"], zone),
        "Office": node["office"]["name"],
        **{who: as_read((node[who.lower()] or {}).get("name")) for who in ("Member", "Group", "Contact")},
        "Service": node["service"],
        "Usage type": node["usageType"],
        "Direction": text(node["direction"]),
        "Phone number": address(node["phoneNumber"]),
        "Duration seconds": text(node["durationSeconds"]),
        "Quantity": node["quantity"]["value"],
        "Unit": node["quantity"]["unit"],
        "Wallet sources": " + ".join(node["walletSources"]),
        "Cost": node["cost"]["amount"],
        "Currency": node["cost"]["currencyCode"],
        "Rate": rate["amount"],
        "Rate unit": rate["unit"],
        "Minimum seconds": text(increment.get("minimumSeconds")),
        "Increment seconds": text(increment.get("incrementSeconds")),
        "Connection fee": text(fee.get("amount")),
        "Destination": as_read(rate["destination"]),
        "List price": node["listPrice"]["amount"],
        "Plan quantity": paid["PLAN"]["quantity"]["value"] if "PLAN" in paid else "",
        "Billing month": node["billingMonth"],
        "Booked late": "yes" if node["isBookedLate"] else "no",
        "State": node["state"],
        "Recorded time": local(node["recordedAt"], zone),
        "Record ID": node["id"],
        "Reverses record ID": text((node["reverses"] or {}).get("id")),
        "Source": as_read(node["source"]),
        "Event ID": as_read(node["eventId"]),
    }
    amounts = {
        "PLAN": "Plan amount",
        "CALLING": "Calling credits amount",
        "AI_AGENT": "AI agent credits amount",
        "UNIVERSAL": "Universal credits amount",
    }
    row |= {column: paid[source]["amount"]["amount"] if source in paid else "" for source, column in amounts.items()}
    return dict.fromkeys(COLUMNS, "") | row | _expected_details(details)


def _expected_details(details: dict[str, Any]) -> dict[str, str]:
    place, quality = details.get("location") or {}, details.get("quality") or {}
    ids = ("callId", "messageId", "faxId", "conversationId", "sessionId")
    sessions = details.get("aiSessions", details.get("sessions"))
    ends = {}
    if "from" in details:  # the ends of a session are in the file, but not in the list
        ends = {"From": address(details["from"]), "To": address(details["to"])}
        ends |= {"From URI": uri(details["from"]), "To URI": uri(details["to"])}
    return ends | {
        "Transaction ID": as_read(next(details[name] for name in ids if name in details)),
        "Country": text(place.get("countryCode")),
        "Region": text(place.get("region")),
        "City": as_read(place.get("city")),
        "Billed seconds": text(details.get("billedSeconds")),
        "Quality": text(quality.get("score")),
        "Segments": text(details.get("segmentCount")),
        "Encoding": text(details.get("encoding")),
        "Media count": text(details.get("mediaCount")),
        "Delivery status": text(details.get("deliveryStatus")),
        "Fax line": address(details.get("faxLine")),
        "Pages": text(details.get("pageCount")),
        "Fax status": text(details.get("status")),
        "AI agent mode": text(details.get("mode")),
        "Skills": as_read("; ".join(details.get("skillsTriggered", ()))),
        "Actions": as_read("; ".join(details.get("actionsExecuted", ()))),
        "Channel": as_read(details.get("channel")),
        "Sessions": text(sessions),
    }


async def assert_agrees(house: House, viewer: Viewer | None = None, **variables: Any) -> list[dict[str, str]]:
    export = await ask_export(house, viewer, **variables)
    listed = (await house.ask(LIST, variables, viewer))["usageHistory"]
    assert listed["totalCount"] <= 100
    rows = await rows_of(house, export)
    assert rows == [expected_row(node) for node in listed["nodes"]]
    assert export["rowCount"] == listed["totalCount"] == len(rows)
    assert export["totalCost"]["amount"] == listed["totalCost"]["amount"]
    return rows


async def test_every_cell_is_what_the_list_says(house: House) -> None:
    decisions = await house.world.record(
        replace(
            call("=HYPERLINK(1)", NOON, from_="0441234", seconds=3, office="lone"),
            member=DirectoryReference("evil", "@SUM(1+1)*cmd|' /C calc'!A0"),
            contact=DirectoryReference("+1", "+14155550177"),
        ),
        replace(call("00441234", NOON - timedelta(microseconds=5)), group=DirectoryReference("g,1", 'The "desk", all')),
    )
    assert decisions[0].charge_id
    world, charge_id = house.world, decisions[0].charge_id
    await reverse_usage(world.begin, world.viewer(), charge_id, key="r-1", reason="Wrong.", now=world.now)
    rows = await assert_agrees(house)
    assert {row["Service"] for row in rows} == {
        *("CALLING", "MESSAGING", "FAX", "AI_AGENT", "SPEECH_IVR", "OMNICHANNEL"),
    }
    assert {row["State"] for row in rows} == {"CHARGED", "REVERSED", "REVERSAL"}
    assert {"'=HYPERLINK(1)", "'00441234"} < {row["Event ID"] for row in rows}
    assert {row["Contact"] for row in rows} == {"", "Zürich's depot 100%", "+1 4155550177"}
    await assert_books_hold(house.database)


FILTERS: dict[str, dict[str, Any]] = {
    "month": {"month": "2026-03"},
    "service": {"services": ["CALLING", "FAX"]},
    "nothing": {"services": []},
    "wallet": {"walletSources": ["PLAN"]},
    "direction": {"direction": "INBOUND"},
    "number": {"party": {"phoneNumber": "+14155550100"}},
    "cost": {"cost": {"min": "0.05"}},
    "time": {"occurredAt": {"from": (NOON + HOUR).isoformat(), "until": (NOON + 4 * HOUR).isoformat()}},
    "region": {"destinationRegions": ["GB"]},
}


@pytest.mark.parametrize("name", FILTERS)
async def test_a_filter_finds_the_same_in_both(house: House, name: str) -> None:
    await assert_agrees(house, filter=FILTERS[name])


async def test_of_one_party_or_office_too(house: House) -> None:
    parties = (await house.ask("{ usageParties { nodes { __typename ... on Node { id } } } }"))["usageParties"]["nodes"]
    for party in parties:
        field = party["__typename"].lower() + "Id"
        assert await assert_agrees(house, filter={"party": {field: party["id"]}})
    rows = await assert_agrees(house, filter={"officeIds": [await house.office("berlin")]}, orderBy="OCCURRED_AT_ASC")
    assert len(rows) == 12
    assert [row["Time"] for row in rows] == sorted(row["Time"] for row in rows)
    assert rows[0]["Time"].endswith("+01:00")


async def test_a_viewer_exports_what_he_sees(house: House) -> None:
    viewer = await house.office_admin("berlin", "lone")
    rows = await assert_agrees(house, viewer)
    assert {row["Office"] for row in rows} == {"BERLIN"}
    hidden = await ask_export(house, viewer, filter={"officeIds": [await house.office("hq")]})
    assert (hidden["rowCount"], hidden["totalCost"]["amount"]) == (0, "0.000000")
    assert await rows_of(house, hidden) == []
    nobody = house.world.viewer(Role.OFFICE_ADMIN, office_ids=frozenset())
    assert (await ask_export(house, nobody))["rowCount"] == 0


async def test_a_file_is_what_it_was_when_it_was_asked_for(house: House) -> None:
    """Whatever is recorded, charged late or taken back before it is fetched; only notes are those of now."""
    exports = [await ask_export(house, filter=filter_) for filter_ in ({}, {"party": {"phoneNumber": "+14155550100"}})]
    before = [await rows_of(house, export) for export in exports]
    charged = {row["Event ID"]: row["Record ID"] for row in before[0]}
    world = house.world
    world.now += HOUR
    await world.record(call("later", NOON), call("late", NOON - 2 * HOUR, office="berlin"))
    await world.record(_noted())
    [row] = await house.database.rows(select(CHARGE.c.id).where(CHARGE.c.event_id == "abroad"))
    await reverse_usage(world.begin, world.viewer(), row.id, key="r-1", reason="Wrong.", now=world.now)
    world.now -= HOUR  # the links are still good
    for export, rows in zip(exports, before, strict=True):
        for line in rows:
            if line["Record ID"] == charged["call"]:
                line["Quality"] = "2.1"
        assert await rows_of(house, export) == rows
    world.now += HOUR
    states = {line["Event ID"]: line["State"] for line in await assert_agrees(house)}
    assert (states["abroad"], states["later"], states["late"]) == ("REVERSED", "CHARGED", "CHARGED")
    await assert_books_hold(house.database)


def _noted() -> UsageEvent:
    """The first call once more, with another note on how it sounded."""
    event = next(event for event in usage_of_every_service() if event.event_id == "call")
    assert isinstance(event.usage, Call)
    return replace(event, usage=replace(event.usage, quality_tenths=21))


async def test_what_a_file_is_called_and_how_long_it_is_kept(house: House) -> None:
    """Berlin is already in tomorrow; of several offices the day is UTC's."""
    house.world.now = house.world.now.replace(hour=23, minute=30)
    export = await ask_export(house)
    assert export["fileName"] == f"usage-history-{house.world.now:%Y-%m-%d}.csv"
    assert datetime.fromisoformat(export["asOf"]) == house.world.now
    assert datetime.fromisoformat(export["expiresAt"]) == house.world.now + timedelta(minutes=15)
    berlin = await ask_export(house, await house.office_admin("berlin"))
    assert berlin["fileName"] == f"usage-history-{house.world.now + timedelta(days=1):%Y-%m-%d}.csv"
    assert berlin["downloadUrl"].endswith(f"/{berlin['fileName']}")
    count = select(func.count()).select_from(USAGE_EXPORT)
    assert (await house.database.rows(count))[0][0] == 2
    house.world.now += timedelta(days=1, minutes=16)
    await ask_export(house)
    assert (await house.database.rows(count))[0][0] == 1


async def test_who_exports_is_in_the_audit_trail(house: House) -> None:
    export = await ask_export(house, await house.office_admin("berlin"))
    await ask_export(house)
    of_berlin, of_all = await house.database.rows(
        ACTIVITY.select().where(ACTIVITY.c.action == "exportUsageHistory").order_by(ACTIVITY.c.id)
    )
    assert (of_berlin.office_id, of_all.office_id) == (await house.world.office_id("berlin"), None)
    assert of_berlin.subject == "office_admin@acme"
    assert {change["field"]: change["after"] for change in of_berlin.changes} == {
        "rows": str(export["rowCount"]),
        "cost": f"{_short(export['totalCost']['amount'])} USD",
    }


def _short(amount: str) -> str:
    whole, _, fraction = amount.partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


async def test_more_rows_than_an_int_holds_are_told_as_the_most(small_house: House) -> None:
    async with small_house.database.writing() as connection:
        await connection.exec_driver_sql("UPDATE usage_by_cycle SET charge_count = 2147483647")
    export = await ask_export(small_house)
    assert export["rowCount"] == 2**31 - 1
    assert (await fetch(small_house, export)).status_code == 500  # so many are promised, and so few are there


async def test_what_stands_in_the_way_is_told(small_house: House) -> None:
    async def errors(viewer: Viewer | None = None, **filter_: Any) -> Any:
        told = (await small_house.ask(EXPORT, {"filter": filter_}, viewer))["exportUsageHistory"]
        assert told["export"] is None
        return [(error["code"], error["field"]) for error in told["userErrors"]]

    assert await errors(officeIds=["garbage"]) == [("INVALID", ["filter", "officeIds", "0"])]
    assert await errors(cost={"min": "2", "max": "1"}) == [("INVALID", ["filter", "cost"])]
    writer = small_house.world.viewer(Role.PARTNER, scopes=frozenset({PartnerScope.USAGE_WRITE}))
    assert await errors(writer) == [("NOT_PERMITTED", None)]
    assert await errors(small_house.world.viewer(Role.OPERATOR, company_id=None)) == [("NOT_FOUND", None)]
