"""What a person may set of an office's auto-recharge, and what a change of it does."""

from datetime import datetime
from typing import NamedTuple

from domain.auto_recharge import MAX_SETTING_MICROS, AutoRecharge, forget_declines
from domain.errors import AboveMaximum, BelowMinimum, InvalidInput, TooHigh, TooLow, WrongCurrency
from domain.money import Amount, Micros, minor_unit_micros, money_text
from domain.top_ups import Billing


class RechargeSettings(NamedTuple):
    """As a caller sends them; what is None stays as it is."""

    is_enabled: bool | None
    threshold: Amount | None
    """Nothing or more."""
    amount: Amount | None
    """Of one recharge, net of tax: as one purchase may be, and whole minor units (R3)."""
    cycle_cap: Amount | None
    """Of one billing cycle, net of tax: the amount or more."""


def begin_within(recharge: AutoRecharge, billing: Billing) -> None:
    """Settings nobody touched begin with an amount that may be bought here: the default, or the bound next to it."""
    if recharge.updated_at is None:
        amount = max(recharge.amount_micros, billing.minimum_micros)
        recharge.amount_micros = min(amount, billing.maximum_micros)


def check_settings(recharge: AutoRecharge, settings: RechargeSettings, billing: Billing) -> None:
    """Raises WrongCurrency, TooLow, TooHigh, BelowMinimum, AboveMaximum, InvalidInput.

    Whoever only switches it off is not told about an amount that other limits have outdated.
    """
    named = {"threshold": settings.threshold, "amount": settings.amount, "cycleCap": settings.cycle_cap}
    for field, given in named.items():
        if given is not None and given.currency != billing.currency:
            raise WrongCurrency(f"The company's currency is {billing.currency}.", field=(field,))
    if settings.threshold is not None:
        _check_threshold(settings.threshold.micros, billing)
    is_on = recharge.is_enabled if settings.is_enabled is None else settings.is_enabled
    amount = recharge.amount_micros if settings.amount is None else settings.amount.micros
    if is_on or settings.amount is not None:
        _check_amount(amount, billing)
    if is_on or settings.amount is not None or settings.cycle_cap is not None:
        _check_cap(recharge, settings, amount, billing)


def _check_threshold(micros: Micros, billing: Billing) -> None:
    if micros < 0:
        raise TooLow("The threshold cannot be below zero.", field=("threshold",))
    if micros > MAX_SETTING_MICROS:
        most = money_text(MAX_SETTING_MICROS, billing.currency)
        raise TooHigh(f"The threshold can be {most} at most.", field=("threshold",))


def _check_amount(micros: Micros, billing: Billing) -> None:
    least, most, currency = billing.minimum_micros, billing.maximum_micros, billing.currency
    told = f"One recharge is {money_text(least, currency)} to {money_text(most, currency)}."
    if least <= micros <= most and micros > 0:
        _check_whole(micros, billing)
        return
    error = AboveMaximum if micros > most else BelowMinimum
    raise error(told, currency=currency, field=("amount",), minimum_micros=least, maximum_micros=most)


def _check_whole(micros: Micros, billing: Billing) -> None:
    smallest = minor_unit_micros(billing.currency)
    if micros % smallest:
        told = f"A card is charged in whole steps of {money_text(smallest, billing.currency)}."
        raise InvalidInput(told, field=("amount",))


def _check_cap(recharge: AutoRecharge, settings: RechargeSettings, amount: Micros, billing: Billing) -> None:
    cap = recharge.cycle_cap_micros if settings.cycle_cap is None else settings.cycle_cap.micros
    if cap is None:
        return
    if cap < amount:
        blamed = "amount" if settings.cycle_cap is None and settings.amount is not None else "cycleCap"
        raise TooLow(
            f"The cap of a billing cycle, {money_text(cap, billing.currency)}, is less than one recharge of"
            f" {money_text(amount, billing.currency)}.",
            field=(blamed,),
        )
    if cap > MAX_SETTING_MICROS:
        most = money_text(MAX_SETTING_MICROS, billing.currency)
        raise TooHigh(f"The cap of a billing cycle can be {most} at most.", field=("cycleCap",))


def change_settings(recharge: AutoRecharge, settings: RechargeSettings, now: datetime) -> None:
    """Settings that are other than before also end a back-off, and forget the declines that led to it.

    Saving the same again does not: a program that repeats itself must not have a declined card tried each time.
    """
    was_enabled = recharge.is_enabled
    before = (was_enabled, recharge.threshold_micros, recharge.amount_micros, recharge.cycle_cap_micros)
    if settings.is_enabled is not None:
        recharge.is_enabled = settings.is_enabled
    if settings.threshold is not None:
        recharge.threshold_micros = settings.threshold.micros
    if settings.amount is not None:
        recharge.amount_micros = settings.amount.micros
    if settings.cycle_cap is not None:
        recharge.cycle_cap_micros = settings.cycle_cap.micros
    after = (recharge.is_enabled, recharge.threshold_micros, recharge.amount_micros, recharge.cycle_cap_micros)
    is_answered = settings.is_enabled is not None
    if after == before and not (recharge.is_switched_off and is_answered):
        return
    recharge.updated_at = now
    if is_answered:
        recharge.is_switched_off = False
    if recharge.is_enabled and not was_enabled:
        recharge.skip_reason = None
    forget_declines(recharge)
