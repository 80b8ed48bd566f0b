"""What Stripe tells by itself: payments, disputes, refunds (https://docs.stripe.com/webhooks).

A message counts when Stripe signed it within five minutes. It is told again until it is answered with 2xx, in no
certain order: so of payments and refunds only the news is taken, and Stripe is asked what holds. What is not about a
top-up of ours is thanked for; whatever goes wrong here is answered with 500, and Stripe comes back.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import stripe
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.clock import utc_now
from api.payments.bodies import read_body
from api.payments.stripe import StripeProcessor
from domain.errors import FareboxError
from domain.payments import (
    DisputeNews,
    DisputeState,
    OutsideRefundNews,
    ProcessorKind,
    Processors,
    ProcessorUnavailable,
)
from domain.ports import Door
from domain.stories.collect import hear_of_payment
from domain.stories.give_back import hear_of_dispute, hear_of_refund

logger = logging.getLogger(__name__)

PATH = "/webhooks/stripe"
MAX_EVENT_BYTES = 512_000
TOLERANCE_SECONDS = 300

_DISPUTES = {
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}
"""Others are questions of a bank that has not taken anything: `warning_…`, `prevented`."""
_FAILED_REFUNDS = frozenset({"failed", "canceled"})

Fields = Mapping[str, Any]


class StripeWebhook:
    def __init__(
        self,
        secret: str,
        door: Door,
        processors: Processors,
        stripe_processor: StripeProcessor,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._secret = secret
        self._door = door
        self._processors = processors
        self._stripe = stripe_processor
        self._clock = clock

    async def hear(self, request: Request) -> Response:
        body = await read_body(request, MAX_EVENT_BYTES)
        if body is None:
            return _answer(413, "too large")
        event = self._read(body, request.headers.get("stripe-signature"))
        if event is None:
            return _answer(400, "not signed by Stripe with this endpoint's secret within five minutes")
        try:
            is_ours = await self._take(event)
        except (ProcessorUnavailable, FareboxError) as error:
            logger.warning("A message of Stripe's (%s) has to come again: %s", event.get("type"), error)
            return _answer(500, "not yet; send it again")
        except Exception:
            # The message itself is not logged: it may hold what a log may not.
            logger.exception("A message of Stripe's (%s) could not be taken.", event.get("type"))
            return _answer(500, "failed; send it again")
        return _answer(200, "taken" if is_ours else "not about a payment of this installation")

    def _read(self, body: bytes, signature: str | None) -> Fields | None:
        try:
            stripe.WebhookSignature.verify_header(body, signature, self._secret, TOLERANCE_SECONDS)
            event = orjson.loads(body)
        except (stripe.SignatureVerificationError, ValueError):
            return None
        return event if isinstance(event, dict) else None

    async def _take(self, event: Fields) -> bool:
        told = _fields(_fields(event.get("data")).get("object"))
        hear: Callable[[Fields, Fields], Awaitable[bool]]
        match str(event.get("type", "")).split("."):
            case ["payment_intent", _]:
                hear = self._payment
            case ["charge", "dispute", _]:
                hear = self._dispute
            case ["refund", _] | ["charge", "refund", _]:
                hear = self._refund
            case ["charge", "refunded"]:
                hear = self._refunds
            case _:
                return False
        return await hear(event, told)

    async def _payment(self, _event: Fields, intent: Fields) -> bool:
        metadata = _fields(intent.get("metadata"))
        company_id, top_up_id = _uuid(metadata.get("company_id")), _uuid(metadata.get("top_up_id"))
        if company_id is None or top_up_id is None:
            return False
        found = await hear_of_payment(self._door, self._processors, company_id, top_up_id, now=self._clock())
        return found is not None

    async def _dispute(self, event: Fields, dispute: Fields) -> bool:
        state, payment_id = _dispute_state(event, dispute), dispute.get("payment_intent")
        if state is None or not isinstance(payment_id, str):
            return False
        news = DisputeNews(
            payment_id=payment_id,
            dispute_id=str(dispute["id"]),
            amount_minor=int(dispute["amount"]),
            currency=str(dispute["currency"]).upper(),
            state=state,
            at=datetime.fromtimestamp(int(event.get("created", self._clock().timestamp())), UTC),
        )
        return await hear_of_dispute(self._door, ProcessorKind.STRIPE, news, now=self._clock())

    async def _refund(self, _event: Fields, refund: Fields) -> bool:
        return await self._refunds_of(refund.get("payment_intent"), refund)

    async def _refunds(self, _event: Fields, charge: Fields) -> bool:
        return await self._refunds_of(charge.get("payment_intent"))

    async def _refunds_of(self, payment_id: Any, *told: Fields) -> bool:
        """All refunds of the payment as Stripe has them now, and what was told where Stripe's list lacks it."""
        if not isinstance(payment_id, str) or await self._door.find_payment(ProcessorKind.STRIPE, payment_id) is None:
            return False
        refunds = {str(refund["id"]): refund for refund in told}
        refunds |= {refund.id: refund.to_dict() for refund in await self._stripe.refunds_of(payment_id)}
        for refund in refunds.values():
            await hear_of_refund(self._door, ProcessorKind.STRIPE, _refund_news(payment_id, refund), now=self._clock())
        return True


def _dispute_state(event: Fields, dispute: Fields) -> DisputeState | None:
    if event.get("type") == "charge.dispute.funds_reinstated":
        return DisputeState.WON
    return _DISPUTES.get(str(dispute.get("status")))


def _refund_news(payment_id: str, refund: Fields) -> OutsideRefundNews:
    return OutsideRefundNews(
        payment_id=payment_id,
        refund_id=str(refund["id"]),
        amount_minor=int(refund["amount"]),
        currency=str(refund["currency"]).upper(),
        is_failed=refund.get("status") in _FAILED_REFUNDS,
        our_refund_id=_uuid(_fields(refund.get("metadata")).get("refund_id")),
    )


def _fields(value: Any) -> Fields:
    return value if isinstance(value, Mapping) else {}


def _uuid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _answer(status: int, text: str) -> Response:
    return JSONResponse({"status": text}, status)
