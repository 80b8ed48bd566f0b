"""How much of a top-up can go back, how it is split into credits and tax, and what it posts (R30). Pure rules.

The oldest credits are spent first. So what is left of a top-up is what the wallet holds beyond everything that came in
after it. Every part is taken from the whole by what has been returned so far, so that the parts add up to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from domain.collection import PAUSES
from domain.ledger import BANK, CARD, RECEIVABLE, TAX, Books, Details
from domain.money import Currency, Micros, minor_unit_micros, minor_units, share_in_minor_units
from domain.payments import DisputeState, OutsideRefundNews, RefundOrder, RefundOutcome
from domain.provisioning import PaymentTerms
from domain.top_ups import TopUp


class RefundKind(StrEnum):
    REFUND = "REFUND"
    """Asked for here."""
    PROCESSOR = "PROCESSOR"
    """Made at the processor itself."""
    DISPUTE = "DISPUTE"
    """Taken back by the cardholder's bank."""


class RefundState(StrEnum):
    PENDING = "PENDING"
    """The credits are gone. A refund: the processor has not answered. A dispute: the bank has not decided."""
    SETTLED = "SETTLED"
    FAILED = "FAILED"
    """The credits were put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money of one top-up that went back, or is on its way. Rules make a changed one; nothing changes in place."""

    id: UUID
    company_id: UUID
    office_id: UUID
    top_up_id: UUID
    kind: RefundKind
    state: RefundState
    credits_micros: Micros
    tax_micros: Micros
    told_micros: Micros
    """What was asked for here, or others took, tax included. Less is booked when no more is left of the charge."""
    reason: str
    author: str
    created_at: datetime
    processor_refund_id: str | None = None
    """The processor's id of the refund or dispute."""
    settled_at: datetime | None = None
    due_at: datetime | None = None
    """When a worker may take it up."""
    attempt_count: int = 0

    @property
    def total_micros(self) -> Micros:
        return self.credits_micros + self.tax_micros

    @property
    def part(self) -> "Part":
        return Part(self.credits_micros, self.tax_micros)


class Part(NamedTuple):
    """Of a top-up: credits, and the tax that goes with them."""

    credits_micros: Micros
    tax_micros: Micros

    @property
    def total_micros(self) -> Micros:
        return self.credits_micros + self.tax_micros


def returned_so_far(refunds: Iterable[Refund]) -> Part:
    standing = [refund for refund in refunds if refund.state is not RefundState.FAILED]
    return Part(sum(refund.credits_micros for refund in standing), sum(refund.tax_micros for refund in standing))


def refundable_micros(
    *, left_micros: Micros, available_micros: Micros, newer_micros: Micros, currency: Currency
) -> Micros:
    """Credits of a settled top-up that could go back now: unspent, not held, and whole minor units.

    `left_micros`: its credits without what was returned. `available_micros`: the wallet's balance without what is held.
    `newer_micros`: what came in after the top-up, which is spent later than it: further top-ups without what was
    returned of them, adjustments less those taken back, and commitment money that a reversal turned into universal
    credits. Usage of universal credits that was taken back is none of it: it counts as never spent.
    """
    unspent = min(available_micros - newer_micros, left_micros)
    size = minor_unit_micros(currency)
    return max(0, unspent) // size * size


def part_of_credits(top_up: TopUp, returned: Part, credits_micros: Micros, currency: Currency) -> Part:
    """So many credits and their tax. What is returned last takes what is left of the tax."""
    so_far = returned.credits_micros + credits_micros
    tax_so_far = share_in_minor_units(top_up.tax_micros, so_far, top_up.credits_micros, currency)
    left = top_up.tax_micros - returned.tax_micros
    return Part(credits_micros, min(max(0, tax_so_far - returned.tax_micros), left))


def part_of_total(top_up: TopUp, left: Part, total_micros: Micros, currency: Currency) -> Part:
    """All that others took back, with tax, split as the top-up is; never more than what is left for them."""
    total = min(total_micros, left.total_micros)
    share = share_in_minor_units(top_up.credits_micros, total, top_up.total_micros, currency)
    credits = min(max(share, total - left.tax_micros), left.credits_micros)
    return Part(credits, total - credits)


def rebooked(top_up: TopUp, refunds: Iterable[Refund], currency: Currency) -> list[Refund]:
    """Of all refunds of a top-up, those of which another part is to be booked now, with that part.

    What was asked for here is booked whole. What others took is booked one after the other, as far as the charge goes:
    what does not fit waits, and is booked when something is put back. So what is returned altogether depends on what
    was taken, not on the order in which it was heard of.
    """
    standing = [refund for refund in refunds if refund.state is not RefundState.FAILED]
    ours = returned_so_far(refund for refund in standing if refund.kind is RefundKind.REFUND)
    left = Part(top_up.credits_micros - ours.credits_micros, top_up.tax_micros - ours.tax_micros)
    changed: list[Refund] = []
    told, booked = 0, Part(0, 0)
    for refund in sorted(standing, key=lambda one: (one.created_at, one.id)):
        if refund.kind is RefundKind.REFUND:
            continue
        told += refund.told_micros
        so_far = part_of_total(top_up, left, told, currency)
        part = Part(so_far.credits_micros - booked.credits_micros, so_far.tax_micros - booked.tax_micros)
        if part != refund.part:
            changed.append(replace(refund, credits_micros=part.credits_micros, tax_micros=part.tax_micros))
        booked = so_far
    return changed


