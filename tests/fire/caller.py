"""A client that does not give up: what got no answer is sent again, with the same key, until there is one."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx2

PATIENCE_SECONDS = 180
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.3
SURPRISES = frozenset({"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"})


class Surprise(AssertionError):
    """An answer that no kill explains."""


@dataclass
class Caller:
    """Calls one server with one token. Counts what it had to send again."""

    address: str
    token: str
    ready: asyncio.Event
    """Set while the server is there: nobody knocks at a closed door all the time, which would only keep it closed."""
    is_patient: bool = False
    """Also when the server answers that it could not: its database was killed."""
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._client = httpx2.AsyncClient(
            base_url=self.address,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
            limits=httpx2.Limits(max_connections=64),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The data of the answer."""
        body = {"query": operation, "variables": variables}
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            if time.monotonic() > end:
                raise Surprise(f"No answer within {PATIENCE_SECONDS} seconds to {operation[:60]}")
            await self.ready.wait()
            try:
                answer = (await self._client.post("/graphql", json=body)).json()
            except (httpx2.HTTPError, ValueError):
                self.counts["no answer"] += 1
                await asyncio.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))
                continue
            if not answer.get("errors"):
                self.counts["answers"] += 1
                data: dict[str, Any] = answer["data"]
                return data
            told = answer["errors"][0].get("extensions", {})
            code = told.get("code")
            if code == "THROTTLED":
                self.counts["put off"] += 1
                await asyncio.sleep(told["retryAfterSeconds"])
                continue
            if not (self.is_patient and code in SURPRISES):
                raise Surprise(f"{operation[:60]}: {answer['errors']}")
            self.counts["server faults"] += 1
            await asyncio.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))

    async def change(self, mutation: str, **given: Any) -> dict[str, Any]:
        """The payload of a mutation of one field."""
        data = await self.ask(mutation, {"input": given})
        payload: dict[str, Any] = next(iter(data.values()))
        return payload

    async def visit(self, url: str, **form: str) -> None:
        """A page of the sandbox processor, filled in and sent."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            await self.ready.wait()
            try:
                answer = await self._client.post(url, data=form)
            except httpx2.HTTPError:
                self.counts["no answer"] += 1
            else:
                if answer.status_code < 400:
                    return
                if answer.status_code < 500 or not self.is_patient:
                    raise Surprise(f"{url}: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))
        raise Surprise(f"No answer within {PATIENCE_SECONDS} seconds from {url}")
