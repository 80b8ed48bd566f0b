"""Which columns of a row make which field of a `UsageRecord`: the list's columns, without an object a record.

Says the same as `schema.usage_record` does of objects, for the fields that no resolver works out. What is missing here
(explanations, details, shares, whatever depends on who asks) is made of objects, as is a row that is not as it should.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from compiled import Inner, Leaf, Lists
from compiled.rows import Book
from domain.catalogue import COMMITMENT_OF, RATE_UNITS, USAGE_UNITS
from domain.explanation import sources_of
from domain.usage_records import UsageRecordState
from domain.waterfall import COMMITMENT_BIT
from persistence.history_rows import ALWAYS, NULLABLE
from schema.words import AddressKind, Direction, GroupKind, PaymentTerms, Service, UsageType

Word = TypeVar("Word", bound=StrEnum)
MAX_INT = 2**31 - 1


def _words(kind: type[Word]) -> Mapping[str, str]:
    """Their names on the wire. KeyError for a value that is none of them."""
    return {word.value: word.name for word in kind}


def _int(value: int) -> int:
    """Raises OverflowError for what the wire's Int does not hold."""
    if not -MAX_INT - 1 <= value <= MAX_INT:
        raise OverflowError
    return value


def _int_or_none(value: int | None) -> int | None:
    return None if value is None else _int(value)


def _text(column: str) -> Leaf:
    return Leaf((column,))


def _id(stem: str) -> Leaf:
    return Leaf((f"{stem}_id",))


def _word(column: str, words: str) -> Leaf:
    return Leaf((column,), f"{words}[{{0}}]")


def _flag(column: str) -> Leaf:
    """SQLite says 0 and 1."""
    return Leaf((column,), "{0} == 1")


def _number(column: str) -> Leaf:
    return Leaf((column,), "int_({0})")


_CURRENCY = _text("currency")


def _money(column: str, when: Leaf | None = None) -> Inner:
    return Inner({"amount": _text(column), "currencyCode": _CURRENCY}, when)


_IS_CALL = Leaf(("service",), "{0} == 'CALLING'")
_INCREMENT = Inner(
    {
        "minimumSeconds": _number("first_seconds"),
        "incrementSeconds": _number("next_seconds"),
        "label": _text("increment"),
    },
    _IS_CALL,
)
_OFFICE: Book = {
    "id": _id("office"),
    "slug": _text("office_slug"),
    "name": _text("office_name"),
    "timeZone": _text("office_time_zone"),
    "regionCode": _text("office_region_code"),
    "anchorDay": _number("office_anchor_day"),
    "paymentTerms": _word("office_payment_terms", "terms"),
}


def _party(stem: str, **more: Leaf) -> Inner:
    known = {"name": _text(f"{stem}_name"), "externalId": _text(f"{stem}_external_id")}
    fields: Book = {"id": _id(stem), **known, "isActive": _flag(f"{stem}_is_active"), **more}
    return Inner(fields, Leaf((f"{stem}_id",), "{0} is not None"))


_OWN_NUMBER = Inner(
    {
        "kind": _word("own_kind", "address_kinds"),
        "phoneNumber": _text("own_number"),
        "text": Leaf(("own_text",), "{0} or ''"),
        "regionCode": _text("own_region"),
    },
    _text("own_kind"),
)
_RATE = Inner(
    {
        "amount": _text("rate"),
        "currencyCode": _CURRENCY,
        "unit": _word("service", "rate_units"),
        "billingIncrement": _INCREMENT,
        "connectionFee": _money("connection_fee", Leaf(("connection_fee",), "{0} != '0.000000'")),
        "destination": _text("destination"),
    }
)
RECORD: Book = {
    "id": _text("id"),
    "source": _text("source"),
    "eventId": _text("event_id"),
    "office": Inner(_OFFICE),
    "state": _word("state", "states"),
    "service": _word("service", "services"),
    "usageType": _word("usage_type", "usage_types"),
    "direction": _word("direction", "directions"),
    "occurredAt": _text("occurred_at"),
    "recordedAt": _text("recorded_at"),
    "billingMonth": _text("billing_month"),
    "isBookedLate": _flag("is_booked_late"),
    "member": _party("member"),
    "group": _party("group", kind=_word("group_kind", "group_kinds")),
    "contact": _party("contact"),
    "phoneNumber": _OWN_NUMBER,
    "durationSeconds": Leaf(("duration_seconds",), "int_or_none({0})"),
    "quantity": Inner({"value": _text("quantity"), "unit": _word("service", "usage_units")}),
    "rate": _RATE,
    "listPrice": _money("list_price"),
    "cost": _money("cost"),
    "walletSources": Leaf(("service", "sources"), "wallet_sources[{0}, {1}]"),
}
_NAMES: Mapping[str, Any] = {
    "int_": _int,
    "int_or_none": _int_or_none,
    "states": _words(UsageRecordState),
    "services": _words(Service),
    "usage_types": _words(UsageType),
    "directions": {**_words(Direction), None: None, "": None},
    "terms": _words(PaymentTerms),
    "address_kinds": _words(AddressKind),
    "group_kinds": _words(GroupKind),
    "rate_units": {service.value: RATE_UNITS[unit].name for service, unit in USAGE_UNITS.items()},
    "usage_units": {service.value: unit.name for service, unit in USAGE_UNITS.items()},
    "wallet_sources": {
        (service.value, sources): [source.name for source in sources_of(service, sources)]
        for service in Service
        for sources in range(8)
        if service in COMMITMENT_OF or not sources & COMMITMENT_BIT
    },
}
USAGE_RECORDS = Lists(
    books={"nodes": RECORD, "edges": {"cursor": Leaf(ALWAYS, "own({0}, {1})"), "node": Inner(RECORD)}},
    names=_NAMES,
    always=ALWAYS,
    nullable=NULLABLE,
)
