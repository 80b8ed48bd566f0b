"""Strict scalars and ids: one written form each, and nothing else is read."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from schema.connections import CursorSeal
from schema.ids import IdKind, decode, encode, parse
from schema.root import schema
from schema.scalars import date_time_text, parse_date_time, percent


def read(scalar: str, value: Any) -> Any:
    return schema._schema.type_map[scalar].parse_value(value)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        *(
            ("Decimal", text)
            for text in ("NaN", "Infinity", "1e3", "1_000", "٣", "01", "1.", ".5", "+1", "", " 1", "1 ")
        ),
        *(("Decimal", value) for value in (1, 1.5, True, None, ["1"], "1.0000000001", "12345678901234")),
        *(("DateTime", text) for text in ("2026-03-01", "2026-03-01T10:00:00", "2026-W10-1T10:00:00Z")),
        *(("DateTime", text) for text in ("2026-03-01T10:00Z", "2026-03-01 10:00:00Z", "20260301T100000Z")),
        *(("DateTime", text) for text in ("2026-02-30T10:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T10:00:60Z")),
        *(("DateTime", text) for text in ("2026-03-01T10:00:00-00:00", "2026-03-01T10:00:00+25:00")),
        *(("DateTime", text) for text in ("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00")),
        *(("DateTime", value) for value in (1772359200, "2026-03-01T10:00:00.1234567Z")),
        *(("YearMonth", text) for text in ("2026-3", "2026-13", "202603", "0000-01", "2026-03-01")),
        *(("URL", text) for text in ("app.example", "//app.example", "javascript:alert(1)", "https://", "HTTPS://a.b")),
        *(("URL", text) for text in ("https://a b", "https://a\n", 'https://a"', "https://ü.example", "https://u:p@a")),
        *(("URL", value) for value in (1, None, "https://a/" + "x" * 1_991, "https://a:port/", "https://[::1")),
        *(("PhoneNumber", text) for text in ("4155550100", "+0155550100", "+1 415", "+1234567890123456", "+١٢٣")),
    ],
)
def test_what_is_not_exactly_in_form_is_refused(scalar: str, value: Any) -> None:
    with pytest.raises(GraphQLError):
        read(scalar, value)


@pytest.mark.parametrize("literal", ["1", "1.5", "true", "USD", "null", '["1"]'])
def test_literals_other_than_strings_are_refused(literal: str) -> None:
    with pytest.raises(GraphQLError):
        schema._schema.type_map["Decimal"].parse_literal(parse_value(literal))  # type: ignore[attr-defined]


def test_times_come_in_with_any_offset_and_leave_in_utc() -> None:
    assert read("DateTime", "2026-03-01t09:30:00.5-05:00") == datetime(2026, 3, 1, 14, 30, 0, 500_000, tzinfo=UTC)
    assert date_time_text(datetime(2026, 3, 1, 9, 30, tzinfo=timezone(timedelta(hours=-5)))) == "2026-03-01T14:30:00Z"
    assert date_time_text(datetime(2026, 3, 1, 0, 0, 0, 1000, tzinfo=UTC)) == "2026-03-01T00:00:00.001000Z"


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_reads_back(moment: datetime) -> None:
    assert parse_date_time(date_time_text(moment)) == moment


def test_percentages_have_one_decimal_half_up() -> None:
    assert [percent(1, 3), percent(1, 8), percent(5, 0), percent(0, 7), percent(1, None)] == [
        *("33.3", "12.5", None, "0.0", None)
    ]


@given(st.sampled_from(IdKind), st.uuids())
def test_an_id_has_one_spelling(kind: IdKind, value: UUID) -> None:
    text = encode(kind, value)
    assert parse(text) == (kind, value)
    assert all(decode(other, text) is None for other in IdKind if other is not kind)
    for wrong in (text.upper(), f"{text}\n", f" {text}", text.replace("_", "-"), text[:-1]):
        assert parse(wrong) is None


@given(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.text(), st.integers(-(2**62), 2**62))
def test_a_cursor_gives_back_the_position_it_was_made_from(at: datetime, value: UUID, name: str, number: int) -> None:
    seal = CursorSeal([b"key"], (datetime, UUID, str, int), "list", 1)
    surrogate_free = name.encode("utf-8", "ignore").decode()
    position = (at, value, surrogate_free, number)
    assert seal.open(seal.close(position)) == position
    with pytest.raises(InvalidInput):
        CursorSeal([b"key"], (datetime, UUID, str, int), "list", 2).open(seal.close(position))
    with pytest.raises(InvalidInput):
        CursorSeal([b"other"], (datetime, UUID, str, int), "list", 1).open(seal.close(position))
