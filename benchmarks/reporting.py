"""`python -m benchmarks.reporting JSON`: usage reported over HTTP from a process of its own; prints events a second.

What is sent is made before the clock starts. Every caller waits for his answer, and every event must be charged.
"""

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import Any, NamedTuple

from benchmarks.company import usage
from domain.access import Role
from domain.usage import Call, DirectoryReference, UsageEvent
from schema.scalars import date_time_text
from tests.fire.server import token

RECORD = (
    "mutation Record($input: RecordUsageInput!) { recordUsage(input: $input) { chargedCount userErrors { code } } }"
)
SECONDS = 300


class Report(NamedTuple):
    port: int
    company: str
    first: int
    """The number of the first event: each is reported once."""
    events: int
    size: int
    """Events in one request."""
    callers: int
    offices: int
    now: str


async def rate(report: Report) -> float:
    """Events a second. Raises RuntimeError when one was not charged."""
    command = (sys.executable, "-m", "benchmarks.reporting", json.dumps(report))
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            told, failed = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise RuntimeError(failed.decode().strip().splitlines()[-1][:500])
    return float(told)


def on_the_wire(event: UsageEvent) -> dict[str, Any]:
    """As `UsageEventInput` has it; import files of the format ndjson are lines of the same."""
    used = event.usage
    ends = {"direction": used.direction.value, "from": used.from_, "to": used.to}  # type: ignore[union-attr]
    if isinstance(used, Call):
        facts: dict[str, Any] = {"call": ends | {"durationSeconds": used.duration_seconds}}
    else:
        facts = {"message": ends | {"traffic": "P2P", "content": {"smsSegmentCount": 1}}}
    assert event.office is not None
    told = {
        "eventId": event.event_id,
        "occurredAt": date_time_text(event.occurred_at),
        "office": {"slug": event.office.slug},
        "usage": facts,
    }
    return told | {
        name: {"externalId": whom.external_id, "name": whom.name}
        for name, whom in (("member", event.member), ("group", event.group))
        if isinstance(whom, DirectoryReference)
    }


def _bodies(report: Report) -> list[bytes]:
    now = datetime.fromisoformat(report.now)
    made = usage(now, report.first, report.events, of=report.first + report.events, offices=report.offices)
    told = [on_the_wire(event) for event in made]
    given = [{"source": "bench", "events": told[at : at + report.size]} for at in range(0, len(told), report.size)]
    return [json.dumps({"query": RECORD, "variables": {"input": one}}).encode() for one in given]


async def _send(report: Report) -> float:
    bodies = _bodies(report)[::-1]
    bearer = token(report.company, Role.PARTNER)
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/json"
    )

    async def caller() -> int:
        charged = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", report.port)
        while bodies:
            body = bodies.pop()
            writer.write(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            found = json.loads(await reader.readexactly(length))
            if "errors" in found or found["data"]["recordUsage"]["userErrors"]:
                raise RuntimeError(json.dumps(found)[:400])
            charged += found["data"]["recordUsage"]["chargedCount"]
        writer.close()
        return charged

    begun = time.perf_counter()
    charged = sum(await asyncio.gather(*(caller() for _ in range(report.callers))))
    taken = time.perf_counter() - begun
    if charged != report.events:
        raise RuntimeError(f"{charged} of {report.events} events were charged.")
    return charged / taken


if __name__ == "__main__":
    sys.stdout.write(str(asyncio.run(_send(Report(*json.loads(sys.argv[1]))))))
