"""A card processor outside of us, in memory: it really keeps payments, charges, setups and refunds, and counts them.

What a card does is told by its deed; what happens on the way to the processor and back by mishaps: the line is dead
before a call, the answer is lost after it, or the caller's process dies. It promises no more than the protocol: every
`prepare` makes a new payment, and a payment that was charged once is only told about.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from domain.payments import (
    CardFacts,
    NextAction,
    PaymentFailure,
    PaymentOrder,
    PaymentOutcome,
    PaymentRefused,
    PaymentState,
    ProcessorKind,
    ProcessorUnavailable,
    RefundOrder,
    RefundOutcome,
    SetupStarted,
)


class Deed(StrEnum):
    """What a charge of a card does."""

    PAY = "PAY"
    DECLINE = "DECLINE"
    NO_FUNDS = "NO_FUNDS"
    ASK_CARDHOLDER = "ASK_CARDHOLDER"
    PROCESS = "PROCESS"
    """Nobody knows until the bank has decided: see `decide`."""


class Died(BaseException):
    """The process that asked was killed; nothing of it catches that."""


@dataclass
class Payment:
    id: str
    order: PaymentOrder
    state: PaymentState = PaymentState.NOT_STARTED
    failure: PaymentFailure | None = None
    charge_count: int = 0
    """How often money was taken."""
    refunded_minor: int = 0

    def take(self) -> None:
        self.state = PaymentState.PAID
        self.charge_count += 1

    def refuse(self, failure: PaymentFailure) -> None:
        self.state, self.failure = PaymentState.REFUSED, failure


@dataclass
class Mishap:
    """Once, at one call."""

    error: BaseException
    is_after: bool
    """The call was done, and then it happened."""


@dataclass
class ScriptedProcessor:
    """See `domain.payments.PaymentProcessor`. `deed` is what cards do that have none of their own."""

    kind = ProcessorKind.SANDBOX
    deed: Deed = Deed.PAY
    payments: dict[str, Payment] = field(default_factory=dict)
    deeds: dict[str, Deed] = field(default_factory=dict)
    """By the processor's id of a card."""
    cards: dict[str, CardFacts] = field(default_factory=dict)
    """By the processor's id of a setup: what the cardholder entered."""
    customers: list[str | None] = field(default_factory=list)
    """What each setup was begun for."""
    refunds: dict[UUID, RefundOrder] = field(default_factory=dict)
    refuses_refunds: bool = False
    refuses_payments: PaymentFailure | None = None
    """None of them is even prepared, for this reason."""
    is_down: bool = False
    calls: list[str] = field(default_factory=list)
    _mishaps: dict[str, list[Mishap]] = field(default_factory=lambda: defaultdict(list))
    _meetings: dict[str, asyncio.Barrier] = field(default_factory=dict)

    # ---------- what a test says ----------

    def mishap(self, call: str, *, after: bool = False, error: BaseException | None = None) -> None:
        """The next such call meets it; several are met one after the other."""
        trouble = error or ProcessorUnavailable(f"No answer to {call}.")
        self._mishaps[call].append(Mishap(trouble, after))

    def meet(self, call: str, count: int) -> None:
        """So many such calls wait for each other, and go on at once."""
        self._meetings[call] = asyncio.Barrier(count)

    def enter_card(
        self, setup_id: str, deed: Deed = Deed.PAY, *, last_four: str = "4242", expires_month: int = 203012
    ) -> None:
        """The cardholder enters a card at the processor."""
        method_id = f"card_{setup_id}"
        self.deeds[method_id] = deed
        self.cards[setup_id] = CardFacts(method_id, "visa", last_four, expires_month)

    def confirm(self, top_up_id: UUID) -> None:
        """The cardholder says yes; what comes later than a cancellation changes nothing."""
        for payment in self.of(top_up_id):
            if payment.state is PaymentState.NEEDS_CARDHOLDER:
                payment.take()

    def reject(self, top_up_id: UUID) -> None:
        for payment in self.of(top_up_id):
            if payment.state is PaymentState.NEEDS_CARDHOLDER:
                payment.refuse(PaymentFailure.AUTHENTICATION_FAILED)

    def decide(self, top_up_id: UUID, *, is_paid: bool) -> None:
        for payment in self.of(top_up_id):
            if payment.state is PaymentState.PROCESSING and is_paid:
                payment.take()
            elif payment.state is PaymentState.PROCESSING:
                payment.refuse(PaymentFailure.CARD_DECLINED)

    # ---------- what a test asks ----------

    def of(self, top_up_id: UUID) -> list[Payment]:
        return [payment for payment in self.payments.values() if payment.order.top_up_id == top_up_id]

    def charge_count(self, top_up_id: UUID | None = None) -> int:
        """How often money was taken: for one top-up, or at all."""
        payments = list(self.payments.values()) if top_up_id is None else self.of(top_up_id)
        return sum(payment.charge_count for payment in payments)

    def taken_minor(self) -> int:
        """All the money that was taken."""
        return sum(payment.charge_count * payment.order.amount_minor for payment in self.payments.values())

    def call_count(self, call: str) -> int:
        return self.calls.count(call)

    # ---------- the protocol ----------

    @asynccontextmanager
    async def _call(self, name: str) -> AsyncIterator[None]:
        self.calls.append(name)
        if name in self._meetings:
            await self._meetings[name].wait()
        await asyncio.sleep(0)
        if self.is_down:
            raise ProcessorUnavailable("The processor is down.")
        mishap = self._mishaps[name].pop(0) if self._mishaps[name] else None
        if mishap and not mishap.is_after:
            raise mishap.error
        yield
        await asyncio.sleep(0)
        if mishap:
            raise mishap.error

    async def prepare(self, order: PaymentOrder) -> str:
        async with self._call("prepare"):
            if self.refuses_payments is not None:
                raise PaymentRefused(self.refuses_payments)
            payment = Payment(f"pay_{len(self.payments) + 1}", order)
            self.payments[payment.id] = payment
        return payment.id

    async def charge(self, order: PaymentOrder, payment_id: str) -> PaymentOutcome:
        async with self._call("charge"):
            payment = self.payments[payment_id]
            assert payment.order == order, "one payment is one order"
            if payment.state is PaymentState.NOT_STARTED:
                self._charge(payment)
        return self._outcome(payment)

    def _charge(self, payment: Payment) -> None:
        match self.deeds.get(payment.order.method_id, self.deed):
            case Deed.PAY:
                payment.take()
            case Deed.DECLINE:
                payment.refuse(PaymentFailure.CARD_DECLINED)
            case Deed.NO_FUNDS:
                payment.refuse(PaymentFailure.INSUFFICIENT_FUNDS)
            case Deed.ASK_CARDHOLDER:
                payment.state = PaymentState.NEEDS_CARDHOLDER
            case Deed.PROCESS:
                payment.state = PaymentState.PROCESSING

    async def ask(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        async with self._call("ask"):
            payment = self._of_company(company_id, payment_id)
        return self._outcome(payment)

    async def cancel(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        async with self._call("cancel"):
            payment = self._of_company(company_id, payment_id)
            if payment.state in (PaymentState.NOT_STARTED, PaymentState.NEEDS_CARDHOLDER):
                payment.refuse(PaymentFailure.CARD_DECLINED)
        return self._outcome(payment)

    def _of_company(self, company_id: UUID, payment_id: str) -> Payment:
        payment = self.payments[payment_id]
        assert payment.order.company_id == company_id
        return payment

    def _outcome(self, payment: Payment) -> PaymentOutcome:
        if payment.state is PaymentState.NEEDS_CARDHOLDER:
            action = NextAction(redirect_url=f"https://bank.example/{payment.id}")
            return PaymentOutcome(payment.state, next_action=action)
        return PaymentOutcome(payment.state, payment.failure)

    async def start_setup(
        self, company_id: UUID, setup_id: UUID, customer_id: str | None, description: str, return_url: str | None
    ) -> SetupStarted:
        async with self._call("start_setup"):
            self.customers.append(customer_id)
        action = NextAction(redirect_url=f"https://bank.example/cards/{setup_id.hex}")
        return SetupStarted(customer_id or f"customer_{len(self.customers)}", f"setup_{setup_id.hex}", action)

    async def finish_setup(self, company_id: UUID, setup_id: str) -> CardFacts | None:
        async with self._call("finish_setup"):
            return self.cards.get(setup_id)

    async def refund(self, order: RefundOrder) -> RefundOutcome:
        async with self._call("refund"):
            payment = self._of_company(order.company_id, order.payment_id)
            known = self.refunds.get(order.refund_id)
            assert known is None or known == order, "one refund is one order"
            left = payment.charge_count * payment.order.amount_minor - payment.refunded_minor
            if known is None and (self.refuses_refunds or order.amount_minor > left):
                return RefundOutcome(PaymentState.REFUSED)
            if known is None:
                self.refunds[order.refund_id] = order
                payment.refunded_minor += order.amount_minor
        return RefundOutcome(PaymentState.PAID, f"refund_{order.refund_id.hex}")
