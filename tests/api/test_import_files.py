"""The reader of usage files: its progress, what it refuses at once, and what real files come to."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.imports.cdr import UsageFormat, UsageReader, read_usage, total_bytes
from api.imports.column_map import parse_column_map
from domain.catalogue import Direction, Service
from domain.errors import InvalidInput
from tests.api.import_words import MAP, call_of, event_json, event_of, read_mapped, real_file


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


def real(name: str, format: UsageFormat, **options: Any) -> UsageReader:
    return read_usage(real_file(name), format=format, source="real", **options)


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
