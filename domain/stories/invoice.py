"""Invoices are paid: what an office owes for credits it got at once is cleared (R31)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act
from domain.errors import InvalidInput, NotFound
from domain.idempotency import check_key, check_same
from domain.ledger import Books
from domain.money import Micros, money_text
from domain.ports import Door
from domain.provisioning import PaymentTerms
from domain.refund_work import RefundWork
from domain.refunds import post_payment, returned_so_far
from domain.renewal import renew
from domain.stories.recharge import judge_recharge
from domain.top_ups import TopUp, TopUpState
from domain.works import UsedKey

SETTLE_INVOICE = "settleInvoice"


class InvoicesPaid(NamedTuple):
    top_up_ids: tuple[UUID, ...]
    total_micros: int
    is_replayed: bool


async def settle_invoice(
    door: Door, viewer: Viewer, office_id: UUID, *, top_up_ids: tuple[UUID, ...] | None, key: str, now: datetime
) -> InvoicesPaid:
    """The office paid: the top-ups named, or all that are owed, no longer count against its limit. Idempotent by key.

    Those that were paid before are left out. Raises NotPermitted, NotFound, InvalidInput, IdempotencyConflict.
    """
    viewer.require(Permission.SETTLE_INVOICES)
    check_key(key)
    scope = Scope.of(viewer)
    if not scope.covers(office_id):
        raise NotFound("There is no such office.", field=("officeId",))
    return await door.again(partial(_settle_invoice, door, viewer, office_id, top_up_ids, key, now))


async def _settle_invoice(
    door: Door, viewer: Viewer, office_id: UUID, top_up_ids: tuple[UUID, ...] | None, key: str, now: datetime
) -> InvoicesPaid:
    facts = {
        "officeId": office_id.hex,
        "topUpIds": "all" if top_up_ids is None else " ".join(sorted(one.hex for one in set(top_up_ids))),
    }
    async with door.begin(Scope.of(viewer).company, now) as work:
        books = await work.lock_books(office_id)
        used = await work.used_key(key)
        if used is not None:
            check_same(used, SETTLE_INVOICE, facts)
            return _paid_before(used)
        renew(books)
        owed = await work.owed_top_ups(office_id)
        if top_up_ids is not None:
            await _check_invoiced(work, office_id, top_up_ids)
            owed = [top_up for top_up in owed if top_up.id in top_up_ids]
        total = await _pay(work, books, owed, viewer)
        told = {"paid": " ".join(top_up.id.hex for top_up in owed), "total": str(total)}
        await work.save_key(key, UsedKey(SETTLE_INVOICE, facts | told, office_id))
    return InvoicesPaid(tuple(top_up.id for top_up in owed), total, is_replayed=False)


def _paid_before(used: UsedKey) -> InvoicesPaid:
    ids = tuple(UUID(text) for text in used.facts["paid"].split())
    return InvoicesPaid(ids, int(used.facts["total"]), is_replayed=True)


async def _check_invoiced(work: RefundWork, office_id: UUID, top_up_ids: tuple[UUID, ...]) -> None:
    """Raises NotFound, InvalidInput for one that stands on no invoice."""
    for at, top_up_id in enumerate(top_up_ids):
        top_up = await work.find_top_up(top_up_id)
        if top_up is None or top_up.office_id != office_id:
            raise NotFound("This office has no such top-up.", field=("topUpIds", at))
        if top_up.payment_terms is not PaymentTerms.INVOICE or top_up.state is not TopUpState.SETTLED:
            raise InvalidInput("This top-up stands on no invoice.", field=("topUpIds", at))


async def _pay(work: RefundWork, books: Books, owed: Sequence[TopUp], viewer: Viewer) -> Micros:
    """What was paid. The limit is free again: a recharge it stopped is judged once more (R33)."""
    refunds = await work.refunds_of([top_up.id for top_up in owed])
    total = 0
    for top_up in owed:
        returned = returned_so_far(refund for refund in refunds if refund.top_up_id == top_up.id)
        total += post_payment(books, top_up, returned, author=viewer.name)
    await work.mark_paid([replace(top_up, paid_at=books.now) for top_up in owed])
    if owed:
        office = books.funds.office
        change, office_id = Change("paid", None, money_text(total, office.currency)), office.id
        target = (TargetKind.OFFICE, office_id)
        await work.save_activity(act(viewer, SETTLE_INVOICE, change, office_id=office_id, target=target))
        await judge_recharge(work, books)
    await work.save_books(books)
    return total
