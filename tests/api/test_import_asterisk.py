"""Asterisk's rows, in the layouts of cdr_csv and cdr_custom."""

import re
from datetime import UTC, datetime
from pathlib import Path

from api.imports.cdr import UsageFormat
from domain.catalogue import Direction
from domain.usage import Call, UsageEvent
from tests.api.import_words import call_of, documented, event_of, read


def test_the_documented_asterisk_row(path: Path) -> None:
    [row] = read(path, documented("csv", "asterisk"), UsageFormat.ASTERISK, time_zone="UTC")
    assert event_of(row) == UsageEvent(
        source="switch",
        event_id="1772355600.2",
        occurred_at=datetime(2026, 3, 1, 9, 0, 8, tzinfo=UTC),
        usage=Call(
            direction=Direction.OUTBOUND,
            from_="1002",
            to="+442079460000",
            duration_seconds=83,
            call_id="1772355600.2",
        ),
    )


def asterisk_row(*after: str, disposition: str = "ANSWERED", answer: str = "2023-07-26 01:51:50") -> str:
    fields = ['"" <100>', "100", "6789", "default", "PJSIP/a", "PJSIP/b", "Dial", "PJSIP/b"]
    fields += ["2023-07-26 01:51:32", answer, "2023-07-26 01:52:04", "31", "13", disposition, "DOCUMENTATION"]
    quoted = ['"' + field.replace('"', '""') + '"' for field in [*fields, *after]]
    return ",".join(quoted) + "\n"


def test_the_layout_of_cdr_custom_is_recognised(path: Path) -> None:
    [row] = read(path, asterisk_row("", "1690325492.2", "", "7"), UsageFormat.ASTERISK, time_zone="America/New_York")
    assert event_of(row).event_id == "1690325492.2/7"
    assert event_of(row).occurred_at == datetime(2023, 7, 26, 5, 51, 50, tzinfo=UTC)
    assert (call_of(row).from_, call_of(row).to, call_of(row).duration_seconds) == ("100", "6789", 13)


def test_an_unanswered_asterisk_call_has_no_seconds_and_began_at_its_start(path: Path) -> None:
    row = asterisk_row("", "1690325492.2", "", "7", disposition="BUSY", answer="")
    [found] = read(path, row, UsageFormat.ASTERISK, time_zone="UTC")
    assert call_of(found).duration_seconds == 0
    assert event_of(found).occurred_at == datetime(2023, 7, 26, 1, 51, 32, tzinfo=UTC)


def test_phones_rung_by_one_queue_call_are_events_of_their_own(path: Path) -> None:
    text = asterisk_row("", "1690325492.2", "", "7", disposition="NO ANSWER", answer="") + asterisk_row(
        "", "1690325492.2", "", "8"
    )
    rows = read(path, text, UsageFormat.ASTERISK, time_zone="UTC")
    assert [event_of(row).event_id for row in rows] == ["1690325492.2/7", "1690325492.2/8"]


def test_an_asterisk_row_without_uniqueid_is_known_by_its_hash(path: Path) -> None:
    short = asterisk_row()
    rows = read(path, short + short + asterisk_row("other"), UsageFormat.ASTERISK, time_zone="UTC")
    ids = [event_of(row).event_id for row in rows]
    assert ids[0] == ids[1] != ids[2]
    assert re.fullmatch(r"row-[0-9a-f]{32}", ids[0])


def test_a_row_that_is_no_asterisk_record_is_reported(path: Path) -> None:
    rows = read(path, 'a,b,c\n"unfinished\n', UsageFormat.ASTERISK, time_zone="UTC")
    assert [row.line for row in rows] == [1, 2]
    assert rows[0].problem == ("this is no Asterisk record: start and end stand in columns 9 and 11 or 10 and 12.")
    assert "this is not CSV" in (rows[1].problem or "")
