"""`python -m benchmarks.floor.app --port PORT`: the least that answers the benchmark's queries. It checks nothing.

One hand-written statement an operation, rows made into dictionaries, orjson. No GraphQL, no tokens, no limits: just a
bare ASGI application on the server that Farebox runs on, with the same event loop and parser.
"""

import argparse
import os
from typing import Any
from uuid import UUID

import aiosqlite
import asyncpg
import orjson
import uvicorn

from benchmarks.floor.statements import PG_CREDITS, PG_HISTORY, SQLITE_CREDITS, SQLITE_HISTORY
from domain.catalogue import COMMITMENT_OF, RATE_UNITS, USAGE_UNITS, WALLET_NAMES, Service, WalletKind
from domain.explanation import sources_of

POOL = 16
UNITS = {service.value: USAGE_UNITS[service].value for service in Service}
RATES = {service.value: RATE_UNITS[USAGE_UNITS[service]].value for service in Service}
SOURCES = {
    service.value: {bits: [source.value for source in sources_of(service, bits)] for bits in range(8)}
    for service in COMMITMENT_OF
}
NAMES = {kind.value: WALLET_NAMES[kind] for kind in WalletKind}
_HEAD = [(b"content-type", b"application/json")]


def record(row: Any) -> dict[str, Any]:
    (id_, at, service, usage_type, direction, seconds, is_late, state, office_id, office, member_id, member) = row[:12]
    (group_id, group, text, kind, quantity, sources, cost, currency, rate, label) = row[12:]
    return {
        "id": id_,
        "occurredAt": at,
        "service": service,
        "usageType": usage_type,
        "direction": direction,
        "durationSeconds": seconds,
        "isBookedLate": bool(is_late),
        "state": state,
        "office": {"id": office_id, "name": office},
        "member": {"id": member_id, "name": member} if member_id else None,
        "group": {"id": group_id, "name": group} if group_id else None,
        "phoneNumber": {"text": text, "kind": kind} if kind else None,
        "quantity": {"value": quantity, "unit": UNITS[service]},
        "walletSources": SOURCES[service][sources],
        "cost": {"amount": cost, "currencyCode": currency},
        "rate": {
            "amount": rate,
            "currencyCode": currency,
            "unit": RATES[service],
            "billingIncrement": {"label": label} if service == "CALLING" else None,
        },
    }


def credits_shown(rows: Any) -> dict[str, Any]:
    wallets, plans = [], []
    for is_plan, id_, word, currency, first, second, third, fourth, fifth, percent, _ in rows:
        if is_plan:
            plan = {"id": id_, "service": word, "unit": UNITS[word], "committed": first, "spent": second}
            plans.append(plan | {"available": third, "usedPercent": percent})
            continue
        wallets.append(
            {
                "id": id_,
                "kind": word,
                "name": NAMES[word],
                "balance": {"amount": first, "currencyCode": currency},
                "reserved": {"amount": second, "currencyCode": currency},
                "available": {"amount": third, "currencyCode": currency},
                "committed": {"amount": fourth, "currencyCode": currency} if fourth else None,
                "spent": {"amount": fifth, "currencyCode": currency},
                "usedPercent": percent,
            }
        )
    return {"wallets": wallets, "planUsage": plans}


class Floor:
    """Of one company, which it is told at the start."""

    def __init__(self, url: str, company_id: UUID) -> None:
        self._url = url
        self._is_sqlite = url.startswith("sqlite")
        self._company: Any = company_id.bytes if self._is_sqlite else company_id
        self._database: Any = None

    async def open(self) -> None:
        if self._is_sqlite:
            self._database = await aiosqlite.connect(self._url.partition(":///")[2])
            return
        self._database = await asyncpg.create_pool(self._url.replace("+asyncpg", ""), min_size=POOL, max_size=POOL)

    async def close(self) -> None:
        await self._database.close()

    async def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        given = asked["variables"]
        if asked["operationName"] == "Credits":
            statement = SQLITE_CREDITS if self._is_sqlite else PG_CREDITS
            return credits_shown(await self._rows(statement, self._id(given["officeId"])))
        size = given["first"]
        statement = SQLITE_HISTORY if self._is_sqlite else PG_HISTORY
        rows = await self._rows(statement, self._id(given["filter"]["officeIds"][0]), size + 1)
        nodes = [record(row) for row in rows[:size]]
        return {"usageHistory": {"nodes": nodes, "pageInfo": {"hasNextPage": len(rows) > size}}}

    def _id(self, public: str) -> Any:
        return bytes.fromhex(public[4:]) if self._is_sqlite else UUID(public[4:])

    async def _rows(self, statement: str, *values: Any) -> Any:
        if self._is_sqlite:
            return await self._database.execute_fetchall(statement, (self._company, *values))
        return await self._database.fetch(statement, self._company, *values)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        body = b"{}"
        if scope["method"] == "POST":
            message = await receive()
            body = message["body"]
            while message.get("more_body"):
                message = await receive()
                body += message["body"]
            data = await self.answer(orjson.loads(body))
            body = orjson.dumps({"data": data}, option=orjson.OPT_UTC_Z)
        head = [*_HEAD, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while (await receive())["type"] == "lifespan.startup":
            await self.open()
            await send({"type": "lifespan.startup.complete"})
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})


def app() -> Floor:
    return Floor(os.environ["FAREBOX_DATABASE_URL"], UUID(os.environ["FLOOR_COMPANY"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    uvicorn.run(
        "benchmarks.floor.app:app",
        factory=True,
        port=asked.port,
        workers=asked.workers,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
