"""The embedded card processor: test cards that always do the same, and pages in place of a cardholder's bank.

It is an outside world that runs inside: it keeps its own memory in its own transactions, loses answers as a network
does, and takes money once however often it is asked. What goes wrong in that memory is, to whoever calls, a processor
that does not answer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from api.clock import utc_now
from api.payments.sandbox_cards import BY_METHOD, BY_NUMBER, SUCCESS, Deed
from api.payments.sandbox_links import Place, SandboxLinks
from domain.payments import (
    CardFacts,
    NextAction,
    PaymentFailure,
    PaymentOrder,
    PaymentOutcome,
    PaymentState,
    ProcessorKind,
    ProcessorUnavailable,
    RefundOrder,
    RefundOutcome,
    SetupStarted,
)
from persistence.sandbox_store import SandboxPayment, SandboxState, SandboxStore

SILENT_ASKS = 2
"""How often the silent card does not answer before it does."""


class SandboxProcessor:
    """See `domain.payments.PaymentProcessor`."""

    kind: Final = ProcessorKind.SANDBOX

    def __init__(self, store: SandboxStore, links: SandboxLinks, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._links = links
        self._clock = clock

    async def prepare(self, order: PaymentOrder) -> str:
        card = BY_METHOD.get(order.method_id)
        if card is None:
            raise ProcessorUnavailable("The sandbox knows its own test cards only.")
        with _outside():
            payment_id = await self._store.add_payment(
                order.company_id,
                order.top_up_id,
                card=card.number,
                amount_minor=order.amount_minor,
                currency=order.currency,
                now=self._clock(),
            )
        return payment_id.hex

    async def charge(self, order: PaymentOrder, payment_id: str) -> PaymentOutcome:
        with _outside():
            payment = await self._find(order.company_id, payment_id)
            if payment.state is SandboxState.CREATED:
                await self._take(payment)
                payment = await self._find(order.company_id, payment_id)
            elif payment.state is SandboxState.SUCCEEDED:
                await self._keep_silent(payment)
        return self._told(payment, order.return_url)

    async def ask(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        with _outside():
            payment = await self._find(company_id, payment_id)
            await self._keep_silent(payment)
        return self._told(payment, None)

    async def cancel(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        with _outside():
            payment = await self._find(company_id, payment_id)
            if payment.state in {SandboxState.CREATED, SandboxState.REQUIRES_ACTION}:
                reason = PaymentFailure.AUTHENTICATION_EXPIRED
                await self._store.move(payment, SandboxState.CANCELED, reason=reason)
                payment = await self._find(company_id, payment_id)
            await self._keep_silent(payment)
        return self._told(payment, None)

    async def start_setup(
        self, company_id: UUID, setup_id: UUID, customer_id: str | None, description: str, return_url: str | None
    ) -> SetupStarted:
        """The card that pays is chosen beforehand: who does not open the page saves that one."""
        with _outside():
            await self._store.add_setup(company_id, setup_id, SUCCESS.number, self._clock())
        url = self._links.write(Place.CARDS, company_id, setup_id, return_url)
        customer = customer_id or f"sandbox_customer_{setup_id.hex}"
        return SetupStarted(customer, setup_id.hex, NextAction(redirect_url=url))

    async def finish_setup(self, company_id: UUID, setup_id: str) -> CardFacts | None:
        with _outside():
            number = await self._store.chosen_card(company_id, _id(setup_id))
        return BY_NUMBER[number].facts(self._clock()) if number else None

    async def refund(self, order: RefundOrder) -> RefundOutcome:
        with _outside():
            is_paid = await self._store.add_refund(
                order.company_id, order.refund_id, _id(order.payment_id), order.amount_minor, self._clock()
            )
        if not is_paid:
            return RefundOutcome(PaymentState.REFUSED)
        return RefundOutcome(PaymentState.PAID, order.refund_id.hex)

    async def _find(self, company_id: UUID, payment_id: str) -> SandboxPayment:
        payment = await self._store.find_payment(company_id, _id(payment_id))
        if payment is None:
            raise ProcessorUnavailable("The sandbox has no such payment.")
        return payment

    async def _take(self, payment: SandboxPayment) -> None:
        """What the card does to a payment nobody tried before. Raises ProcessorUnavailable after it was paid."""
        card = BY_NUMBER[payment.card]
        match card.deed:
            case Deed.PAY:
                await self._store.move(payment, SandboxState.SUCCEEDED, takes_money=True)
            case Deed.REFUSE:
                await self._store.move(payment, SandboxState.DECLINED, reason=card.failure)
            case Deed.ASK_CARDHOLDER:
                await self._store.move(payment, SandboxState.REQUIRES_ACTION)
            case Deed.PAY_AND_LOSE_THE_ANSWER:
                await self._store.move(payment, SandboxState.SUCCEEDED, takes_money=True)
                raise ProcessorUnavailable("The answer was lost.")
            case Deed.PAY_AND_FALL_SILENT:
                silence = str(SILENT_ASKS)
                await self._store.move(payment, SandboxState.SUCCEEDED, reason=silence, takes_money=True)
                raise ProcessorUnavailable("There was no answer.")

    async def _keep_silent(self, payment: SandboxPayment) -> None:
        """The silent card's payment holds in its reason how often it still does not answer."""
        if payment.state is SandboxState.SUCCEEDED and payment.reason:
            left = int(payment.reason) - 1
            await self._store.move(payment, payment.state, reason=str(left) if left else None)
            raise ProcessorUnavailable("There was no answer.")

    def _told(self, payment: SandboxPayment, return_url: str | None) -> PaymentOutcome:
        match payment.state:
            case SandboxState.SUCCEEDED:
                return PaymentOutcome(PaymentState.PAID)
            case SandboxState.CREATED:
                return PaymentOutcome(PaymentState.NOT_STARTED)
            case SandboxState.REQUIRES_ACTION:
                url = self._links.write(Place.PAYMENTS, payment.company_id, payment.id, return_url)
                return PaymentOutcome(PaymentState.NEEDS_CARDHOLDER, next_action=NextAction(redirect_url=url))
            case SandboxState.DECLINED | SandboxState.CANCELED:
                return PaymentOutcome(PaymentState.REFUSED, PaymentFailure(payment.reason or "CARD_DECLINED"))


def _id(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError:
        raise ProcessorUnavailable("The sandbox knows no such id.") from None


@contextmanager
def _outside() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, OSError) as error:
        raise ProcessorUnavailable("The sandbox does not answer.") from error
