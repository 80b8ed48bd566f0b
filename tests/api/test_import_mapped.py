"""Any CSV with a map: where each target of the map goes, and how a row that fits nowhere is reported."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.imports.cdr import UsageFormat, read_usage
from api.imports.column_map import parse_column_map
from domain.catalogue import Direction, Service
from domain.errors import InvalidInput
from domain.usage import Call, DirectoryReference, Fax, Message, OfficeReference, Traffic, UsageEvent
from tests.api.import_words import DOCS, HEADER, MAP, call_of, documented, event_of, read_mapped


def test_the_documented_map_and_file(path: Path) -> None:
    option = re.search(r"`--map '(.*?)'`", DOCS.read_text())
    assert option
    rows = read_mapped(path, documented("csv", "mapped"), option[1], time_zone="Asia/Kolkata")
    assert event_of(rows[0]).occurred_at == datetime(2016, 9, 1, 0, 31, 12, tzinfo=UTC)
    assert event_of(rows[0]).member == DirectoryReference("u-1")
    assert call_of(rows[0]) == Call(
        direction=Direction.OUTBOUND, from_="78130 00821", to="98453 94494", duration_seconds=187
    )
    assert call_of(rows[1]).to == "(022)28952819"


def test_a_region_completes_national_numbers_and_leaves_other_text_alone(path: Path) -> None:
    text = f"{HEADER}\n78130 00821,(022)28952819,2016-09-01 06:01:12,1\n1002,+14155550100,2016-09-01 06:01,1\n"
    rows = read_mapped(path, text, region="IN")
    assert [(call_of(row).from_, call_of(row).to) for row in rows] == [
        ("+917813000821", "+912228952819"),
        ("1002", "+14155550100"),
    ]


def test_every_target_of_a_map_has_its_place(path: Path) -> None:
    header = "ID,From,To,When,S,Dir,Ref,Off,M,Mn,G,Gn,C"
    column_map = (
        "event_id=id, from=from, to=to, occurred_at=when, duration=s, direction=dir, call_id=ref, office=off,"
        " member=m, member_name=mn, group=g, group_name=gn, contact=c"
    )
    text = f"{header}\ne-1,1002,+14155550100,1772355608,5,in,ref-1,+15035550100,u-1,Front desk,q-1,Support,c-1\n"
    [row] = read_mapped(path, text, column_map, time_zone=None)
    assert event_of(row) == UsageEvent(
        source="switch",
        event_id="e-1",
        occurred_at=datetime(2026, 3, 1, 9, 0, 8, tzinfo=UTC),
        usage=Call(
            direction=Direction.INBOUND,
            from_="1002",
            to="+14155550100",
            duration_seconds=5,
            call_id="ref-1",
        ),
        office=OfficeReference(phone_number="+15035550100"),
        member=DirectoryReference("u-1", "Front desk"),
        group=DirectoryReference("q-1", "Support"),
        contact=DirectoryReference("c-1"),
    )


def test_messages_and_faxes_can_be_mapped(path: Path) -> None:
    text = "kind,a,b,t,n\nmessaging,1,2,2026-03-01 09:00,3\nFAX,1,2,2026-03-01 09:00,4\ntelex,1,2,2026-03-01 09:00,4\n"
    column_map = "service=kind,from=a,to=b,occurred_at=t,segments=n,pages=n,traffic:=p2p,office:=portland"
    rows = read_mapped(path, text, column_map)
    outbound = Direction.OUTBOUND
    assert event_of(rows[0]).usage == Message(
        direction=outbound, traffic=Traffic.P2P, from_="1", to="2", segment_count=3
    )
    assert event_of(rows[1]).usage == Fax(direction=outbound, from_="1", to="2", page_count=4)
    assert event_of(rows[1]).office == OfficeReference(slug="portland")
    assert rows[2].problem == "service 'telex' is not one of CALLING, MESSAGING, FAX."


def test_a_message_without_segments_is_one(path: Path) -> None:
    [row] = read_mapped(
        path,
        "a,b,t\n1,2,2026-03-01 09:00\n",
        "from=a,to=b,occurred_at=t,traffic:=A2P",
        service=Service.MESSAGING,
    )
    usage = event_of(row).usage
    assert isinstance(usage, Message)
    assert (usage.segment_count, usage.traffic) == (1, Traffic.A2P)


@pytest.mark.parametrize(
    ("column_map", "message"),
    [
        ("from=a,to=b", "does not say occurred_at"),
        ("from=a,to=b,when=c", "'when=c' in the map is not name=column"),
        ("from=a,to=b,occurred_at", "'occurred_at' in the map"),
        ("from=a,from=b,to=b,occurred_at=c", "gives from twice"),
        ("from=a,to=b,occurred_at=t", "does not say duration for CALLING: add duration=column"),
        ("from=a,to=b,occurred_at=t,service:=messaging", "add traffic:=P2P or traffic:=A2P"),
        ("from=a,to=b,occurred_at=t,duration=d,direction:=up", "neither INBOUND nor OUTBOUND"),
        ("from=a,to=b,occurred_at=t,duration=x", "no column 'x'; it has a, b, t, d"),
    ],
)
def test_a_map_that_cannot_work_is_refused_before_the_first_row(path: Path, column_map: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)):
        read_mapped(path, "a,b,t,d\n1,2,2026-03-01 09:00,5\n", column_map)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,2,2026-03-01 09:00", "the row has 3 fields and the header 4."),
        ("1,,2026-03-01 09:00,5", "to is empty."),
        (f"{'1' * 65},2,2026-03-01 09:00,5", "from is longer than 64 characters or has control characters."),
        ("1,2\x00,2026-03-01 09:00,5", "to is longer than 64 characters or has control characters."),
        ("1,2,2026-03-01 09:00,-5", "duration '-5' is not a number of seconds."),
        ("1,2,2026-03-01 09:00,1e3", "duration '1e3' is not a number of seconds."),
        ("1,2,2026-03-01 09:00,٣", "duration '٣' is not a number of seconds."),
        ("1,2,2026-03-01 09:00,604800.1", "duration 604800.1 is more than 604800 seconds (a week)."),
        (
            "1,2,2026-03-01 25:00,5",
            "occurred_at '2026-03-01 25:00' is not a time, as 2026-01-31 23:59:59 would be.",
        ),
        ("1,2,2026-03-01,5", "occurred_at '2026-03-01' is not a time, as 2026-01-31 23:59:59 would be."),
        (
            "1,2,01-03-2026 09:00,5",
            "day and month of '01-03-2026 09:00' cannot be told apart: give --time-format.",
        ),
    ],
)
def test_a_bad_row_is_reported_and_the_rest_goes_on(path: Path, row: str, problem: str) -> None:
    good = "1,2,2026-03-01 09:00,5"
    rows = read_mapped(path, f"{HEADER}\n{good}\n{row}\n\n{good}\n")
    assert [(row.line, row.problem) for row in rows] == [(2, None), (3, problem), (5, None)]


def test_an_empty_caller_is_anonymous_and_fractions_count_as_a_second(path: Path) -> None:
    rows = read_mapped(path, f"{HEADER}\n,2,2026-03-01 09:00,0.000\n,2,2026-03-01 09:00,604799.01\n")
    assert [(call_of(row).from_, call_of(row).duration_seconds) for row in rows] == [
        ("anonymous", 0),
        ("anonymous", 604_800),
    ]


def test_equal_rows_are_one_event_however_they_are_quoted(path: Path) -> None:
    rows = read_mapped(
        path,
        f'{HEADER}\n1,2,2026-03-01 09:00,5\r\n"1", 2 ,"2026-03-01 09:00",5\n1,2,2026-03-01 09:00,6\n',
    )
    ids = [event_of(row).event_id for row in rows]
    assert ids[0] == ids[1] != ids[2]


def test_a_quoted_field_may_run_over_lines_and_an_open_quote_swallows_nothing(path: Path) -> None:
    good = "1,2,2026-03-01 09:00,5\n"
    text = f'{HEADER}\n{good}"one\ntwo",2,2026-03-01 09:00,5\n"1,2,2026-03-01 09:00,5\n' + good * 30
    rows = read_mapped(path, text)
    assert [(row.line, row.problem and row.problem[:15]) for row in rows[:4]] == [
        (2, None),
        (3, "from is longer "),
        (5, "this is not CSV"),
        (6, None),
    ]
    assert len(rows) == 33


def test_quotes_inside_a_field_and_unusual_spaces_leave_rows_whole(path: Path) -> None:
    text = f'{HEADER}\nfive"inch,2,2026-03-01 09:00,5\nsix"inch,2\u20282,2026-03-01 09:00,5\n1\x1c1,2,x,5\n'
    rows = read_mapped(path, text)
    assert [row.line for row in rows] == [2, 3, 4]
    assert call_of(rows[0]).from_ == 'five"inch'
    assert "control characters" in (rows[1].problem or "")


def test_a_file_with_the_line_ends_of_an_old_mac_is_refused_with_the_reason(path: Path) -> None:
    path.write_bytes(f"{HEADER}\r1,2,2026-03-01 09:00,5\r".encode())
    reader = read_usage(path, format=UsageFormat.CSV, source="s", time_zone="UTC", column_map=parse_column_map(MAP))
    with pytest.raises(InvalidInput, match="check its quotes and line ends"):
        list(reader)


def test_a_line_that_is_not_utf_8_is_reported_and_the_rest_goes_on(path: Path) -> None:
    path.write_bytes(f"{HEADER}\n".encode() + b"Caf\xe9,2,2026-03-01 09:00,5\n1,2,2026-03-01 09:00,5\n")
    reader = read_usage(
        path,
        format=UsageFormat.CSV,
        source="switch",
        time_zone="UTC",
        column_map=parse_column_map(MAP),
    )
    assert [row.problem for row in reader] == ["this line is not UTF-8: save the file as UTF-8.", None]
