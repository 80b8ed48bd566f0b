"""One top-up of which something goes back, under its office's lock: opened, changed, saved, told in the audit trail."""

from collections.abc import Sequence
from typing import NamedTuple

from domain.access import Viewer
from domain.activity import Change, TargetKind, act
from domain.ledger import Books
from domain.money import Currency, Micros, money_text
from domain.purchases import LEASE
from domain.refund_work import RefundWork
from domain.refunds import (
    Part,
    Refund,
    RefundKind,
    RefundState,
    failed,
    post_change,
    put_back,
    rebooked,
    returned_so_far,
)
from domain.renewal import renew
from domain.top_ups import TopUp

REFUND = "refundTopUp"
DISPUTE = "disputeTopUp"


class Case(NamedTuple):
    """A top-up, everything that was ever returned of it, and the books of its office."""

    books: Books
    top_up: TopUp
    refunds: Sequence[Refund]
    currency: Currency

    @property
    def returned(self) -> Part:
        return returned_so_far(self.refunds)


class Told(NamedTuple):
    """A refund and its top-up as one transaction left them."""

    refund: Refund
    top_up: TopUp
    currency: Currency
    is_replayed: bool = False


async def open_case(work: RefundWork, found: TopUp) -> Case:
    """Locks the office and reads again: what was found before the lock may have moved."""
    books = await work.lock_books(found.office_id)
    renew(books)
    top_up = await work.find_top_up(found.id) or found
    return Case(books, top_up, await work.refunds_of([found.id]), books.funds.office.currency)


def new_refund(case: Case, kind: RefundKind, part: Part, *, told: Micros, reason: str, author: str) -> Refund:
    """Pending; one that was asked for here has a lease for whoever asks the processor. `part`: what is posted of it."""
    top_up, now = case.top_up, case.books.now
    return Refund(
        id=case.books.new_id(),
        company_id=top_up.company_id,
        office_id=top_up.office_id,
        top_up_id=top_up.id,
        kind=kind,
        state=RefundState.PENDING,
        credits_micros=part.credits_micros,
        tax_micros=part.tax_micros,
        told_micros=told,
        reason=reason,
        author=author,
        created_at=now,
        due_at=now + LEASE if kind is RefundKind.REFUND else None,
    )


async def save_case(
    work: RefundWork, case: Case, refund: Refund, *, before: RefundState | None, viewer: Viewer | None = None
) -> Told:
    """The refund, its top-up and the books, and the other parts that are booked now of what others took (R30).

    What does not change how much is returned is no act of anybody's.
    """
    known = {one.id: one for one in case.refunds} | {refund.id: refund}
    changed = {one.id: one for one in rebooked(case.top_up, known.values(), case.currency)}
    for one in changed.values():
        post_change(case.books, case.top_up, known[one.id], one)
    refund = changed.pop(refund.id, refund)
    await work.save_refund(case.books, refund, before=before, rebooked=tuple(changed.values()))
    top_up = await work.find_top_up(refund.top_up_id) or case.top_up
    was, is_now = (money_text(one.refunded_micros, case.currency) for one in (case.top_up, top_up))
    if was != is_now:
        action = DISPUTE if refund.kind is RefundKind.DISPUTE else REFUND
        changes = Change("refunded", was, is_now), Change("reason", None, refund.reason)
        target = (TargetKind.TOP_UP, top_up.id)
        await work.save_activity(act(viewer, action, *changes, office_id=top_up.office_id, target=target))
    return Told(refund, top_up, case.currency)


async def fail_refund(work: RefundWork, case: Case, refund: Refund, processor_refund_id: str | None = None) -> Told:
    """The money did not go back, or came again: so do the credits."""
    told = "Returned by the bank" if refund.kind is RefundKind.DISPUTE else "Not refunded"
    put_back(case.books, case.top_up, refund.part, note=f"{told}: {refund.reason}", author=refund.author)
    return await save_case(work, case, failed(refund, processor_refund_id), before=refund.state)
