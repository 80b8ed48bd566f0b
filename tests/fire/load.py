"""What goes on in a company while its server is killed: people who report, buy, give back, reserve and configure.

Each of them sends one thing after the other and keeps what was acknowledged. Nobody gives up: an unfinished thing is
sent again with its key.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from domain.money import parse_micros
from tests.fire.caller import Caller
from tests.fire.company import FireOffice
from tests.fire.journal import Journal
from tests.fire.operations import (
    AUTHORIZE,
    CAPTURE,
    COMPLETE,
    PURCHASE,
    QUOTE,
    RECHARGE,
    RECORD,
    REFUND,
    RELEASE,
    REVERSE,
)

SOURCE = "fire"
LOOKS = 8
"""How often a buyer looks whether his payment went through, before he leaves it to the worker."""
LOOK_SECONDS = 0.2
CREDITS = "10"


def session(event_id: str, count: int = 1) -> dict[str, Any]:
    """Voice AI at 0.50 a session, a minute ago."""
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    return {"eventId": event_id, "occurredAt": at, "usage": {"aiAgent": {"mode": "VOICE", "sessionCount": count}}}


@dataclass
class Load:
    """`stop` ends it: what was begun is finished, nothing new is begun."""

    admin: Caller
    partner: Caller
    journal: Journal
    seed: int
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _number: int = 0

    def key(self, name: str) -> str:
        self._number += 1
        return f"{name}-{self.seed}-{self._number}"

    async def run(self, offices: Sequence[FireOffice]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for place, office in enumerate(offices):
                chance = random.Random(f"{self.seed} {place}")
                shared: list[dict[str, Any]] = []
                people = (
                    partial(self.report, office, shared, chance),
                    partial(self.report, office, shared, chance),
                    partial(self.buy, office, chance),
                    partial(self.reserve, office, chance),
                    partial(self.configure, office, chance),
                )
                for person in people:
                    tasks.create_task(self._until_stopped(person))

    async def _until_stopped(self, act: Callable[[], Awaitable[None]]) -> None:
        while not self.stop.is_set():
            await act()
            await asyncio.sleep(0.01)

    async def report(self, office: FireOffice, shared: list[dict[str, Any]], chance: random.Random) -> None:
        """Half of the batch is new, half was sent before: by this reporter or by the other one of the office."""
        new = [session(self.key("u"), chance.randint(1, 4)) for _ in range(chance.randint(1, 6))]
        batch = [*chance.sample(shared, min(len(shared), len(new))), *new]
        shared += new
        del shared[:-40]
        answer = await self._record(office, batch)
        if chance.random() < 0.2:
            await self._reverse(office, answer["results"][-1])

    async def _record(self, office: FireOffice, batch: list[dict[str, Any]]) -> dict[str, Any]:
        answer = await self.partner.change(RECORD, source=SOURCE, office={"id": office.id}, events=batch)
        self.journal.keep_refusals("recordUsage", answer["userErrors"])
        self.journal.keep_results(office.slug, answer)
        return answer

    async def _reverse(self, office: FireOffice, result: dict[str, Any]) -> None:
        key = self.key("r")
        answer = await self.partner.change(
            REVERSE, idempotencyKey=key, usageRecordId=result["record"]["id"], reason="it never took place"
        )
        self.journal.keep_refusals("reverseUsage", answer["userErrors"], "ALREADY_REVERSED")
        if answer["reversal"]:
            self.journal.reversed[key] = (office.slug, result["eventId"])

    async def buy(self, office: FireOffice, chance: random.Random) -> None:
        key, credits = self.key("p"), {"amount": CREDITS, "currencyCode": "USD"}
        quote = (await self.admin.ask(QUOTE, {"input": {"officeId": office.id, "credits": credits}}))[
            "quoteCreditPurchase"
        ]
        given = {"idempotencyKey": key, "officeId": office.id, "credits": credits, "expectedTotal": quote["total"]}
        answer = await self.admin.change(PURCHASE, **given)
        if answer["topUp"] is None:
            self.journal.keep_refusals("purchaseCredits", answer["userErrors"], "LIMIT_REACHED")
            await asyncio.sleep(0.3)
            return
        state = self.journal.keep_purchase(key, answer["topUp"])
        state = await self._follow(answer["topUp"], state, refuses=chance.random() < 0.2)
        if chance.random() < 0.3:
            again = await self.admin.change(PURCHASE, **given)
            state = self.journal.keep_purchase(key, again["topUp"])
        if state == "SETTLED" and chance.random() < 0.5:
            await self._give_back(answer["topUp"]["id"], chance)
        await asyncio.sleep(chance.uniform(0, 0.1))

    async def _follow(self, top_up: dict[str, Any], state: str, *, refuses: bool) -> str:
        """What the cardholder and his browser do next."""
        for _ in range(LOOKS):
            if state not in {"PENDING", "REQUIRES_ACTION"}:
                break
            if state == "REQUIRES_ACTION" and top_up["nextAction"]:
                await self.admin.visit(top_up["nextAction"]["redirectUrl"], action="refuse" if refuses else "confirm")
            else:
                await asyncio.sleep(LOOK_SECONDS)
            answer = await self.admin.change(COMPLETE, topUpId=top_up["id"])
            top_up = answer["topUp"]
            state = self.journal.keep_top_up(top_up)
        return state

    async def _give_back(self, top_up_id: str, chance: random.Random) -> None:
        key, amount = self.key("g"), {"amount": chance.choice(["1", "2.50"]), "currencyCode": "USD"}
        answer = await self.admin.change(
            REFUND, idempotencyKey=key, topUpId=top_up_id, amount=amount, reason="too many"
        )
        self.journal.keep_refusals("refundTopUp", answer["userErrors"], "NOT_REFUNDABLE", "TOO_HIGH")
        if not answer["userErrors"]:
            self.journal.refunds[key] = (top_up_id, parse_micros(amount["amount"]))

    async def reserve(self, office: FireOffice, chance: random.Random) -> None:
        """A conversation is authorized; then it takes place, is given up, or is reported behind its hold's back."""
        event_id = self.key("h")
        answer = await self.partner.change(
            AUTHORIZE,
            source=SOURCE,
            eventId=event_id,
            office={"id": office.id},
            service="AI_AGENT",
            direction="INBOUND",
            quantity=2,
        )
        self.journal.keep_refusals("authorizeUsage", answer["userErrors"])
        hold = answer["hold"]
        if hold is None:
            await asyncio.sleep(0.1)
        elif chance.random() < 0.2:
            told = await self.partner.change(RELEASE, holdId=hold["id"])
            self.journal.keep_refusals("releaseHold", told["userErrors"])
            self.journal.holds[hold["id"]] = "RELEASED"
        elif chance.random() < 0.5:
            told = await self.partner.change(CAPTURE, holdId=hold["id"], event=session(event_id, chance.randint(1, 3)))
            self.journal.keep_refusals("captureHold", told["userErrors"])
            self.journal.keep_results(office.slug, {"results": [told["result"]]})
            self.journal.holds[hold["id"]] = "CAPTURED"
        else:
            await self._record(office, [session(event_id)])
            self.journal.holds[hold["id"]] = "CAPTURED"

    async def configure(self, office: FireOffice, chance: random.Random) -> None:
        is_enabled, amount = chance.random() < 0.9, chance.choice(["10", "15", "20"])
        money = [{"amount": figure, "currencyCode": "USD"} for figure in (amount, "500")]
        answer = await self.admin.change(
            RECHARGE, officeId=office.id, isEnabled=is_enabled, amount=money[0], cycleCap=money[1]
        )
        self.journal.keep_refusals("configureAutoRecharge", answer["userErrors"])
        if not answer["userErrors"]:
            self.journal.settings[office.slug] = (is_enabled, parse_micros(amount))
        await asyncio.sleep(chance.uniform(0.1, 0.5))
