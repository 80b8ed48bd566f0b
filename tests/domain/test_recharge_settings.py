"""What may be set of auto-recharge, what is refused and how it is told, and what a change forgets (R33–R35)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.auto_recharge import AutoRecharge, note_decline
from domain.errors import (
    AboveMaximum,
    BelowMinimum,
    FareboxError,
    InvalidInput,
    OutOfBounds,
    TooHigh,
    TooLow,
    WrongCurrency,
)
from domain.money import Amount, Currency, parse_micros
from domain.recharge_settings import RechargeSettings, change_settings, check_settings
from domain.top_ups import TopUpReason
from tests.domain.test_auto_recharge import BILLING, NOW

NOTHING = RechargeSettings(None, None, None, None)


def usd(text: str, currency: str = "USD") -> Amount:
    return Amount(parse_micros(text), currency)


def settings(text: str) -> RechargeSettings:
    """`on, threshold 5, amount 20 EUR`."""
    found = NOTHING
    for part in text.split(", "):
        match part.split():
            case [word]:
                found = found._replace(is_enabled=word == "on")
            case [name, amount, *currency]:
                field = {"threshold": "threshold", "amount": "amount", "cap": "cycle_cap"}[name]
                found = found._replace(**{field: usd(amount, *currency)})
    return found


REFUSALS: list[tuple[str, type[FareboxError], str]] = [
    ("threshold 5 EUR", WrongCurrency, "threshold"),
    ("amount 20 EUR", WrongCurrency, "amount"),
    ("cap 20 EUR", WrongCurrency, "cycleCap"),
    ("threshold -0.000001", TooLow, "threshold"),
    ("threshold 1000000.000001", TooHigh, "threshold"),
    ("amount 4.99", BelowMinimum, "amount"),
    ("amount 0", BelowMinimum, "amount"),
    ("amount -20", BelowMinimum, "amount"),
    ("amount 2000.01", AboveMaximum, "amount"),
    ("amount 20.005", InvalidInput, "amount"),
    ("cap 19.999999", TooLow, "cycleCap"),
    ("amount 20, cap 19", TooLow, "cycleCap"),
    ("cap 1000000.01", TooHigh, "cycleCap"),
]


@pytest.mark.parametrize(("text", "error", "field"), REFUSALS)
def test_what_cannot_be_set_is_refused_with_the_field_to_blame(
    text: str, error: type[FareboxError], field: str
) -> None:
    with pytest.raises(error) as caught:
        check_settings(AutoRecharge(), settings(text), BILLING)
    assert type(caught.value) is error
    assert caught.value.field == (field,)
    if isinstance(caught.value, OutOfBounds):
        assert (caught.value.minimum_micros, caught.value.maximum_micros) == (5_000_000, 2_000_000_000)


@pytest.mark.parametrize(
    "text", ["on", "off", "threshold 0", "threshold 1000000", "amount 5, cap 5", "amount 2000", "cap 1000000", "cap 20"]
)
def test_what_can_be_set(text: str) -> None:
    check_settings(AutoRecharge(), settings(text), BILLING)


def test_an_amount_above_the_cap_that_is_there_is_to_blame_itself() -> None:
    with pytest.raises(TooLow) as caught:
        check_settings(AutoRecharge(cycle_cap_micros=parse_micros("40")), settings("amount 41"), BILLING)
    assert caught.value.field == ("amount",)


def test_yen_have_no_decimals() -> None:
    billing = replace(BILLING, currency=Currency.JPY)
    check_settings(AutoRecharge(), settings("amount 100 JPY"), billing)
    with pytest.raises(InvalidInput, match="whole steps of 1 JPY"):
        check_settings(AutoRecharge(), settings("amount 100.5 JPY"), billing)


def test_an_outdated_amount_is_in_the_way_of_switching_on_but_not_off() -> None:
    outdated = AutoRecharge(is_enabled=True, amount_micros=parse_micros("3000"))
    check_settings(outdated, settings("off"), BILLING)
    with pytest.raises(AboveMaximum):
        check_settings(outdated, settings("on"), BILLING)


def declined(times: int) -> AutoRecharge:
    recharge = AutoRecharge(is_enabled=True, updated_at=NOW)
    for _ in range(times):
        note_decline(recharge, NOW)
    return recharge


def test_what_is_left_out_stays_as_it_is() -> None:
    recharge = AutoRecharge()
    change_settings(recharge, settings("amount 30"), NOW)
    assert recharge == AutoRecharge(amount_micros=parse_micros("30"), updated_at=NOW)


def test_saving_the_same_again_does_not_end_a_back_off() -> None:
    recharge = declined(2)
    before = replace(recharge)
    change_settings(recharge, settings("on, threshold 5, amount 20"), NOW + timedelta(minutes=1))
    assert recharge == before


def test_a_change_forgets_declines() -> None:
    recharge = declined(2)
    change_settings(recharge, settings("threshold 6"), NOW)
    assert (recharge.decline_count, recharge.retry_at, recharge.judge_at) == (0, None, None)


def test_what_declines_switched_off_a_person_switches_on_again() -> None:
    recharge = declined(4)
    recharge.skip_reason = TopUpReason.BACKING_OFF
    change_settings(recharge, settings("threshold 6"), NOW)
    assert recharge.is_switched_off, "nobody has answered it yet"
    change_settings(recharge, settings("on"), NOW)
    assert (recharge.is_enabled, recharge.is_switched_off, recharge.decline_count) == (True, False, 0)
    assert recharge.skip_reason is None


def test_switching_off_by_hand_what_declines_switched_off_is_an_answer_too() -> None:
    recharge = declined(4)
    change_settings(recharge, settings("off"), NOW)
    assert not recharge.is_switched_off
