"""An administrator saves a card and buys universal credits (R29–R32)."""

from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act
from domain.auto_recharge import note_new_card
from domain.cards import CardSetup, card_from, card_text, check_setup
from domain.errors import FareboxError, InvalidInput, NotFound, PaymentUnavailable, QuoteChanged, WrongCurrency
from domain.fund_work import FundWork
from domain.idempotency import check_key, check_same
from domain.money import Amount, Micros, decimal_text, money_text
from domain.payments import CardFacts, NextAction, ProcessorKind, Processors, ProcessorUnavailable
from domain.ports import Door
from domain.purchases import Buyer, Price, begin_purchase, buyer_of, price_of, problems
from domain.recharging import is_low
from domain.renewal import renew
from domain.stories.collect import collect
from domain.top_ups import Billing, Card, TopUp, TopUpReason
from domain.works import UsedKey

PURCHASE = "purchaseCredits"
SAVE_CARD = "savePaymentMethod"


class Quote(NamedTuple):
    """What a purchase would come to; nothing is promised, and `purchase_credits` compares the total."""

    office_id: UUID
    credits_micros: Micros
    tax_micros: Micros
    total_micros: Micros
    balance_after_micros: Micros
    billing: Billing
    problems: tuple[FareboxError, ...]
    """What stops the purchase, before anyone confirms."""


class Bought(NamedTuple):
    top_up: TopUp
    """As it now is: SETTLED, FAILED with a reason, REQUIRES_ACTION, or PENDING while the processor has not answered."""
    is_replayed: bool


class SetupBegun(NamedTuple):
    setup_id: UUID
    processor: ProcessorKind
    next_action: NextAction
    expires_at: datetime


async def quote_purchase(door: Door, viewer: Viewer, office_id: UUID, credits: Amount, *, now: datetime) -> Quote:
    """Raises NotPermitted, NotFound. Whatever else would stop the purchase is told in `problems`."""
    scope = _scope_of(viewer, office_id)
    buyer = await door.find_buyer(scope.company, office_id, now)
    price = price_of(buyer.billing, credits.micros)
    return Quote(
        office_id=office_id,
        credits_micros=price.credits_micros,
        tax_micros=price.tax_micros,
        total_micros=price.total_micros,
        balance_after_micros=buyer.universal_micros + price.credits_micros,
        billing=buyer.billing,
        problems=tuple(problems(buyer, credits)),
    )


async def purchase_credits(
    door: Door,
    processors: Processors,
    viewer: Viewer,
    office_id: UUID,
    *,
    credits: Amount,
    expected_total: Amount,
    key: str,
    return_url: str | None,
    now: datetime,
) -> Bought:
    """Buy universal credits. Idempotent by key (R32): the same key and facts answer the top-up as it now is.

    Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, BelowMinimum, AboveMaximum, LimitReached, QuoteChanged,
    NoPaymentMethod, IdempotencyConflict: then there is no top-up. A decline is a top-up that FAILED.
    """
    _scope_of(viewer, office_id)
    check_key(key)
    request = _Request(office_id, credits, expected_total, key, return_url)
    bought = await door.again(partial(_purchase, door, viewer, request, now))
    if bought.is_replayed:
        return bought
    return Bought(await collect(door, processors, bought.top_up, now=now), is_replayed=False)


class _Request(NamedTuple):
    office_id: UUID
    credits: Amount
    expected_total: Amount
    key: str
    return_url: str | None

    @property
    def facts(self) -> dict[str, str]:
        """What makes it the same request. Where the cardholder is sent back to is none of it."""
        return {
            "officeId": self.office_id.hex,
            "credits": f"{decimal_text(self.credits.micros)} {self.credits.currency}",
            "expectedTotal": f"{decimal_text(self.expected_total.micros)} {self.expected_total.currency}",
        }


async def _purchase(door: Door, viewer: Viewer, request: _Request, now: datetime) -> Bought:
    """The intent, in one transaction; an invoiced office has its credits with it."""
    async with door.begin(Scope.of(viewer).company, now) as work:
        books = await work.lock_books(request.office_id)
        used = await work.used_key(request.key)
        if used is not None:
            return await _bought_before(work, used, request)
        renew(books)
        billing = await work.billing(books)
        price = _agreed_price(buyer_of(books, billing), request)
        top_up = begin_purchase(books, billing, price, requested_by=viewer.name, return_url=request.return_url)
        if top_up.settled_at is not None and is_low(books):
            # What it owes now is known when this is saved: the worker judges then, at once (R33).
            books.funds.recharge.judge_at = now
        await work.save_books(books)
        await work.save_key(request.key, UsedKey(PURCHASE, request.facts, top_up.id))
        await _note_purchase(work, viewer, billing, top_up)
    return Bought(top_up, is_replayed=False)


async def _bought_before(work: FundWork, used: UsedKey, request: _Request) -> Bought:
    check_same(used, PURCHASE, request.facts)
    top_up = await work.find_top_up(used.result_id)
    if top_up is None:
        raise NotFound("There is no such purchase any more.", field=("idempotencyKey",))
    return Bought(top_up, is_replayed=True)


def _agreed_price(buyer: Buyer, request: _Request) -> Price:
    for problem in problems(buyer, request.credits):
        raise problem
    price, currency = price_of(buyer.billing, request.credits.micros), buyer.billing.currency
    expected = request.expected_total
    if expected.currency != currency:
        text = f"Credits are paid in {currency} here, not in {expected.currency}."
        raise WrongCurrency(text, field=("expectedTotal",))
    if expected.micros != price.total_micros:
        text = f"The total is {money_text(price.total_micros, currency)} now: ask for a quote and confirm that."
        raise QuoteChanged(text, field=("expectedTotal",))
    return price


