"""What the tests of the card processors share: one top-up as a processor sees it."""

from typing import Any
from uuid import UUID, uuid4

from domain.money import Currency
from domain.payments import PaymentOrder, RefundOrder

COMPANY = UUID(int=1)
SIGNING_KEY = "a key for tests, longer than thirty-two bytes"
ADDRESS = "https://billing.example"


def order(method_id: str, **changes: Any) -> PaymentOrder:
    given = PaymentOrder(
        company_id=COMPANY,
        top_up_id=uuid4(),
        amount_minor=2178,
        currency=Currency.USD,
        customer_id="customer",
        method_id=method_id,
        is_off_session=False,
        description="Universal credits, HQ",
        return_url=None,
    )
    return given._replace(**changes)


def refund_order(payment_id: str, amount_minor: int = 1000, **changes: Any) -> RefundOrder:
    return RefundOrder(COMPANY, uuid4(), payment_id, amount_minor, "Bought twice")._replace(**changes)
