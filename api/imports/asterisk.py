"""Asterisk's call records: Master.csv as cdr_csv writes it, and as the sample of cdr_custom does.

They differ in where the account code and the caller's name stand, so the layout of a row is told by where its
start and end times are. Asterisk numbers the records of one channel: (uniqueid, sequence) is one record.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from api.imports.fields import AddressReader, BadField, read_key, read_seconds, row_hash
from api.imports.times import TimeReader
from domain.catalogue import Direction
from domain.usage import Call, UsageEvent

ANSWERED = "ANSWERED"

_STAMP = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}.*", re.ASCII)
_SEQUENCE = re.compile(r"\d{1,10}", re.ASCII)
_FIELDS_WITH_SEQUENCE = 19
_UNIQUE_ID = re.compile(r"(?:.+-)?\d{6,}\.\d+", re.ASCII)


class _Layout(NamedTuple):
    """Where things stand in a row. Between start and end stands the answer, after the end duration and billsec."""

    source: int
    destination: int
    start: int
    unique_id: int
    least_fields: int


_LAYOUTS = (
    # accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,billsec,
    # disposition,amaflags[,uniqueid[,userfield[,peeraccount,linkedid,sequence]]]
    _Layout(source=1, destination=2, start=9, unique_id=16, least_fields=16),
    # clid,src,dst,dcontext,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,billsec,
    # disposition,amaflags,accountcode,uniqueid,userfield[,sequence]
    _Layout(source=1, destination=2, start=8, unique_id=16, least_fields=15),
)


class AsteriskReader:
    """Makes an event of one row. Raises BadField."""

    def __init__(self, *, source: str, times: TimeReader, address: AddressReader, direction: Direction) -> None:
        times.require_zone()
        self._source = source
        self._times = times
        self._address = address
        self._direction = direction

    def read(self, fields: Sequence[str]) -> UsageEvent:
        layout = _layout_of(fields)
        answer, duration, disposition = (fields[layout.start + step].strip() for step in (1, 4, 5))
        unique_id = _unique_id(fields, layout)
        is_answered = disposition.upper() == ANSWERED
        began = answer if is_answered and answer else fields[layout.start]
        return UsageEvent(
            source=self._source,
            event_id=_event_id(fields, unique_id),
            occurred_at=self._times.read(began),
            usage=Call(
                direction=self._direction,
                from_=self._address(fields[layout.source], "from"),
                to=self._address(fields[layout.destination], "to"),
                duration_seconds=read_seconds(duration, "billsec") if is_answered else 0,
                call_id=unique_id,
            ),
        )


def _layout_of(fields: Sequence[str]) -> _Layout:
    for layout in _LAYOUTS:
        if len(fields) < layout.least_fields:
            continue
        start, end = fields[layout.start].strip(), fields[layout.start + 2].strip()
        if _STAMP.fullmatch(start) and _STAMP.fullmatch(end):
            return layout
    raise BadField("this is no Asterisk record: start and end stand in columns 9 and 11 or 10 and 12.")


def _unique_id(fields: Sequence[str], layout: _Layout) -> str | None:
    text = fields[layout.unique_id].strip() if len(fields) > layout.unique_id else ""
    return read_key(text) if _UNIQUE_ID.fullmatch(text) else None


def _event_id(fields: Sequence[str], unique_id: str | None) -> str:
    """A queue rings several phones under one uniqueid: without the sequence the answered call would be lost."""
    if unique_id is None:
        return row_hash(fields)
    sequence = fields[-1].strip() if len(fields) >= _FIELDS_WITH_SEQUENCE else ""
    return read_key(f"{unique_id}/{sequence}" if _SEQUENCE.fullmatch(sequence) else unique_id)