async def _note_purchase(work: FundWork, viewer: Viewer, billing: Billing, top_up: TopUp) -> None:
    figures = {"credits": top_up.credits_micros, "tax": top_up.tax_micros, "total": top_up.total_micros}
    changes = [Change(name, None, money_text(micros, billing.currency)) for name, micros in figures.items()]
    target = (TargetKind.TOP_UP, top_up.id)
    await work.save_activity(act(viewer, PURCHASE, *changes, office_id=top_up.office_id, target=target))


async def complete_purchase(
    door: Door, processors: Processors, viewer: Viewer, top_up_id: UUID, *, now: datetime
) -> TopUp:
    """After the cardholder confirmed, or to look once more: asks the processor, and settles what it says.

    Raises NotPermitted, NotFound.
    """
    viewer.require(Permission.PURCHASE_CREDITS)
    scope = Scope.of(viewer)
    top_up = await door.find_top_up(scope.company, top_up_id)
    if top_up is None or not scope.covers(top_up.office_id):
        raise NotFound("There is no such top-up.", field=("topUpId",))
    return await collect(door, processors, top_up, now=now)


async def start_card_setup(
    door: Door, processors: Processors, viewer: Viewer, office_id: UUID, *, return_url: str | None, now: datetime
) -> SetupBegun:
    """Raises NotPermitted, NotFound, PaymentUnavailable."""
    scope = _scope_of(viewer, office_id)
    processor, setup_id = processors.default, door.new_id()
    holder = await door.find_cardholder(scope.company, office_id, processor.kind)
    try:
        begun = await processor.start_setup(
            scope.company, setup_id, holder.customer_id, f"Card of {holder.office_name}", return_url
        )
    except ProcessorUnavailable as error:
        raise _unavailable() from error
    setup = CardSetup(
        id=setup_id,
        office_id=office_id,
        processor=processor.kind,
        customer_id=begun.customer_id,
        processor_setup_id=begun.setup_id,
        created_at=now,
    )
    await door.again(partial(_save_setup, door, scope, setup, now))
    return SetupBegun(setup_id, processor.kind, begun.next_action, setup.expires_at)


async def _save_setup(door: Door, scope: Scope, setup: CardSetup, now: datetime) -> None:
    async with door.begin(scope.company, now) as work:
        await work.save_setup(setup)


async def save_card(
    door: Door, processors: Processors, viewer: Viewer, office_id: UUID, setup_id: UUID, *, now: datetime
) -> Card:
    """The card entered at the processor becomes the office's; saving it again changes nothing.

    Raises NotPermitted, NotFound, InvalidInput while the cardholder has not finished, PaymentUnavailable.
    """
    scope = _scope_of(viewer, office_id)
    async with door.begin(scope.company, now) as work:
        setup = await _find_setup(work, office_id, setup_id)
        saved = await _saved_before(work, setup)
    if saved is not None:
        return saved
    check_setup(setup, now)
    try:
        facts = await processors.of(setup.processor).finish_setup(scope.company, setup.processor_setup_id)
    except ProcessorUnavailable as error:
        raise _unavailable() from error
    if facts is None:
        raise InvalidInput("The cardholder has not finished entering the card yet.", field=("setupId",))
    return await door.again(partial(_save_card, door, viewer, setup, facts, now))


async def _save_card(door: Door, viewer: Viewer, setup: CardSetup, facts: CardFacts, now: datetime) -> Card:
    async with door.begin(Scope.of(viewer).company, now) as work:
        books = await work.lock_books(setup.office_id)
        # Asked under the lock: of two requests, the second waits here and finds the card of the first.
        saved = await _saved_before(work, await _find_setup(work, setup.office_id, setup.id))
        if saved is not None:
            return saved
        renew(books)
        before = (await work.billing(books)).card
        card = card_from(setup, facts, books.new_id())
        note_new_card(books.funds.recharge, now)
        await work.replace_card(setup, card)
        await work.save_books(books)
        change = Change("paymentMethod", card_text(before), card_text(card))
        target = (TargetKind.PAYMENT_METHOD, card.id)
        await work.save_activity(act(viewer, SAVE_CARD, change, office_id=setup.office_id, target=target))
    return card


async def _find_setup(work: FundWork, office_id: UUID, setup_id: UUID) -> CardSetup:
    setup = await work.find_setup(setup_id)
    if setup is None or setup.office_id != office_id:
        raise NotFound("There is no such card setup.", field=("setupId",))
    return setup


async def _saved_before(work: FundWork, setup: CardSetup) -> Card | None:
    return None if setup.payment_method_id is None else await work.find_card(setup.payment_method_id)


def _scope_of(viewer: Viewer, office_id: UUID) -> Scope:
    """Who may buy, and for which offices. Raises NotPermitted, NotFound."""
    viewer.require(Permission.PURCHASE_CREDITS)
    scope = Scope.of(viewer)
    if not scope.covers(office_id):
        raise NotFound("There is no such office.", field=("officeId",))
    return scope


def _unavailable() -> PaymentUnavailable:
    text = "The card processor cannot be reached: nothing was changed, try again in a moment."
    return PaymentUnavailable(text, reason=TopUpReason.PROCESSOR_UNAVAILABLE)
