"""What Farebox asks of a card processor, and what it may answer. The processors themselves live in `api.payments`.

A card is charged outside any transaction (R29). The processor's own id of a payment is written down before any money
moves, and a payment can be charged once: however often it is asked for, interrupted or repeated, no second one is.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.money import Currency


class ProcessorKind(StrEnum):
    SANDBOX = "SANDBOX"
    STRIPE = "STRIPE"


class PaymentFailure(StrEnum):
    """Why no money came."""

    CARD_DECLINED = "CARD_DECLINED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    AUTHENTICATION_EXPIRED = "AUTHENTICATION_EXPIRED"
    CARD_EXPIRED = "CARD_EXPIRED"
    PROCESSOR_UNAVAILABLE = "PROCESSOR_UNAVAILABLE"


class ProcessorUnavailable(Exception):
    """The processor could not be reached, or did not answer: what became of the request is not known."""


class ProcessorNotSetUp(ProcessorUnavailable):
    """This installation does not know the processor, or no longer: nobody will answer until the operator acts."""


class PaymentRefused(Exception):
    """The processor will not even prepare this payment: the card or customer is gone, or the amount cannot be charged.

    Nothing was charged, and trying again would be refused again.
    """

    def __init__(self, failure: PaymentFailure) -> None:
        super().__init__(failure)
        self.failure = failure


class NextAction(NamedTuple):
    """What the cardholder has to do, in the form that the processor's front end needs."""

    client_secret: str | None = None
    publishable_key: str | None = None
    redirect_url: str | None = None


class PaymentState(StrEnum):
    PAID = "PAID"
    """The money is there, for good or until a dispute."""
    REFUSED = "REFUSED"
    """It is not and will not be: the payment can no longer be charged."""
    NEEDS_CARDHOLDER = "NEEDS_CARDHOLDER"
    """The cardholder has to confirm it first (3-D Secure)."""
    PROCESSING = "PROCESSING"
    """Not known yet: ask again later."""
    NOT_STARTED = "NOT_STARTED"
    """Prepared, and nothing was charged."""


class PaymentOutcome(NamedTuple):
    state: PaymentState
    failure: PaymentFailure | None = None
    """REFUSED: why."""
    next_action: NextAction | None = None
    """NEEDS_CARDHOLDER: what to do."""


class PaymentOrder(NamedTuple):
    """One top-up as a processor sees it."""

    company_id: UUID
    top_up_id: UUID
    """Also the idempotency key, and in the payment's metadata."""
    amount_minor: int
    """In the currency's minor units: cents, or yen (R3)."""
    currency: Currency
    customer_id: str
    method_id: str
    is_off_session: bool
    """Auto-recharge: nobody is there to confirm it, so a payment that asks for that is refused."""
    description: str
    return_url: str | None


class SetupStarted(NamedTuple):
    customer_id: str
    setup_id: str
    next_action: NextAction


class CardFacts(NamedTuple):
    """A card that was saved at the processor."""

    method_id: str
    brand: str
    last_four: str
    expires_month: int
    """202803 for 2028-03."""


class RefundOrder(NamedTuple):
    company_id: UUID
    refund_id: UUID
    """Also the idempotency key, and in the refund's metadata."""
    payment_id: str
    amount_minor: int
    reason: str


class RefundOutcome(NamedTuple):
    state: PaymentState
    """PAID: the money goes back. REFUSED: it does not. PROCESSING: not known yet."""
    processor_refund_id: str | None = None


class PaymentProcessor(Protocol):
    """Every call may raise ProcessorUnavailable; every call may be repeated."""

    @property
    def kind(self) -> ProcessorKind: ...

    async def prepare(self, order: PaymentOrder) -> str:
        """A payment that is not charged yet; its id. Asked for again it may be the same one or a new one.

        Raises PaymentRefused.
        """

    async def charge(self, order: PaymentOrder, payment_id: str) -> PaymentOutcome:
        """Charges a payment that was prepared. One that was charged, refused or cancelled before is only told."""

    async def ask(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        """What became of a payment. Takes no money; one that was tried in vain may be closed for good by it."""

    async def cancel(self, company_id: UUID, payment_id: str) -> PaymentOutcome:
        """Sees to it that a payment that is not paid never will be: REFUSED, or PAID when the money came first."""

    async def start_setup(
        self, company_id: UUID, setup_id: UUID, customer_id: str | None, description: str, return_url: str | None
    ) -> SetupStarted:
        """A card about to be saved, by Farebox's id of the setup; for the customer when there is one already."""

    async def finish_setup(self, company_id: UUID, setup_id: str) -> CardFacts | None:
        """The card, by the processor's id of the setup; None while the cardholder has not finished."""

    async def refund(self, order: RefundOrder) -> RefundOutcome:
        """Gives money back; the same order again is the same refund."""


class DisputeState(StrEnum):
    OPEN = "OPEN"
    """The bank has taken the money back."""
    WON = "WON"
    """The bank returned it."""
    LOST = "LOST"


class PaymentNews(NamedTuple):
    """A processor tells that something may have become of a payment: it is asked then, the news is not believed."""

    company_id: UUID
    top_up_id: UUID


class DisputeNews(NamedTuple):
    payment_id: str
    dispute_id: str
    amount_minor: int
    currency: str
    state: DisputeState
    at: datetime


class OutsideRefundNews(NamedTuple):
    """Somebody gave money back at the processor itself."""

    payment_id: str
    refund_id: str
    amount_minor: int
    currency: str
    is_failed: bool
    our_refund_id: UUID | None = None
    """Of a refund that was asked for here: its id, where the processor kept it."""


class Processors(NamedTuple):
    """Those this installation knows. New cards are saved with the first; old ones are charged where they were saved."""

    default: PaymentProcessor
    others: tuple[PaymentProcessor, ...] = ()

    def of(self, kind: ProcessorKind) -> PaymentProcessor:
        """Raises ProcessorNotSetUp."""
        for processor in (self.default, *self.others):
            if processor.kind is kind:
                return processor
        raise ProcessorNotSetUp(f"{kind} is not set up.")
