"""Why was I charged if I have a plan allowance? The sentences, and the shares that add up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import Service, UsageType, WalletSource
from domain.explanation import Paid, allocations_of, explain
from domain.money import money_text
from domain.rates import Increment
from domain.waterfall import Coverage, Payment, allocate

CALL = Paid(
    service=Service.CALLING,
    usage_type=UsageType.DOMESTIC,
    month=202603,
    is_booked_late=False,
    is_reversal=False,
    duration_seconds=83,
    quantity=90,
    rate_nanos=20_000_000,
    increment=Increment(60, 10),
    connection_fee_micros=0,
    list_price_micros=30_000,
    plan_quantity=0,
    plan_micros=0,
    commitment_micros=0,
    universal_micros=30_000,
    sources=4,
    coverage=Coverage.NO_ALLOWANCE,
    has_commitment=False,
)
MEASURED = "The call lasted 83 seconds and was billed as 90 seconds: the first 60 seconds whole, then in steps of 10."
PRICED = "At 0.02 USD per minute its price is 0.03 USD."
UNIVERSAL = "Universal credits paid 0.03 USD."
BY_PLAN = {
    "plan_quantity": 90,
    "plan_micros": 30_000,
    "universal_micros": 0,
    "sources": 1,
    "coverage": Coverage.COVERED,
}


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {},
            [
                *(MEASURED, PRICED, "The plan includes no allowance for calling usage."),
                *("The office has no calling credits.", UNIVERSAL),
            ],
        ),
        (
            {"coverage": Coverage.USED_UP, "has_commitment": True},
            [
                *(MEASURED, PRICED, "The plan's calling allowance was already used up."),
                *("Calling credits were used up.", UNIVERSAL),
            ],
        ),
        (
            {"coverage": Coverage.NOT_COVERED, "usage_type": UsageType.INTERNATIONAL, "is_booked_late": True},
            [
                *(MEASURED, PRICED, "The plan's calling allowance does not cover international calls."),
                *("The office has no calling credits.", UNIVERSAL),
                "It was reported after its own billing cycle had closed, so it is charged to 2026-03.",
            ],
        ),
        (BY_PLAN, [MEASURED, PRICED, "The plan allowance covered all of it, worth 0.03 USD."]),
        (
            BY_PLAN
            | {
                "connection_fee_micros": 150_000,
                "list_price_micros": 180_000,
                "commitment_micros": 150_000,
                "has_commitment": True,
                "sources": 3,
            },
            [
                MEASURED,
                "At 0.02 USD per minute and a connection fee of 0.15 USD its price is 0.18 USD.",
                "The plan allowance covered all of the usage, worth 0.03 USD; it never covers connection fees.",
                "Calling credits paid 0.15 USD.",
            ],
        ),
        (
            {
                "service": Service.SPEECH_IVR,
                "usage_type": UsageType.SPEECH_IVR,
                "quantity": 1,
                "duration_seconds": None,
                "rate_nanos": 30_000_000,
            },
            [
                "It was billed as 1 session.",
                "At 0.03 USD per session its price is 0.03 USD.",
                "The plan includes no allowance for speech IVR usage.",
                "No prepaid commitment pays for speech IVR usage.",
                UNIVERSAL,
            ],
        ),
        (
            {
                "duration_seconds": 0,
                "quantity": 0,
                "list_price_micros": 0,
                "universal_micros": 0,
                "sources": 0,
                "coverage": Coverage.FREE,
            },
            [
                "The call was not answered: nothing is billed.",
                "At 0.02 USD per minute its price is 0.00 USD.",
                "Nobody is charged for it.",
            ],
        ),
        (
            {
                "is_reversal": True,
                "quantity": -90,
                "list_price_micros": -30_000,
                "plan_micros": -10_000,
                "universal_micros": -20_000,
                "sources": 5,
            },
            [
                "This takes back an earlier charge of 0.03 USD.",
                "What the plan allowance covered does not come back: that billing cycle has closed.",
                "Universal credits got back 0.02 USD.",
            ],
        ),
    ],
)
def test_the_sentences_tell_the_whole_story(changes: dict[str, object], sentences: list[str]) -> None:
    assert explain(replace(CALL, **changes), "USD") == sentences  # type: ignore[arg-type]


def test_money_is_written_for_people() -> None:
    assert [money_text(micros, "USD") for micros in (120_000, 1, 5_000_000, -2_500_000)] == [
        *("0.12 USD", "0.000001 USD", "5.00 USD", "-2.50 USD")
    ]


def _paid(quantity: int, payment: Payment) -> Paid:
    return replace(
        CALL,
        quantity=quantity,
        list_price_micros=payment.list_price_micros,
        plan_quantity=payment.plan_quantity,
        plan_micros=payment.plan_micros,
        commitment_micros=payment.commitment_micros,
        universal_micros=payment.universal_micros,
        sources=payment.sources,
    )


@given(
    quantity=st.integers(1, 1_000_000),
    price=st.integers(0, 10**9),
    fee=st.integers(0, 10**6),
    allowance_left=st.integers(0, 1_000_000),
    commitment_left=st.integers(0, 10**9),
    is_reversal=st.booleans(),
)
def test_shares_add_up_to_the_charge(
    quantity: int, price: int, fee: int, allowance_left: int, commitment_left: int, is_reversal: bool
) -> None:
    payment = allocate(
        quantity=quantity, price=price, fee=fee, allowance_left=allowance_left, commitment_left=commitment_left
    )
    if is_reversal:
        quantity, payment = -quantity, Payment(*(-part for part in payment))
    shares = allocations_of(_paid(quantity, payment))
    assert sum(share.micros for share in shares) == payment.list_price_micros
    assert [share.source for share in shares] == sorted(
        (share.source for share in shares), key=list(WalletSource).index
    )
    if shares:
        assert sum(share.quantity for share in shares) == quantity
        assert all((share.quantity <= 0) if is_reversal else (share.quantity >= 0) for share in shares)


def test_wallets_share_what_the_plan_left_in_whole_units() -> None:
    paid = _paid(100, Payment(10, 10, 1, 2))
    assert [(share.source, share.quantity) for share in allocations_of(paid)] == [
        (WalletSource.PLAN, 10),
        (WalletSource.CALLING, 30),
        (WalletSource.UNIVERSAL, 60),
    ]
