"""How tests report usage over the wire: events as a partner writes them, and the operations he sends."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from domain.access import Role, Viewer
from persistence.tables.charging import CHARGE
from tests.schema.conftest import House

RECORD_USAGE = """
mutation RecordUsage($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount rejectedCount
  results { eventId outcome rejection { code message field } } userErrors { code message field } } }
"""
RECORD_USAGE_WITH_COST = """
mutation RecordUsageWithCost($input: RecordUsageInput!) { recordUsage(input: $input) {
  totalCost { amount currencyCode }
  results { eventId outcome differingFields record { id cost { amount } walletSources }
    rejection { code rejectedUsage { id } } }
  userErrors { code message } } }
"""
EVERYTHING = """
mutation ($input: RecordUsageInput!) { recordUsage(input: $input) {
  chargedCount replayedCount conflictCount rejectedCount totalCost { amount }
  results { eventId outcome differingFields record { id source details { __typename
      ... on CallDetails { callId location { city } quality { score } }
      ... on MessageDetails { segmentCount encoding mediaCount deliveryStatus } } }
    rejection { code message field rejectedUsage { id eventId office { slug } attemptCount } } }
  userErrors { __typename code message field } } }
"""
REPLAY = """
mutation Replay($input: ReplayRejectedUsageInput!) { replayRejectedUsage(input: $input) {
  chargedCount rejectedCount userErrors { code } } }
"""
REJECTED = (
    "query Rejected { rejectedUsage(code: NO_RATE, first: 50) { nodes { id eventId message occurredAt } totalCount } }"
)
HQ = {"slug": "hq"}
TO_LONDON = "+442071234567"
BODY = "Your code is 4711. Do not tell anybody."


def call(event_id: str = "new", **changes: Any) -> dict[str, Any]:
    usage = {"direction": "OUTBOUND", "from": "+14155550100", "to": TO_LONDON, "durationSeconds": 60}
    top: dict[str, Any] = {name: changes.pop(name) for name in ("office", "member", "occurredAt") if name in changes}
    return {"eventId": event_id, "occurredAt": "2026-03-01T13:00:00+01:00", "usage": {"call": usage | changes}, **top}


def usage(event_id: str, **kind: Any) -> dict[str, Any]:
    return {"eventId": event_id, "occurredAt": "2026-03-01T12:00:00Z", "usage": kind}


def message(event_id: str, content: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    ends = {"direction": "OUTBOUND", "traffic": "A2P", "from": "+14155550100", "to": "+12125550123"}
    return usage(event_id, message={**ends, "content": content, **changes})


def partner(house: House, **changes: Any) -> Viewer:
    return house.world.viewer(Role.PARTNER, name="Phone system", **changes)


async def record(
    house: House, *events: Mapping[str, Any], viewer: Viewer | None = None, query: str = EVERYTHING, **more: Any
) -> Any:
    input = {"office": HQ, "events": list(events), **more}
    data = await house.ask(query, {"input": input}, viewer or partner(house))
    return data["recordUsage"]


async def charge_count(house: House) -> int:
    return len(await house.database.rows(select(CHARGE.c.id)))
