"""An operator puts a wallet right (R37): one posting between it and `adjustment`, with his reason and his name.

Universal credits may go below zero, as he wills it; nobody is charged by that. A commitment keeps what it has of its
current cycle, so no more can be taken than is there, held or not: a hold restricts authorizations alone (R28).
"""

from uuid import UUID

from domain.errors import InvalidInput, NotFound, TooHigh, TooLow
from domain.funds import CommitmentCycle, Funds
from domain.ledger import ADJUSTMENT, Books, Details, Posting
from domain.money import MICROS_PER_UNIT, Micros, money_text

MAX_ADJUSTMENT_MICROS = 1_000_000_000 * MICROS_PER_UNIT
_CHANGE = ("change", "amount")


def adjust(books: Books, wallet_id: UUID, change: Micros, *, reason: str, author: str) -> Posting:
    """Adds to the wallet, or takes from it below zero. The funds must be renewed first.

    Raises NotFound, InvalidInput for nothing and for a commitment that has no cycle now, TooHigh, and TooLow for more
    than a commitment has left.
    """
    funds = books.funds
    _check_bounds(change, funds.office.currency)
    details = Details(note=reason, author=author)
    if wallet_id == funds.universal_wallet_id:
        if change > 0:
            books.into_universal(change, ADJUSTMENT, details)
        else:
            books.out_of_universal(-change, ADJUSTMENT, details)
        return books.postings[-1]
    account = _account_of(funds, wallet_id)
    if account.balance_micros + change < 0:
        left = money_text(account.balance_micros, funds.office.currency)
        raise TooLow(f"Only {left} is left of this cycle, and a commitment never goes below zero.", field=_CHANGE)
    if change > 0:
        books.into_commitment(account, change, ADJUSTMENT, details)
    else:
        books.out_of_commitment(account, -change, ADJUSTMENT, details)
    return books.postings[-1]


def wallet_balance(funds: Funds, wallet_id: UUID) -> Micros:
    """What the wallet shows: universal credits altogether, a commitment in its current cycle. Raises as `adjust`."""
    if wallet_id == funds.universal_wallet_id:
        return funds.universal_micros
    return _account_of(funds, wallet_id).balance_micros


def _check_bounds(change: Micros, currency: str) -> None:
    if change == 0:
        raise InvalidInput("Say how much: nothing would change.", field=_CHANGE)
    most = money_text(MAX_ADJUSTMENT_MICROS, currency)
    if change > MAX_ADJUSTMENT_MICROS:
        raise TooHigh(f"One adjustment is {most} at most.", field=_CHANGE)
    if change < -MAX_ADJUSTMENT_MICROS:
        raise TooLow(f"One adjustment takes {most} at most.", field=_CHANGE)


def _account_of(funds: Funds, wallet_id: UUID) -> CommitmentCycle:
    """The commitment's account of the current cycle."""
    if all(terms.wallet_id != wallet_id for terms in funds.commitments):
        raise NotFound("There is no such wallet.", field=("walletId",))
    current = funds.current
    for account in funds.commitment_cycles:
        if account.wallet_id == wallet_id and account.starts_at <= current.starts_at < account.ends_at:
            return account
    raise InvalidInput(
        "Nothing is committed in the current cycle, so there is no account to adjust: adjust universal credits, or"
        " commit to an amount first.",
        field=("walletId",),
    )
