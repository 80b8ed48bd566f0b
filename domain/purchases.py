"""What a purchase of universal credits comes to, what stops it, and what it posts (R3, R30, R31). Pure rules."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from domain.auto_recharge import card_trouble
from domain.errors import (
    AboveMaximum,
    BelowMinimum,
    FareboxError,
    InvalidInput,
    LimitReached,
    NoPaymentMethod,
    WrongCurrency,
)
from domain.ledger import CARD, RECEIVABLE, TAX, Books, Details
from domain.money import Amount, Micros, minor_unit_micros, money_text
from domain.periods import local_day
from domain.provisioning import PaymentTerms
from domain.top_up_news import tell_settled
from domain.top_ups import Billing, TopUp, TopUpOrigin, TopUpReason, TopUpState, tax_of

LEASE = timedelta(seconds=60)
"""So long whoever works on a top-up is left alone; after that he is taken for dead and another takes it up."""
NOTES = {
    TopUpOrigin.PURCHASE: "Universal credits bought.",
    TopUpOrigin.AUTO_RECHARGE: "Universal credits by auto-recharge.",
}


class Buyer(NamedTuple):
    """An office that is about to buy."""

    billing: Billing
    universal_micros: Micros
    today: date
    """In the office's zone."""


class Price(NamedTuple):
    credits_micros: Micros
    tax_micros: Micros

    @property
    def total_micros(self) -> Micros:
        return self.credits_micros + self.tax_micros


def price_of(billing: Billing, credits_micros: Micros) -> Price:
    """Net and tax: the card or the receivable pays both, the wallet gets the net (R30)."""
    return Price(credits_micros, tax_of(credits_micros, billing.tax_rate_micros, billing.currency))


def problems(buyer: Buyer, credits: Amount) -> Iterator[FareboxError]:
    """Whatever stops the purchase, the first being what to say when only one thing can be said.

    WrongCurrency, InvalidInput, BelowMinimum, AboveMaximum, LimitReached, NoPaymentMethod.
    """
    billing, field = buyer.billing, ("credits",)
    if credits.currency != billing.currency:
        yield WrongCurrency(f"Credits are bought in {billing.currency} here, not in {credits.currency}.", field=field)
        return
    if credits.micros % minor_unit_micros(billing.currency):
        smallest = money_text(minor_unit_micros(billing.currency), billing.currency)
        yield InvalidInput(f"Credits are bought in whole steps of {smallest}.", field=field)
    yield from _out_of_bounds(billing, credits.micros)
    trouble = card_trouble(billing.payment_terms, billing.card, buyer.today.year * 100 + buyer.today.month)
    if trouble is TopUpReason.NO_PAYMENT_METHOD:
        yield NoPaymentMethod("This office has no saved card: save one first.", reason=trouble)
    elif trouble is not None:
        yield NoPaymentMethod("The saved card of this office has expired: save another one.", reason=trouble)
    yield from _too_much_owed(billing, price_of(billing, credits.micros).total_micros)


def _out_of_bounds(billing: Billing, credits: Micros) -> Iterator[FareboxError]:
    currency, field = billing.currency, ("credits",)
    least, most = billing.minimum_micros, billing.maximum_micros
    left = max(0, billing.daily_micros - billing.bought_today_micros)
    if credits < max(least, 1):
        text = f"One purchase is {money_text(least, currency)} at least."
        yield BelowMinimum(text, currency=currency, field=field, minimum_micros=least, maximum_micros=most)
    if credits > most:
        text = f"One purchase is {money_text(most, currency)} at most."
        yield AboveMaximum(text, currency=currency, field=field, minimum_micros=least, maximum_micros=most)
    if credits > left:
        text = f"This office may buy {money_text(left, currency)} more today."
        yield LimitReached(
            text, currency=currency, field=field, maximum_micros=billing.daily_micros, remaining_micros=left
        )


def _too_much_owed(billing: Billing, total: Micros) -> Iterator[FareboxError]:
    if billing.payment_terms is not PaymentTerms.INVOICE:
        return
    limit = billing.invoice_limit_micros
    if billing.owed_micros + total > limit:
        left = max(0, limit - billing.owed_micros)
        text = (
            f"With tax this comes to {money_text(total, billing.currency)}, and until its invoices are paid this office"
            f" may owe {money_text(left, billing.currency)} more."
        )
        yield LimitReached(
            text, currency=billing.currency, field=("credits",), maximum_micros=limit, remaining_micros=left
        )


def buyer_of(books: Books, billing: Billing) -> Buyer:
    funds = books.funds
    return Buyer(billing, funds.universal_micros, local_day(books.now, funds.office.terms.time_zone))


def begin_purchase(books: Books, billing: Billing, price: Price, *, requested_by: str, return_url: str | None) -> TopUp:
    """A new top-up among `books.new_top_ups`. By invoice the credits are there at once (R31); by card it is pending,
    and whoever began it has a lease to collect the money."""
    is_invoice = billing.payment_terms is PaymentTerms.INVOICE
    card = None if is_invoice else billing.card
    top_up = TopUp(
        id=books.new_id(),
        company_id=books.funds.office.company_id,
        office_id=books.funds.office.id,
        origin=TopUpOrigin.PURCHASE,
        state=TopUpState.SETTLED if is_invoice else TopUpState.PENDING,
        payment_terms=billing.payment_terms,
        credits_micros=price.credits_micros,
        tax_micros=price.tax_micros,
        month=books.funds.current.month,
        requested_by=requested_by,
        created_at=books.now,
        payment_method_id=card.id if card else None,
        processor=card.processor if card else None,
        return_url=return_url if card else None,
        settled_at=books.now if is_invoice else None,
        due_at=None if is_invoice else books.now + LEASE,
    )
    books.new_top_ups.append(top_up)
    if is_invoice:
        post_top_up(books, top_up)
    return top_up


def post_top_up(books: Books, top_up: TopUp) -> None:
    """Of one that settles: the card or the receivable pays gross, the wallet gets net, `tax` the rest (R30).

    It is news.
    """
    source = CARD if top_up.payment_terms is PaymentTerms.CARD else RECEIVABLE
    details = Details(top_up_id=top_up.id, note=NOTES[top_up.origin])
    books.into_universal(top_up.credits_micros, source, details)
    books.move(top_up.tax_micros, source, TAX, details)
    tell_settled(books, top_up)
