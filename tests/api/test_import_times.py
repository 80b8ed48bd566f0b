"""Times in files: what is recognised, what must be told, and when the operator is asked (R5)."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.imports.cdr import UsageFormat
from domain.errors import InvalidInput
from tests.api.import_words import HEADER, documented, event_of, read, read_mapped


@pytest.mark.parametrize(
    ("first", "proof", "expected"),
    [
        ("01-09-2016 06:01:12", "13-09-2016 00:00:00", datetime(2016, 9, 1, 6, 1, 12, tzinfo=UTC)),
        ("01/09/2016 6:01", "09/13/2016 0:00", datetime(2016, 1, 9, 6, 1, tzinfo=UTC)),
        ("2016-09-01T06:01:12.5+02:00", "", datetime(2016, 9, 1, 4, 1, 12, 500_000, tzinfo=UTC)),
        ("2016-09-01T06:01Z", "", datetime(2016, 9, 1, 6, 1, tzinfo=UTC)),
        ("2016/9/1 6:01", "", datetime(2016, 9, 1, 6, 1, tzinfo=UTC)),
        ("1472709672.25", "", datetime(2016, 9, 1, 6, 1, 12, 250_000, tzinfo=UTC)),
    ],
)
def test_times_are_read_without_being_told(path: Path, first: str, proof: str, expected: datetime) -> None:
    rows = read_mapped(path, f"{HEADER}\n1,2,{first},5\n1,2,{proof or first},5\n")
    assert event_of(rows[0]).occurred_at == expected


def test_dates_that_could_begin_with_day_or_month_are_asked_for(path: Path) -> None:
    text = f"{HEADER}\n1,2,01-09-2016 06:01:12,5\n1,2,12-12-2016 06:01:12,5\n"
    with pytest.raises(InvalidInput, match="--time-format"):
        read_mapped(path, text)
    rows = read_mapped(path, text, time_format="%m-%d-%Y %H:%M:%S")
    assert event_of(rows[0]).occurred_at == datetime(2016, 1, 9, 6, 1, 12, tzinfo=UTC)


def test_a_time_without_offset_needs_a_zone_before_the_first_row(path: Path) -> None:
    for time in ("2016-09-01 06:01", "13-09-2016 06:01"):
        with pytest.raises(InvalidInput, match="--timezone"):
            read_mapped(path, f"{HEADER}\n1,2,{time},5\n", time_zone=None)
    with pytest.raises(InvalidInput, match="--timezone"):
        read_mapped(path, f"{HEADER}\n1,2,x,5\n", time_zone=None, time_format="%H:%M")


def test_of_an_hour_told_twice_the_first_is_taken(path: Path) -> None:
    [row] = read_mapped(path, f"{HEADER}\n1,2,2026-11-01 01:30,5\n", time_zone="America/New_York")
    assert event_of(row).occurred_at == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


@pytest.mark.parametrize("format", [UsageFormat.FREESWITCH, UsageFormat.ASTERISK])
def test_local_times_without_a_time_zone_are_refused_at_once(path: Path, format: UsageFormat) -> None:
    with pytest.raises(InvalidInput, match="--timezone"):
        read(path, documented("csv", format.value), format)
    with pytest.raises(InvalidInput, match="not an IANA time zone"):
        read(path, documented("csv", format.value), format, time_zone="Mars/Olympus")
