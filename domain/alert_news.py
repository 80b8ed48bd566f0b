"""What partners are told of an alert when it is raised (R38, R39)."""

from typing import Any
from uuid import UUID

from domain.alert_texts import message_of, rise_tenths, share_tenths
from domain.alerts import Alert, AlertKind, Cause, Dimension
from domain.catalogue import WALLET_NAMES, WalletKind
from domain.ledger import Books
from domain.money import Currency, Micros, decimal_text
from domain.news import News, Topic, moment_fact, money_fact
from domain.public_ids import IdKind, public_id

_PARTIES = {Dimension.MEMBER: IdKind.MEMBER, Dimension.GROUP: IdKind.GROUP}
_FIELDS = {
    Dimension.REGION: "regionCode",
    Dimension.USAGE_TYPE: "usageType",
    Dimension.SERVICE: "service",
}


def tell_raised(books: Books, alert: Alert) -> None:
    """Every alert is news; of wallets that run low it is news twice, for whoever listens to that alone."""
    facts: dict[str, Any] = {"spendingAlert": _alert_facts(alert, books.funds.office.currency)}
    books.news.append(News(Topic.ALERT_RAISED, facts))
    if alert.kind in (AlertKind.COMMITMENT_USED, AlertKind.UNIVERSAL_LOW):
        books.news.append(News(Topic.WALLET_LOW, {**facts, "wallet": _wallet_facts(books, alert)}))


def _alert_facts(alert: Alert, currency: Currency) -> dict[str, Any]:
    is_rise = alert.kind is AlertKind.SPENDING_RISE
    previous = alert.previous_micros
    return {
        "id": public_id(IdKind.SPENDING_ALERT, alert.id),
        "kind": alert.kind.value,
        "message": message_of(alert, currency),
        "raisedAt": moment_fact(alert.raised_at),
        "periodStart": moment_fact(alert.period.starts_at),
        "periodEnd": moment_fact(alert.period.ends_at),
        "current": money_fact(alert.current_micros, currency),
        "previous": None if previous is None else money_fact(previous, currency),
        "risePercent": _tenths(rise_tenths(alert.current_micros, previous or 0)) if is_rise else None,
        "usedPercent": alert.used_percent,
        "cause": _cause_facts(alert.cause, alert.rise_micros, currency) if alert.cause else None,
    }


def _tenths(value: int | None) -> str | None:
    return None if value is None else decimal_text(value, 1)


def _cause_facts(cause: Cause, rise: Micros, currency: Currency) -> dict[str, Any]:
    kind = _PARTIES.get(cause.dimension)
    if kind is None:
        named: dict[str, Any] = {_FIELDS[cause.dimension]: cause.key}
    else:
        named = {cause.dimension.value: {"id": public_id(kind, UUID(hex=cause.key)), "name": cause.name}}
    return {
        **named,
        "current": money_fact(cause.current_micros, currency),
        "previous": money_fact(cause.previous_micros, currency),
        "sharePercent": _tenths(share_tenths(cause, rise)),
    }


def _wallet_facts(books: Books, alert: Alert) -> dict[str, Any]:
    funds = books.funds
    kind, balance = WalletKind.UNIVERSAL, funds.universal_micros
    for account in funds.commitment_cycles:
        if account.wallet_id == alert.wallet_id and account.starts_at == alert.period.starts_at:
            kind, balance = account.kind, account.balance_micros
    return {
        "id": public_id(IdKind.WALLET, alert.wallet_id or funds.universal_wallet_id),
        "kind": kind.value,
        "name": WALLET_NAMES[kind],
        "balance": money_fact(balance, funds.office.currency),
    }
