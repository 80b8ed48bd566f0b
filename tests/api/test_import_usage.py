"""Reading usage: what each format's records become, and how a bad record is reported without stopping the file."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.imports.cdr import ReadRow, UsageFormat, UsageReader, read_usage, total_bytes
from api.imports.column_map import parse_column_map
from domain.catalogue import Direction, Service
from domain.errors import InvalidInput
from domain.usage import (
    AiAgentMode,
    AiAgentSession,
    Call,
    CallLocation,
    DirectoryReference,
    Encoding,
    Fax,
    FaxStatus,
    Message,
    OfficeReference,
    Session,
    Traffic,
    UsageEvent,
)

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MAP = "from=caller,to=callee,occurred_at=start,duration=seconds"
HEADER = "caller,callee,start,seconds"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "usage.txt"


def read(path: Path, text: str, format: UsageFormat, **options: Any) -> list[ReadRow]:
    path.write_text(text, encoding="utf-8")
    return list(read_usage(path, format=format, source="switch", **options))


def read_mapped(path: Path, text: str, column_map: str = MAP, **options: Any) -> list[ReadRow]:
    options = {"time_zone": "UTC", **options}
    return read(path, text, UsageFormat.CSV, column_map=parse_column_map(column_map), **options)


def event_of(row: ReadRow) -> UsageEvent:
    assert row.event is not None, row.problem
    return row.event


def call_of(row: ReadRow) -> Call:
    usage = event_of(row).usage
    assert isinstance(usage, Call)
    return usage


def documented(language: str, name: str) -> str:
    text = (ROOT / "docs" / "files.md").read_text()
    found = re.search(rf"```{language} {name}\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


# ---------- FreeSWITCH


def test_the_documented_freeswitch_row(path: Path) -> None:
    rows = read(path, documented("csv", "freeswitch"), UsageFormat.FREESWITCH, time_zone="Europe/London")
    assert rows == [
        ReadRow(
            1,
            UsageEvent(
                source="switch",
                event_id="d80e22e0-4c15-11ea-97a0-9dd79410affb",
                occurred_at=datetime(2026, 3, 1, 9, 0, 8, tzinfo=UTC),
                usage=Call(direction=Direction.OUTBOUND, from_="1002", to="+442079460000", duration_seconds=83),
            ),
            None,
        )
    ]


def test_freeswitch_rows_keep_replays_and_conflicts_and_report_bad_ones(path: Path) -> None:
    rows = read(
        path,
        ",0,1002,default,2020/2/10 22:41,,2020/2/10 22:41,2,0,NO_USER_RESPONSE,u-1,,,,\r\n"
        "A,1002,&,default,2020/2/10 22:40,2020/2/10 22:40,,64,61,NORMAL_CLEARING,u-2,,1002,PCMU,PCMU\r\n"
        "A,1002,&,default,2020/2/10 22:40,2020/2/10 22:40,,64,62,NORMAL_CLEARING,u-2,,1002,PCMU,PCMU\r\n"
        "A,1002,&,default,2020/2/10 22:40,2020/2/10 22:40,,64,many,X,u-3,,1002,PCMU,PCMU\r\n"
        "A,1002,&,default,2020/2/30 22:40,,,64,1,X,u-4,,1002,PCMU,PCMU\r\n"
        "A,1002,&\r\n"
        "A,,&,default,2020/2/10 22:40,,,64,1,X,,,1002,PCMU,PCMU\r\n",
        UsageFormat.FREESWITCH,
        time_zone="Asia/Shanghai",
        direction=Direction.INBOUND,
    )
    assert [(row.line, row.problem) for row in rows] == [
        (1, None),
        (2, None),
        (3, None),
        (4, "billsec 'many' is not a number of seconds."),
        (5, "time '2020/2/30 22:40' is not a time, as 2026-01-31 23:59:59 would be."),
        (6, "a row of cdr_csv has 15 fields, this one 3."),
        (7, "the event id '' is not 1 to 255 printable ASCII characters."),
    ]
    unanswered, first, second = (event_of(row) for row in rows[:3])
    assert unanswered.occurred_at == datetime(2020, 2, 10, 14, 41, tzinfo=UTC)
    assert call_of(rows[0]).duration_seconds == 0
    assert call_of(rows[0]).direction is Direction.INBOUND
    assert first.key == second.key
    assert first != second


@pytest.mark.parametrize("format", [UsageFormat.FREESWITCH, UsageFormat.ASTERISK])
def test_local_times_without_a_time_zone_are_refused_at_once(path: Path, format: UsageFormat) -> None:
    with pytest.raises(InvalidInput, match="--timezone"):
        read(path, documented("csv", format.value), format)
    with pytest.raises(InvalidInput, match="not an IANA time zone"):
        read(path, documented("csv", format.value), format, time_zone="Mars/Olympus")


def json_cdr(**variables: str) -> dict[str, Any]:
    return {
        "core-uuid": "c",
        "variables": {
            "direction": "inbound",
            "uuid": "u-1",
            "start_epoch": "1657097403",
            "answer_epoch": "1657097404",
            "start_stamp": "2022-07-06%2003%3A50%3A03",
            "billsec": "3",
            "rtp_audio_in_mos": "4.4966",
            **variables,
        },
        "callflow": [
            {
                "caller_profile": {
                    "caller_id_number": "+85516234567",
                    "destination_number": "1294",
                    "note": "} a brace in quotes, and \\",
                }
            }
        ],
    }


def test_a_json_record_is_read_by_its_epochs_without_a_time_zone(path: Path) -> None:
    rows = read(path, json.dumps(json_cdr(), indent=2), UsageFormat.FREESWITCH)
    assert rows == [
        ReadRow(
            1,
            UsageEvent(
                source="switch",
                event_id="u-1",
                occurred_at=datetime(2022, 7, 6, 8, 50, 4, tzinfo=UTC),
                usage=Call(
                    direction=Direction.INBOUND,
                    from_="+85516234567",
                    to="1294",
                    duration_seconds=3,
                    quality_tenths=45,
                ),
            ),
            None,
        )
    ]


def test_an_unanswered_json_record_began_at_its_start(path: Path) -> None:
    record = json_cdr(answer_epoch="0", billsec="0", rtp_audio_in_mos="0.00")
    [row] = read(path, json.dumps(record), UsageFormat.FREESWITCH)
    assert event_of(row).occurred_at == datetime(2022, 7, 6, 8, 50, 3, tzinfo=UTC)
    assert call_of(row).quality_tenths is None


def test_encoded_values_are_decoded(path: Path) -> None:
    record = json_cdr(sip_from_user="%2B85516234567", sip_req_user="%2B14155550100")
    del record["callflow"]
    [row] = read(path, json.dumps(record), UsageFormat.FREESWITCH)
    assert (call_of(row).from_, call_of(row).to) == ("+85516234567", "+14155550100")


@pytest.mark.parametrize(
    ("variables", "direction", "member"),
    [
        ({"direction": "inbound"}, Direction.INBOUND, None),
        ({"direction": "inbound", "user_name": "1001"}, Direction.OUTBOUND, "1001"),
        ({"direction": "inbound", "sip_auth_username": "1001"}, Direction.OUTBOUND, "1001"),
        ({"direction": "outbound"}, Direction.OUTBOUND, None),
        ({"direction": "outbound", "dialed_user": "1002"}, Direction.INBOUND, "1002"),
        ({"direction": "outbound", "call_direction": "inbound"}, Direction.INBOUND, None),
        ({"direction": "inbound", "call_direction": "local"}, Direction.INBOUND, None),
    ],
)
def test_the_direction_of_a_leg_becomes_that_of_the_call(
    path: Path, variables: dict[str, str], direction: Direction, member: str | None
) -> None:
    [row] = read(path, json.dumps(json_cdr(**variables)), UsageFormat.FREESWITCH)
    assert call_of(row).direction is direction
    assert event_of(row).member == (DirectoryReference(member) if member else None)
    [told] = read(path, json.dumps(json_cdr(**variables)), UsageFormat.FREESWITCH, direction=Direction.OUTBOUND)
    assert call_of(told).direction is Direction.OUTBOUND


def test_json_records_are_found_however_they_are_laid_out(path: Path) -> None:
    records = [json_cdr(uuid=f"u-{number}") for number in range(3)]
    compact = [json.dumps(record) for record in records]
    layouts = [
        "\n".join(compact),
        " ".join(compact),
        json.dumps(records),
        json.dumps(records, indent=1),
        "\n\n".join(json.dumps(record, indent=4) for record in records),
    ]
    for layout in layouts:
        rows = read(path, layout, UsageFormat.FREESWITCH)
        assert [event_of(row).event_id for row in rows] == ["u-0", "u-1", "u-2"]


def test_a_broken_json_record_does_not_hide_those_around_it(path: Path) -> None:
    good = json.dumps(json_cdr())
    text = "\n".join([good, good[:200], good, "litter", '{"a": nonsense}', '{"b": 1}', good, good[:50]])
    rows = read(path, text, UsageFormat.FREESWITCH)
    assert [(row.line, row.problem) for row in rows] == [
        (1, None),
        (2, "the object does not end: it was cut off."),
        (3, None),
        (4, "this is no JSON object."),
        (5, "this is not JSON."),
        (6, "the object has no `variables`: it is not one of mod_json_cdr."),
        (7, None),
        (8, "the object does not end: it was cut off."),
    ]


# ---------- Asterisk


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


# ---------- any CSV with a map


def test_the_documented_map_and_file(path: Path) -> None:
    option = re.search(r"`--map '(.*?)'`", (ROOT / "docs" / "files.md").read_text())
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


# ---------- times


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


# ---------- our own events


def test_the_documented_events_of_all_six_services(path: Path) -> None:
    rows = read(path, documented("json", "ndjson"), UsageFormat.NDJSON)
    events = [event_of(row) for row in rows]
    assert events[0] == UsageEvent(
        source="switch",
        event_id="c-1",
        occurred_at=datetime(2026, 3, 1, 9, 0, 8, tzinfo=UTC),
        usage=Call(
            direction=Direction.OUTBOUND,
            from_="1002",
            to="+442079460000",
            duration_seconds=83,
            quality_tenths=44,
        ),
        office=OfficeReference(slug="portland"),
        member=DirectoryReference("u-1"),
    )
    assert [event.usage for event in events[1:]] == [
        Message(
            direction=Direction.OUTBOUND,
            traffic=Traffic.P2P,
            from_="+15035550100",
            to="+15035550177",
            segment_count=1,
            encoding=Encoding.GSM_7,
        ),
        Message(
            direction=Direction.INBOUND,
            traffic=Traffic.P2P,
            is_mms=True,
            segment_count=1,
            media_count=1,
            from_="+15035550177",
            to="+15035550100",
        ),
        Fax(
            direction=Direction.INBOUND,
            from_="+442079460000",
            to="+15035550101",
            page_count=5,
            status=FaxStatus.COMPLETED,
        ),
        AiAgentSession(mode=AiAgentMode.VOICE, session_count=1, skills_triggered=("opening hours",)),
        Session(service=Service.SPEECH_IVR, duration_seconds=40),
        Session(service=Service.OMNICHANNEL, session_count=2, channel="web chat"),
    ]
    assert events[3].occurred_at == datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def event_json(**changes: Any) -> str:
    call = {"direction": "OUTBOUND", "from": "1", "to": "2", "durationSeconds": 5}
    call |= changes.pop("call", {})
    event = {"eventId": "e", "occurredAt": "2026-03-01T09:00:00Z", "usage": {"call": call}, **changes}
    return json.dumps(event) + "\n"


def test_notes_and_references_of_an_event(path: Path) -> None:
    location = {"countryCode": "GB", "city": "London"}
    text = event_json(
        call={"location": location, "callId": "ref"},
        office={"id": f"off_{'0' * 31}1"},
        group={"externalId": "q", "name": "Support"},
        contact=None,
    )
    [row] = read(path, text, UsageFormat.NDJSON)
    assert call_of(row).location == CallLocation(country_code="GB", city="London")
    office = event_of(row).office
    assert office is not None
    assert office.id is not None
    assert office.id.int == 1
    assert event_of(row).group == DirectoryReference("q", "Support")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "this line is not one JSON object."),
        ("[" * 100_000, "this line is not one JSON object."),
        ('{"eventId": ' + "9" * 5_000 + "}", "this line is not one JSON object."),
        ('{"eventId": NaN}', "this line is not one JSON object."),
        ("[]", "the line is not an object."),
        ('{"eventId":"a","eventId":"b"}', "the field 'eventId' stands twice."),
        ("{}", "eventId is missing."),
        (event_json(eventID="x"), "there is no field 'eventID': did you mean eventId?"),
        (
            event_json(call={"duration": 5}),
            "there is no field 'usage.call.duration': did you mean durationSeconds?",
        ),
        (event_json(eventId=7), "eventId is not text in quotes."),
        (event_json(eventId="é"), "eventId: `eventId` must be 1 to 255 printable ASCII characters."),
        (
            event_json(occurredAt="2026-03-01T09:00:00"),
            "occurredAt '2026-03-01T09:00:00' is not RFC 3339 with an offset, as in 2026-01-31T23:59:59Z.",
        ),
        (
            event_json(occurredAt="2026-02-30T09:00:00Z"),
            "occurredAt '2026-02-30T09:00:00Z' is not a time, as 2026-01-31 23:59:59 would be.",
        ),
        (
            event_json(call={"durationSeconds": 1.5}),
            "usage.call.durationSeconds is not a whole number from 0 to 604800.",
        ),
        (
            event_json(call={"durationSeconds": True}),
            "usage.call.durationSeconds is not a whole number from 0 to 604800.",
        ),
        (event_json(call={"direction": "UP"}), "usage.call.direction is not one of INBOUND, OUTBOUND."),
        (event_json(call={"direction": []}), "usage.call.direction is not one of INBOUND, OUTBOUND."),
        (event_json(call={"to": None}), "usage.call.to is missing."),
        (event_json(call={"to": "\ud800"}), "usage.call.to: Control characters do not belong here."),
        (
            event_json(call={"quality": "5.1"}),
            "quality '5.1' is not a mean opinion score from 1.0 to 5.0.",
        ),
        (
            event_json(usage={}),
            "usage needs exactly one of call, message, fax, aiAgent, speechIvr, omnichannel.",
        ),
        (
            event_json(usage={"speechIvr": {}, "omnichannel": {}}),
            "usage needs exactly one of call, message, fax, aiAgent, speechIvr, omnichannel.",
        ),
        (event_json(office={"slug": "a", "id": "b"}), "office.id is not the id of an office."),
        (event_json(office={}), "office needs exactly one of id, slug, phoneNumber."),
        (event_json(member="u-1"), "member is not an object."),
    ],
)
def test_an_event_the_api_would_refuse_is_reported(path: Path, line: str, problem: str) -> None:
    rows = read(path, f"{line.strip()}\n{event_json()}", UsageFormat.NDJSON)
    assert [(row.line, row.problem) for row in rows] == [(1, problem), (2, None)]


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


# ---------- the reader itself


def test_progress_goes_from_nothing_to_the_whole_file(path: Path) -> None:
    path.write_text(event_json() * 3)
    reader = read_usage(path, format=UsageFormat.NDJSON, source="switch")
    assert (reader.bytes_read, reader.total_bytes) == (0, total_bytes(path))
    seen = [reader.bytes_read for _ in reader]
    assert seen == [len(event_json()) * count for count in (1, 2, 3)]
    assert len(list(reader)) == 3
    assert reader.bytes_read == reader.total_bytes


def test_what_no_record_could_make_good_is_refused_at_once(path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_usage(path, format=UsageFormat.NDJSON, source="switch")
    path.write_text("x")
    with pytest.raises(InvalidInput, match="--map"):
        read_usage(path, format=UsageFormat.CSV, source="switch")
    with pytest.raises(InvalidInput, match="source"):
        read_usage(path, format=UsageFormat.NDJSON, source="")
    with pytest.raises(InvalidInput, match="for AI_AGENT use ndjson"):
        read_mapped(path, "", MAP, service=Service.AI_AGENT)
    with pytest.raises(InvalidInput, match="is empty"):
        read_mapped(path, "")


# ---------- the real files


def real(name: str, format: UsageFormat, **options: Any) -> UsageReader:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the real input file {name} is not on this machine")
    return read_usage(path, format=format, source="real", **options)


def test_the_real_calls_come_to_83957_minutes() -> None:
    column_map = parse_column_map("from=call_num,to=rec_num,occurred_at=start,duration=duration")
    rows = list(real("udacity_calls.csv", UsageFormat.CSV, time_zone="Asia/Kolkata", column_map=column_map))
    assert len(rows) == len({event_of(row).event_id for row in rows}) == 5_213
    assert sum(-(-call_of(row).duration_seconds // 60) for row in rows) == 83_957
    assert event_of(rows[0]).occurred_at == datetime(2016, 9, 1, 0, 31, 12, tzinfo=UTC)


def test_the_real_texts_have_one_row_twice() -> None:
    column_map = parse_column_map("from=sending_telephone,to=receiving_telephone,occurred_at=timestamp,traffic:=P2P")
    reader = real(
        "udacity_texts.csv",
        UsageFormat.CSV,
        time_zone="Asia/Kolkata",
        service=Service.MESSAGING,
        column_map=column_map,
    )
    rows = list(reader)
    assert len(rows) == 9_072
    assert len({event_of(row).event_id for row in rows}) == 9_071


def test_the_real_asterisk_file() -> None:
    rows = list(real("asterisk_master_kelysaina.csv", UsageFormat.ASTERISK, time_zone="UTC"))
    assert len({event_of(row).event_id for row in rows}) == 14
    assert [call_of(row).duration_seconds for row in rows[:4]] == [13, 0, 13, 18]


def test_the_real_freeswitch_file_has_one_uuid_three_times_once_otherwise() -> None:
    rows = list(real("freeswitch_master_kxingyun.csv", UsageFormat.FREESWITCH, time_zone="Asia/Shanghai"))
    ids = [event_of(row).event_id for row in rows]
    assert (len(ids), len(set(ids))) == (10, 8)


def test_the_real_json_record() -> None:
    [row] = real("somleng_freeswitch_cdr.json", UsageFormat.FREESWITCH)
    assert call_of(row).direction is Direction.INBOUND
    assert (call_of(row).from_, call_of(row).to) == ("+85516234567", "1294")
    assert (call_of(row).duration_seconds, call_of(row).quality_tenths) == (3, 45)
    assert event_of(row).occurred_at == datetime(2022, 7, 6, 8, 50, 4, tzinfo=UTC)
