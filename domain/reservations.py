"""What holds keep of an office's funds (R27, R28): available, reserve, give back.

A reservation moves no money and posts nothing. Whatever the sequence, what is reserved of a source is the sum of what
the active holds keep of it.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from domain.catalogue import COMMITMENT_OF, Service, UsageType
from domain.funds import AllowanceCycle, Cycle
from domain.holds import Hold, HoldState
from domain.ledger import Books
from domain.money import Micros
from domain.periods import YearMonth
from domain.rates import PER_SECOND, Increment, Priced, billed_seconds, connection_fee, usage_price
from domain.waterfall import Coverage, Payment, allocate

_NOTHING = Payment(0, 0, 0, 0)


class Available(NamedTuple):
    """What is neither spent nor held, of the sources that pay for a usage, in spending order."""

    quantity: int
    """Of the allowance, in the service's unit; 0 where it does not cover the usage type."""
    commitment_micros: Micros
    universal_micros: Micros
    """Below zero when more is held than is left, or nothing is left."""


class Grant(NamedTuple):
    quantity: int
    """Whole increments, in the service's unit."""
    payment: Payment


def coverage_of(price: Micros, usage_type: UsageType, allowance: AllowanceCycle | None) -> tuple[Coverage, int]:
    """Whether an allowance covers a usage of this price, and the units left of it for that (R25)."""
    if price == 0:
        return Coverage.FREE, 0
    if allowance is None or allowance.committed_quantity == 0:
        return Coverage.NO_ALLOWANCE, 0
    if usage_type not in allowance.usage_types:
        return Coverage.NOT_COVERED, 0
    left = allowance.left_quantity
    return (Coverage.COVERED, left) if left else (Coverage.USED_UP, 0)


def available_for(
    books: Books, cycle: Cycle, service: Service, usage_type: UsageType, *, besides: Hold | None = None
) -> Available:
    """What usage of a cycle that has not happened yet may be granted; what `besides` keeps counts as free."""
    funds, own = books.funds, besides.payment if besides else _NOTHING
    allowance = funds.allowance_cycles.get((cycle.month, service))
    quantity = 0
    if allowance is not None and usage_type in allowance.usage_types:
        is_same = besides is not None and besides.month == cycle.month
        reserved = allowance.reserved_quantity - (own.plan_quantity if is_same else 0)
        quantity = max(0, allowance.left_quantity - reserved)
    commitment = funds.commitment_for(service, cycle)
    micros = 0
    if commitment is not None:
        held = sum(terms.reserved_micros for terms in funds.commitments if terms.wallet_id == commitment.wallet_id)
        micros = max(0, commitment.left_micros - held + own.commitment_micros)
    universal = funds.universal_micros - funds.universal_reserved_micros + own.universal_micros
    return Available(quantity, micros, universal)


def payment_from(priced: Priced, quantity: int, funds: Available) -> Payment | None:
    """What a quantity would take from each source; None when they do not pay for it.

    A universal balance below zero does not make a commitment unusable (R26), and what has no price needs no funds.
    """
    payment = allocate(
        quantity=quantity,
        price=usage_price(quantity, priced),
        fee=connection_fee(quantity, priced),
        allowance_left=funds.quantity,
        commitment_left=funds.commitment_micros,
    )
    return payment if payment.universal_micros <= max(0, funds.universal_micros) else None


def first_block(priced: Priced) -> int:
    """The least that is ever granted, in the service's unit."""
    return _steps(priced).first_seconds


def whole_increments(priced: Priced, quantity: int) -> int:
    """As the quantity would be billed."""
    return billed_seconds(quantity, priced.increment) if priced.service is Service.CALLING else quantity


def largest_grant(priced: Priced, most: int, funds: Available) -> Grant | None:
    """The most whole increments up to `most` that the funds pay for; None when they do not pay for the first block.

    What wallets have to pay never falls as the quantity rises, so the border is found by halving.
    """
    first, following = _steps(priced)
    payment = payment_from(priced, first, funds)
    if payment is None:
        return None
    best, too_many = Grant(first, payment), max(0, most - first) // following + 1
    count = 0
    while too_many - count > 1:
        middle = (count + too_many) // 2
        quantity = first + middle * following
        payment = payment_from(priced, quantity, funds)
        if payment is None:
            too_many = middle
        else:
            count, best = middle, Grant(quantity, payment)
    return best


def _steps(priced: Priced) -> Increment:
    """Only calls are billed in blocks; everything else in whole units (R14)."""
    return priced.increment if priced.service is Service.CALLING else PER_SECOND


def keep(books: Books, hold: Hold) -> None:
    """A new hold begins. Its expiry is due like the end of a cycle."""
    _reserve(books, hold, 1)
    books.new_holds.append(hold)
    _be_there_by(books, hold.expires_at)


def change(books: Books, hold: Hold, *, grant: Grant | None, month: YearMonth, expires_at: datetime) -> None:
    """An active hold keeps more, or longer; a grant of None: as much as before."""
    if grant is not None:
        _reserve(books, hold, -1)
        hold.granted_quantity, hold.payment, hold.month = grant.quantity, grant.payment, month
        _reserve(books, hold, 1)
    hold.expires_at = expires_at
    books.changed_holds[hold.id] = hold
    _be_there_by(books, expires_at)


def capture(books: Books, hold: Hold, charge_id: UUID) -> None:
    """Its usage is charged: whatever that cost, nothing is held for it any longer."""
    hold.charge_id = charge_id
    _resolve(books, hold, HoldState.CAPTURED, books.now)


def let_go(books: Books, hold: Hold) -> None:
    """Its usage will not happen, or not be authorized."""
    _resolve(books, hold, HoldState.RELEASED, books.now)


def expire_due(books: Books) -> None:
    """The moment of expiry is the hold's own, whenever somebody came to look."""
    for hold in books.funds.due_holds:
        _resolve(books, hold, HoldState.EXPIRED, hold.expires_at)
    books.funds.due_holds.clear()


def _resolve(books: Books, hold: Hold, state: HoldState, moment: datetime) -> None:
    """`renew_due_at` may stay too early: whoever comes then finds nothing due, and sets it right."""
    _reserve(books, hold, -1)
    hold.state, hold.resolved_at = state, moment
    books.changed_holds[hold.id] = hold


def _reserve(books: Books, hold: Hold, sign: int) -> None:
    funds, payment = books.funds, hold.payment
    if payment.plan_quantity:
        funds.allowance_cycles[hold.month, hold.service].reserved_quantity += sign * payment.plan_quantity
    if payment.commitment_micros:
        kind = COMMITMENT_OF[hold.service]
        terms = next(terms for terms in funds.commitments if terms.kind is kind)
        terms.reserved_micros += sign * payment.commitment_micros
    funds.universal_reserved_micros += sign * payment.universal_micros


def _be_there_by(books: Books, moment: datetime) -> None:
    funds = books.funds
    funds.next_hold_ends_at = min(moment, funds.next_hold_ends_at or moment)
    funds.renew_due_at = min(moment, funds.renew_due_at)
