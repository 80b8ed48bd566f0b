"""An operator puts a wallet right, with a reason and his name (R37)."""

from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from domain.access import Permission, Scope, Viewer
from domain.activity import Change, TargetKind, act
from domain.adjustment import adjust, wallet_balance
from domain.errors import NotFound, WrongCurrency
from domain.idempotency import check_key, check_same
from domain.ledger import UNIVERSAL
from domain.money import Amount, decimal_text, money_text
from domain.ports import Door
from domain.reasons import check_reason
from domain.renewal import renew
from domain.stories.recharge import judge_recharge
from domain.works import UsedKey

ADJUST = "adjustWallet"
_NO_WALLET = "There is no such wallet."


class Adjusted(NamedTuple):
    posting_id: UUID
    is_replayed: bool


async def adjust_wallet(
    door: Door, viewer: Viewer, wallet_id: UUID, *, change: Amount, reason: str, key: str, now: datetime
) -> Adjusted:
    """Adds to a wallet or takes from it; a commitment's in its current cycle, never below zero. Idempotent by key.

    Raises NotPermitted, NotFound, InvalidInput, WrongCurrency, TooLow, TooHigh, IdempotencyConflict.
    """
    viewer.require(Permission.ADJUST_WALLETS)
    reason = check_reason(reason)
    check_key(key)
    return await door.again(partial(_adjust, door, viewer, wallet_id, change, reason=reason, key=key, now=now))


async def _adjust(
    door: Door, viewer: Viewer, wallet_id: UUID, change: Amount, *, reason: str, key: str, now: datetime
) -> Adjusted:
    if viewer.company_id is None:
        raise NotFound(_NO_WALLET, field=("walletId",))
    async with door.begin(viewer.company_id, now) as work:
        office_id = await work.find_wallet_office(wallet_id)
        if office_id is None or not Scope.of(viewer).covers(office_id):
            raise NotFound(_NO_WALLET, field=("walletId",))
        books = await work.lock_books(office_id)
        facts = _facts(wallet_id, change, reason)
        used = await work.used_key(key)
        if used is not None:
            check_same(used, ADJUST, facts)
            return Adjusted(used.result_id, is_replayed=True)
        currency = books.funds.office.currency
        if change.currency != currency:
            raise WrongCurrency(
                f"This company keeps its books in {currency}: a change in {change.currency} cannot be made.",
                field=("change", "currencyCode"),
            )
        renew(books)
        before = wallet_balance(books.funds, wallet_id)
        posting = adjust(books, wallet_id, change.micros, reason=reason, author=viewer.name)
        if UNIVERSAL in (posting.source, posting.destination):
            await judge_recharge(work, books)
        await work.save_books(books)
        await work.save_key(key, UsedKey(ADJUST, facts, posting.id))
        balance = Change("balance", money_text(before, currency), money_text(before + change.micros, currency))
        why = Change("reason", None, reason)
        target = (TargetKind.WALLET, wallet_id)
        await work.save_activity(act(viewer, ADJUST, balance, why, office_id=office_id, target=target))
    return Adjusted(posting.id, is_replayed=False)


def _facts(wallet_id: UUID, change: Amount, reason: str) -> dict[str, str]:
    return {
        "walletId": wallet_id.hex,
        "change": f"{decimal_text(change.micros)} {change.currency}",
        "reason": reason,
    }
