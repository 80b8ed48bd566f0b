"""Whether an office is recharged now, and with how much (R33–R35): decided under the lock, on the books as they end up.

An intent is a pending top-up written with what caused it; the worker collects the money afterwards. An obstacle is a
skipped top-up, written when it is another one than the last time.
"""

from dataclasses import replace
from datetime import timedelta

from domain.auto_recharge import (
    MAX_ATTEMPTS_A_DAY,
    RECHARGER,
    RechargeFacts,
    card_trouble,
    multiples_left,
    multiples_owable,
    note_success,
)
from domain.ledger import Books
from domain.money import Micros
from domain.periods import first_instant, local_day
from domain.provisioning import PaymentTerms
from domain.purchases import post_top_up
from domain.top_up_news import tell_skipped
from domain.top_ups import Billing, TopUp, TopUpOrigin, TopUpReason, TopUpState, tax_of


def is_low(books: Books, available_micros: Micros | None = None) -> bool:
    """Strictly below the threshold (R33): the balance, or what is available of it when that is what was asked for.

    A suspended office is not: it may not use what it would pay for.
    """
    recharge, is_suspended = books.funds.recharge, books.funds.office.is_suspended
    return recharge.is_enabled and not is_suspended and _left(books, available_micros) < recharge.threshold_micros


def judge(books: Books, billing: Billing, facts: RechargeFacts, available_micros: Micros | None = None) -> TopUp | None:
    """The recharge that has to be made now, if any; it or a skip is added to `books.new_top_ups`.

    The books must be renewed up to `books.now`: the cap is the current cycle's. An invoiced office's is settled at
    once, and one charge closes the gap or is cut, to the cap and to what may be owed: judging again in the same
    transaction would bring no second one.
    """
    recharge = books.funds.recharge
    if not is_low(books, available_micros):
        return None
    gap = recharge.threshold_micros - _left(books, available_micros)
    wanted = max(1, -(-gap // recharge.amount_micros))
    within_cap = min(wanted, multiples_left(recharge, facts.spent_of_cap_micros))
    count = multiples_owable(recharge, billing, within_cap)
    obstacle = _obstacle(books, billing, facts, fits_cap=within_cap > 0, fits_limit=count > 0)
    if obstacle is not None:
        _skip(books, _draft(books, billing, wanted), obstacle)
        return None
    recharge.skip_reason = recharge.judge_at = None
    top_up = _draft(books, billing, count)
    if billing.payment_terms is PaymentTerms.INVOICE:
        top_up = _put_on_invoice(books, top_up)
    books.new_top_ups.append(top_up)
    return top_up


def _left(books: Books, available_micros: Micros | None) -> Micros:
    return books.funds.universal_micros if available_micros is None else available_micros


def _draft(books: Books, billing: Billing, count: int) -> TopUp:
    """A recharge of so many amounts, to be collected by the worker."""
    office, card = books.funds.office, billing.card
    credits_micros = count * books.funds.recharge.amount_micros
    is_by_card = billing.payment_terms is PaymentTerms.CARD
    return TopUp(
        id=books.new_id(),
        company_id=office.company_id,
        office_id=office.id,
        origin=TopUpOrigin.AUTO_RECHARGE,
        state=TopUpState.PENDING,
        payment_terms=billing.payment_terms,
        credits_micros=credits_micros,
        tax_micros=tax_of(credits_micros, billing.tax_rate_micros, billing.currency),
        month=books.funds.current.month,
        requested_by=RECHARGER,
        created_at=books.now,
        payment_method_id=card.id if card and is_by_card else None,
        processor=card.processor if card and is_by_card else None,
        due_at=books.now,
    )


def _obstacle(
    books: Books, billing: Billing, facts: RechargeFacts, *, fits_cap: bool, fits_limit: bool
) -> TopUpReason | None:
    """What stands in the way, the first in this order; and when to judge again where time alone removes it."""
    recharge, now, zone = books.funds.recharge, books.now, books.funds.office.terms.time_zone
    today = local_day(now, zone)
    if facts.is_in_flight:
        return TopUpReason.ALREADY_IN_FLIGHT
    if recharge.retry_at is not None and now < recharge.retry_at:
        recharge.judge_at = recharge.retry_at
        return TopUpReason.BACKING_OFF
    trouble = card_trouble(billing.payment_terms, billing.card, today.year * 100 + today.month)
    if trouble is not None:
        return trouble
    if facts.attempts_today_count >= MAX_ATTEMPTS_A_DAY:
        recharge.judge_at = first_instant(today + timedelta(days=1), zone)
        return TopUpReason.DAILY_CAP
    if not fits_cap:
        recharge.judge_at = books.funds.current.ends_at
        return TopUpReason.CYCLE_CAP
    return None if fits_limit else TopUpReason.INVOICE_LIMIT


def _skip(books: Books, wanted: TopUp, reason: TopUpReason) -> None:
    """A skip says what was wanted. The same obstacle met again is not told again (R35)."""
    recharge = books.funds.recharge
    if reason is not recharge.skip_reason:
        recharge.skip_reason = reason
        skipped = replace(wanted, state=TopUpState.SKIPPED, reason=reason, due_at=None)
        books.new_top_ups.append(skipped)
        tell_skipped(books, skipped)


def _put_on_invoice(books: Books, top_up: TopUp) -> TopUp:
    """An invoiced office has its credits at once, and owes them (R31)."""
    note_success(books.funds.recharge)
    post_top_up(books, top_up)
    return replace(top_up, state=TopUpState.SETTLED, settled_at=books.now, due_at=None)
