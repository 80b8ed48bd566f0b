"""What an alert says to a person: both figures, in the currency's own decimals."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from domain.alert_texts import message_of, rise_tenths, share_tenths
from domain.alerts import Alert, AlertKind, Cause, Dimension
from domain.money import Currency
from domain.periods import Period, YearMonth

USD, JPY = Currency.USD, Currency.JPY
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
RISE = Alert(
    id=UUID(int=1),
    kind=AlertKind.SPENDING_RISE,
    subject="region:IN",
    month=YearMonth(2026, 3),
    period=Period(MARCH, datetime(2026, 3, 13, tzinfo=UTC)),
    raised_at=MARCH,
    current_micros=1_310_004_999,
    previous_micros=810_000_000,
    cause=Cause(Dimension.REGION, "IN", 640_000_000, 40_000_000),
)


def used(kind: AlertKind, subject: str, current: int, limit: int | None = None, **figures: int) -> Alert:
    changes = {"current_micros": current, "limit_micros": limit, "previous_micros": None, "cause": None, **figures}
    return replace(RISE, kind=kind, subject=subject, **changes)  # type: ignore[arg-type]


def test_a_rise_says_how_much_against_what_and_why() -> None:
    assert message_of(RISE, USD) == (
        "Spending is up 62 % in the first 12 days of this billing cycle: 1,310.00 USD against 810.00 USD."
        " The main cause is usage to IN: 640.00 USD against 40.00 USD."
    )


CAUSES = [
    (Cause(Dimension.MEMBER, "0" * 32, 2, 1, "Sales 1"), "usage by Sales 1"),
    (Cause(Dimension.GROUP, "0" * 32, 2, 1, "Support"), "usage by Support"),
    (Cause(Dimension.USAGE_TYPE, "PREMIUM", 2, 1), "premium-rate calls"),
    (Cause(Dimension.SERVICE, "AI_AGENT", 2, 1), "AI agent usage"),
]


@pytest.mark.parametrize(("cause", "words"), CAUSES, ids=[words for _, words in CAUSES])
def test_each_cause_in_words(cause: Cause, words: str) -> None:
    assert f"The main cause is {words}: 0.00 USD against 0.00 USD." in message_of(replace(RISE, cause=cause), USD)


def test_where_nothing_was_spent_before_there_is_no_percentage() -> None:
    text = message_of(replace(RISE, previous_micros=0, cause=None), USD)
    assert text == "Spending is up in the first 12 days of this billing cycle: 1,310.00 USD against 0.00 USD."


def test_a_currency_without_cents_has_none_and_credits_come_with_a_minus() -> None:
    text = message_of(replace(RISE, previous_micros=-1_234_500_000, cause=None), JPY)
    assert text.endswith(": 1,310 JPY against -1,235 JPY.")


def test_an_hour_more_or_less_makes_no_other_number_of_days() -> None:
    for hour in (22, 23):
        period = Period(datetime(2026, 3, 1, 23, tzinfo=UTC), datetime(2026, 3, 31, hour, tzinfo=UTC))
        assert "in the first 30 days" in message_of(replace(RISE, period=period), USD)


COMMITMENT, ALLOWANCE, LOW = AlertKind.COMMITMENT_USED, AlertKind.ALLOWANCE_USED, AlertKind.UNIVERSAL_LOW
OTHERS = [
    (
        used(COMMITMENT, "commitment:CALLING", 45_000_000, 50_000_000, used_percent=90),
        "90 % of the calling commitment is used: 45.00 USD of 50.00 USD.",
    ),
    (
        used(COMMITMENT, "commitment:AI_AGENT", 99_999_999, 100_000_000, used_percent=90),
        "99 % of the AI agent commitment is used: 100.00 USD of 100.00 USD.",
    ),
    (
        used(ALLOWANCE, "allowance:CALLING", 0, used_percent=80, spent_quantity=24_000, committed_quantity=30_000),
        "The calling allowance is 80 % used: 400 of 500 minutes.",
    ),
    (
        used(ALLOWANCE, "allowance:CALLING", 0, used_percent=80, spent_quantity=26, committed_quantity=30),
        "The calling allowance is 86 % used: 0.4 of 0.5 minutes.",
    ),
    (
        used(ALLOWANCE, "allowance:SPEECH_IVR", 0, used_percent=100, spent_quantity=1500, committed_quantity=1500),
        "The speech IVR allowance is 100 % used: 1,500 of 1,500 sessions.",
    ),
    (
        used(LOW, "universal", 3_200_000, 5_000_000),
        "Universal credits are low: 3.20 USD, below 5.00 USD, and auto-recharge is off.",
    ),
    (
        used(LOW, "universal", 4_999_999, 5_000_000),
        "Universal credits are low: 4.999999 USD, below 5.00 USD, and auto-recharge is off.",
    ),
]


@pytest.mark.parametrize(("alert", "message"), OTHERS, ids=[message for _, message in OTHERS])
def test_the_others(alert: Alert, message: str) -> None:
    assert message_of(alert, USD) == message


def test_percentages_have_one_decimal_half_up() -> None:
    assert rise_tenths(1_310, 810) == 617
    assert rise_tenths(100, 0) is rise_tenths(100, -1) is None
    assert share_tenths(Cause(Dimension.REGION, "IN", 640, 40), 500) == 1_200
