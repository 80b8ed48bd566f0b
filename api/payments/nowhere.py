"""No card processor: what a production start has until it is told where cards are charged."""

from typing import Final, NoReturn
from uuid import UUID

from domain.payments import PaymentOrder, ProcessorKind, ProcessorNotSetUp, RefundOrder


class NoProcessor:
    """See `domain.payments.PaymentProcessor`. Nothing can be saved or charged; everything else works."""

    kind: Final = ProcessorKind.STRIPE

    async def prepare(self, order: PaymentOrder) -> NoReturn:
        _refuse()

    async def charge(self, order: PaymentOrder, payment_id: str) -> NoReturn:
        _refuse()

    async def ask(self, company_id: UUID, payment_id: str) -> NoReturn:
        _refuse()

    async def cancel(self, company_id: UUID, payment_id: str) -> NoReturn:
        _refuse()

    async def start_setup(
        self, company_id: UUID, setup_id: UUID, customer_id: str | None, description: str, return_url: str | None
    ) -> NoReturn:
        _refuse()

    async def finish_setup(self, company_id: UUID, setup_id: str) -> NoReturn:
        _refuse()

    async def refund(self, order: RefundOrder) -> NoReturn:
        _refuse()


def _refuse() -> NoReturn:
    raise ProcessorNotSetUp("No card processor is set up: see FAREBOX_PAYMENTS.")
