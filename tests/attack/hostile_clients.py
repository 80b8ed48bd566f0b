"""Documents made up from the schema, sent to a running server with good and broken tokens: `make hostile`.

schemathesis makes valid documents with the oddest values. None may meet a fault of ours: no status of 500, no incident,
nothing of what is behind an answer, no Traceback in the log.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import schemathesis
from graphql import StringValueNode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from api.clock import utc_now
from api.demo import load_demo
from persistence.begin import Begin
from persistence.database import Database
from persistence.migrate import migrate
from tests.attack.besieged import FAULTS, PRODUCTION, told_tokens
from tests.fire.server import Server

ROOT = Path(__file__).parents[2]
BUSY = 429
OPEN_HANDED = {
    "FAREBOX_THROTTLE_POINTS": "100000000",
    "FAREBOX_THROTTLE_RESTORE": "100000000",
    "FAREBOX_DOCUMENT_POINTS": "100000000",
    "FAREBOX_DOCUMENT_RESTORE": "100000000",
    "FAREBOX_PAYMENTS": "sandbox",
}
"""Or most answers would be that there were too many."""


def _texts(*likely: str) -> st.SearchStrategy[Any]:
    odd = st.text(max_size=12)
    return (st.sampled_from(likely) | odd).map(lambda text: StringValueNode(value=text))


SCALARS = {
    "Decimal": _texts("0", "1.5", "-1", "1e400", "NaN", "0.0000001", "99999999999999999999"),
    "BigInt": _texts("0", "1", "-1", "9223372036854775807", "9223372036854775808"),
    "DateTime": _texts("2026-11-20T10:00:00Z", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
    "Date": _texts("2026-11-20", "2026-02-30", "0001-01-01", "9999-12-31"),
    "YearMonth": _texts("2026-11", "2026-13", "0001-01", "9999-12"),
    "CurrencyCode": _texts("USD", "EUR", "usd", "ZZZ"),
    "PhoneNumber": _texts("+442079460000", "442079460000", "+"),
    "CountryCode": _texts("US", "GB", "us"),
    "TimeZone": _texts("Europe/London", "UTC", "Mars/Olympus", "../../etc/passwd"),
    "EmailAddress": _texts("desk@example.com", "@"),
    "URL": _texts("https://example.com/hook", "http://127.0.0.1/", "javascript:1"),
    "ID": _texts("off_" + "0" * 32, "wal_x", ""),
}


@dataclass
class Besiegers:
    """Sends what it is given, as everybody in turn, and keeps what must not be."""

    server: Server
    bearers: dict[str, str]
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def send(self, client: httpx2.Client, document: str, who: str) -> None:
        headers = {"Authorization": f"Bearer {self.bearers[who]}"} if self.bearers[who] else {}
        answer = client.post("/graphql", json={"query": document}, headers=headers)
        self.counts[f"{answer.status_code}"] += 1
        told = answer.json()
        self.counts["with data" if told.get("data") else "refused"] += 1
        for error in told.get("errors", ()):
            self.counts[error["extensions"]["code"]] += 1
        if answer.status_code >= 500 or FAULTS.search(answer.text):
            self.faults.append(f"{who}: {document}\n  {answer.status_code} {answer.text[:400]}")


def besiege(server: Server, seconds: float, *, seed: int = 0) -> Besiegers:
    """Returns when the time is over, or at the first fault."""
    for name, strategy in SCALARS.items():
        schemathesis.graphql.scalar(name, strategy)
    schema = schemathesis.graphql.from_path(str(ROOT / "schema.graphql"))
    tokens = {str(role): bearer for role, bearer in told_tokens().items()}
    besiegers = Besiegers(server, {**tokens, "nobody": "", "forger": tokens["OPERATOR"][:-4] + "AAAA"})
    operations = [found.ok() for found in schema.get_all_operations()]
    end = time.monotonic() + seconds
    with httpx2.Client(base_url=server.address, timeout=30) as client:
        while time.monotonic() < end and not besiegers.faults:
            for number, operation in enumerate(operations):
                _besiege_field(besiegers, client, operation, end, seed + number)
            seed += len(operations)
    return besiegers


def _besiege_field(besiegers: Besiegers, client: httpx2.Client, operation: Any, end: float, seed: int) -> None:
    from hypothesis import seed as seeded

    who = st.sampled_from([*besiegers.bearers, "OPERATOR", "COMPANY_ADMIN"])

    @seeded(seed)
    @settings(
        max_examples=5,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), who=who)
    def send(case: Any, who: str) -> None:
        if time.monotonic() < end and not besiegers.faults:
            besiegers.send(client, case.body, who)

    send()


async def _found_demo(path: Path) -> str:
    url = f"sqlite+aiosqlite:///{path}"
    database = Database(url)
    await migrate(database)
    await load_demo(Begin(database), database, now=utc_now())
    await database.close()
    return url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asyncio.run(_found_demo(Path(folder) / "farebox.db"))
        server = Server(url, Path(folder))
        try:
            asyncio.run(server.start(env={**PRODUCTION, **OPEN_HANDED}))
            besiegers = besiege(server, asked.seconds, seed=asked.seed)
        finally:
            server.kill()
        for name, count in besiegers.counts.most_common():
            print(f"{count:8,} {name}")
        broken = besiegers.faults or (["Traceback in the log"] if "Traceback" in server.log else [])
        print("\n".join(broken) or f"no fault, seed {asked.seed}")
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
