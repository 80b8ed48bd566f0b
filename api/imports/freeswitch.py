"""FreeSWITCH's call records: the fifteen fields of cdr_csv's `example` template, and the objects of mod_json_cdr.

FreeSWITCH speaks of the direction of a leg, seen from the switch; a charge speaks of the call, seen from the
office. `office_direction` is the whole translation. Record one leg of a call (`legs` = a): each has a uuid.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from api.imports.fields import (
    AddressReader,
    BadField,
    quality_tenths,
    read_directory,
    read_key,
    read_seconds,
)
from api.imports.times import TimeReader
from domain.catalogue import Direction
from domain.usage import Call, DirectoryReference, UsageEvent

CSV_FIELDS = 15

_NUMBER, _DESTINATION, _START, _ANSWER, _BILLED, _UUID = 1, 2, 4, 5, 8, 10


class FreeswitchReader:
    """Makes an event of one record. `direction` None: as the record says, OUTBOUND where it does not."""

    def __init__(self, *, source: str, times: TimeReader, address: AddressReader, direction: Direction | None) -> None:
        self._source = source
        self._times = times
        self._address = address
        self._direction = direction

    def read_fields(self, fields: Sequence[str]) -> UsageEvent:
        """One row of cdr_csv. Raises BadField."""
        if len(fields) != CSV_FIELDS:
            raise BadField(f"a row of cdr_csv has {CSV_FIELDS} fields, this one {len(fields)}.")
        return UsageEvent(
            source=self._source,
            event_id=read_key(fields[_UUID].strip()),
            occurred_at=self._times.read(fields[_ANSWER].strip() or fields[_START]),
            usage=Call(
                direction=self._direction or Direction.OUTBOUND,
                from_=self._address(fields[_NUMBER], "from"),
                to=self._address(fields[_DESTINATION], "to"),
                duration_seconds=read_seconds(fields[_BILLED].strip(), "billsec"),
            ),
        )

    def read_object(self, record: Mapping[str, Any]) -> UsageEvent:
        """One object of mod_json_cdr. Raises BadField."""
        variables = _variables(record)
        profile = _caller_profile(record)
        direction = self._direction or office_direction(variables)
        from_ = _first(profile.get("caller_id_number"), variables.get("sip_from_user"))
        to = _first(profile.get("destination_number"), variables.get("sip_req_user"))
        return UsageEvent(
            source=self._source,
            event_id=read_key(_first(variables.get("uuid"), profile.get("uuid"))),
            occurred_at=self._times.read(_began(variables)),
            usage=Call(
                direction=direction,
                from_=self._address(from_, "from"),
                to=self._address(to, "to"),
                duration_seconds=read_seconds(variables.get("billsec", ""), "billsec"),
                quality_tenths=_quality(variables.get("rtp_audio_in_mos", "")),
            ),
            member=_member(variables),
        )


def office_direction(variables: Mapping[str, str]) -> Direction:
    """The call as the office sees it.

    1. `call_direction`, where a dial plan sets it, is taken at its word.
    2. A leg into the switch is OUTBOUND when a user of the switch placed it (`user_name` or
       `sip_auth_username` is set), else INBOUND: it came from a carrier.
    3. A leg out of the switch is INBOUND when it rings a user (`dialed_user` is set), else OUTBOUND.
    """
    said = variables.get("call_direction", "").upper()
    if said in tuple(Direction):
        return Direction(said)
    leg = variables.get("direction", "")
    if leg == "inbound":
        return Direction.OUTBOUND if _user(variables) else Direction.INBOUND
    if leg == "outbound":
        return Direction.INBOUND if variables.get("dialed_user") else Direction.OUTBOUND
    raise BadField("the record has no direction: give --direction.")


def _variables(record: Mapping[str, Any]) -> dict[str, str]:
    """mod_json_cdr percent-encodes every value unless told not to; a number's + survives both."""
    variables = record.get("variables")
    if not isinstance(variables, dict):
        raise BadField("the object has no `variables`: it is not one of mod_json_cdr.")
    return {key: unquote(str(value)) for key, value in variables.items()}


def _caller_profile(record: Mapping[str, Any]) -> Mapping[str, Any]:
    flow = record.get("callflow")
    latest = flow[0] if isinstance(flow, list) and flow else flow
    profile = latest.get("caller_profile") if isinstance(latest, dict) else None
    return profile if isinstance(profile, dict) else {}


def _first(*values: object) -> str:
    return next((str(value).strip() for value in values if value), "")


def _began(variables: Mapping[str, str]) -> str:
    """The answer, else the start; epochs are preferred, because the stamps beside them are local time."""
    for moment in ("answer", "start"):
        epoch = variables.get(f"{moment}_epoch", "")
        if epoch.strip("0"):
            return epoch
        if variables.get(f"{moment}_stamp"):
            return variables[f"{moment}_stamp"]
    raise BadField("the record has neither answer_epoch nor start_epoch.")


def _user(variables: Mapping[str, str]) -> str:
    return variables.get("user_name") or variables.get("sip_auth_username") or ""


def _member(variables: Mapping[str, str]) -> DirectoryReference | None:
    """The switch's own user who placed the call or was rung (R17)."""
    rung = variables.get("dialed_user", "") if variables.get("direction") == "outbound" else ""
    return read_directory(rung or _user(variables), "", "member")


def _quality(text: str) -> int | None:
    """A note: a score that is none is left out, the call is charged all the same."""
    try:
        return quality_tenths(text)
    except BadField:
        return None
