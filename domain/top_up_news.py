"""What partners are told of top-ups and auto-recharge (R29, R33–R35). Written in the books by the rules themselves."""

from datetime import datetime
from typing import Any

from domain.ledger import Books
from domain.news import News, Topic, moment_fact, money_fact
from domain.public_ids import IdKind, public_id
from domain.top_ups import TopUp, TopUpOrigin

_SETTLED = {
    TopUpOrigin.PURCHASE: Topic.CREDITS_PURCHASED,
    TopUpOrigin.AUTO_RECHARGE: Topic.RECHARGE_SETTLED,
}


def tell_settled(books: Books, top_up: TopUp) -> None:
    """Once its credits are in the wallet."""
    funds = books.funds
    balance = money_fact(funds.universal_micros, funds.office.currency)
    _tell(books, _SETTLED[top_up.origin], top_up, settledAt=moment_fact(books.now), universalBalance=balance)


def tell_declined(books: Books, top_up: TopUp, *, is_switched_off: bool) -> None:
    """Once the decline was noted; another message says so when it switched auto-recharge off (R35)."""
    recharge = books.funds.recharge
    count = recharge.decline_count
    next_attempt = moment_fact(_coming(books, recharge.retry_at))
    _tell(books, Topic.RECHARGE_DECLINED, top_up, declineCount=count, nextAttemptAt=next_attempt)
    if is_switched_off:
        _tell(books, Topic.RECHARGE_SWITCHED_OFF, top_up, declineCount=count)


def tell_skipped(books: Books, top_up: TopUp) -> None:
    """`nextAttemptAt` where time alone removes what stood in the way."""
    next_attempt = moment_fact(_coming(books, books.funds.recharge.judge_at))
    _tell(books, Topic.RECHARGE_SKIPPED, top_up, nextAttemptAt=next_attempt)


def _coming(books: Books, moment: datetime | None) -> datetime | None:
    return moment if moment is not None and moment > books.now else None


def _tell(books: Books, topic: Topic, top_up: TopUp, **more: Any) -> None:
    currency = books.funds.office.currency
    told: dict[str, Any] = {
        "id": public_id(IdKind.TOP_UP, top_up.id),
        "paymentTerms": top_up.payment_terms.value,
        "credits": money_fact(top_up.credits_micros, currency),
        "tax": money_fact(top_up.tax_micros, currency),
        "total": money_fact(top_up.total_micros, currency),
        "reason": top_up.reason.value if top_up.reason else None,
        "createdAt": moment_fact(top_up.created_at),
    }
    books.news.append(News(topic, {"topUp": told, **more}))