def post_return(books: Books, top_up: TopUp, part: Part, *, note: str, author: str) -> None:
    """Credits leave the wallet, below zero if need be, and tax goes with them, to where the money came from."""
    outside, details = _outside(top_up), Details(top_up_id=top_up.id, note=note, author=author)
    books.out_of_universal(part.credits_micros, outside, details)
    books.move(part.tax_micros, TAX, outside, details)


def put_back(books: Books, top_up: TopUp, part: Part, *, note: str, author: str) -> None:
    """What was posted as returned did not go back after all, or came again."""
    outside, details = _outside(top_up), Details(top_up_id=top_up.id, note=note, author=author)
    books.into_universal(part.credits_micros, outside, details)
    books.move(part.tax_micros, outside, TAX, details)


def post_change(books: Books, top_up: TopUp, before: Refund, after: Refund) -> None:
    """Of what others took, another part is booked: the difference is returned, or put back."""
    credits, tax = after.credits_micros - before.credits_micros, after.tax_micros - before.tax_micros
    put_back(books, top_up, Part(max(0, -credits), max(0, -tax)), note=after.reason, author=after.author)
    post_return(books, top_up, Part(max(0, credits), max(0, tax)), note=after.reason, author=after.author)


def _outside(top_up: TopUp) -> str:
    """A refund lowers what is owed on an invoice; once that was paid, it is paid out from the bank."""
    if top_up.payment_terms is PaymentTerms.CARD:
        return CARD
    return BANK if top_up.paid_at else RECEIVABLE


def order_of(refund: Refund, top_up: TopUp, currency: Currency) -> RefundOrder:
    """Of a top-up that a card paid."""
    return RefundOrder(
        company_id=refund.company_id,
        refund_id=refund.id,
        payment_id=top_up.processor_payment_id or "",
        amount_minor=minor_units(refund.total_micros, currency),
        reason=refund.reason,
    )


def settled(refund: Refund, now: datetime, processor_refund_id: str | None = None) -> Refund:
    known = processor_refund_id or refund.processor_refund_id
    return replace(refund, state=RefundState.SETTLED, settled_at=now, due_at=None, processor_refund_id=known)


def failed(refund: Refund, processor_refund_id: str | None = None) -> Refund:
    known = processor_refund_id or refund.processor_refund_id
    return replace(refund, state=RefundState.FAILED, settled_at=None, due_at=None, processor_refund_id=known)


def asked_again(refund: Refund, outcome: RefundOutcome, now: datetime) -> Refund:
    """The processor does not know yet, or did not answer: somebody asks again after a pause that grows."""
    pause = PAUSES[min(refund.attempt_count, len(PAUSES) - 1)]
    known = outcome.processor_refund_id or refund.processor_refund_id
    return replace(refund, due_at=now + pause, processor_refund_id=known)


def after_dispute(refund: Refund, state: DisputeState, now: datetime) -> Refund:
    """A dispute as the news leaves it; the same when it changes nothing. News may come twice and in any order."""
    if state is DisputeState.WON and refund.state is not RefundState.FAILED:
        return failed(refund)
    if state is DisputeState.LOST and refund.state is RefundState.PENDING:
        return settled(refund, now)
    return refund


def same_refund(refunds: Iterable[Refund], news: OutsideRefundNews, currency: Currency) -> Refund | None:
    """The one that the processor tells of, if it is known.

    Of one that was asked for here and not answered yet, its id at the processor may not be written down: it is known
    by our own id where the processor kept that, or else by its amount.
    """
    made = [refund for refund in refunds if refund.kind is not RefundKind.DISPUTE]
    total = news.amount_minor * minor_unit_micros(currency)
    for refund in made:
        if refund.processor_refund_id == news.refund_id:
            return refund
    waiting = [one for one in made if one.processor_refund_id is None and one.state is not RefundState.FAILED]
    for refund in waiting:
        if refund.id == news.our_refund_id:
            return refund
    if news.our_refund_id is None:
        for refund in waiting:
            if refund.state is RefundState.PENDING and refund.total_micros == total:
                return refund
    return None


def post_payment(books: Books, top_up: TopUp, returned: Part, *, author: str) -> Micros:
    """An invoice is paid: the bank clears what is still owed of a top-up, which is answered (R31).

    One that was returned whole leaves nothing to clear.
    """
    owed = top_up.total_micros - returned.total_micros
    books.move(owed, BANK, RECEIVABLE, Details(top_up_id=top_up.id, note="Invoice paid.", author=author))
    return owed
