"""FreeSWITCH's two kinds of call records: rows of cdr_csv, and objects of mod_json_cdr."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.imports.cdr import ReadRow, UsageFormat
from domain.catalogue import Direction
from domain.usage import Call, DirectoryReference, UsageEvent
from tests.api.import_words import call_of, documented, event_of, read


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
