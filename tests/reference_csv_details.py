"""The side panel's facts as cells: every service fills its own and leaves the rest empty."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.catalogue import Direction, Service
from domain.csv_cells import number_cell, text_cell
from domain.money import decimal_text
from domain.usage import FaxStatus, MessageStatus
from domain.usage_records import AI_AGENT_MODES

BETWEEN = "; "
"""Between the skills, and between the actions, of one session."""

_CALL, _MESSAGE, _FAX = [""] * 5, [""] * 4, [""] * 3
_MODES = {usage_type.value: mode.value for usage_type, mode in AI_AGENT_MODES.items()}

Details = Mapping[str, Any]


def detail_cells(row: Any) -> Sequence[str]:
    """Counts are those of the usage itself, positive on a reversal too."""
    return _WRITERS.get(row.service, _session)(row, row.details)


def address_cell(text: str | None, number: str | None) -> str:
    return number_cell(number) if number else text_cell(text)


def _call(row: Any, details: Details) -> Sequence[str]:
    location, tenths = details.get("location") or {}, details.get("qualityTenths")
    return (
        text_cell(details.get("callId") or row.event_id),
        text_cell(location.get("countryCode")),
        text_cell(location.get("region")),
        text_cell(location.get("city")),
        str(abs(row.quantity)),
        "" if tenths is None else decimal_text(tenths, 1),
        *("", "", "", "", "", "", "", "", "", "", "", ""),
    )


def _message(row: Any, details: Details) -> Sequence[str]:
    media_count = details.get("mediaCount")
    return (
        text_cell(details.get("messageId") or row.event_id),
        *_CALL,
        str(abs(row.quantity)),
        details.get("encoding") or "",
        "" if media_count is None else str(media_count),
        details.get("deliveryStatus") or MessageStatus.UNKNOWN.value,
        *("", "", "", "", "", "", "", ""),
    )


def _fax(row: Any, details: Details) -> Sequence[str]:
    line = details.get("faxLine")
    if line:
        fax_line = address_cell(line.get("text"), line.get("number"))
    elif row.direction == Direction.OUTBOUND:
        fax_line = address_cell(row.from_text, row.from_number)
    else:
        fax_line = address_cell(row.to_text, row.to_number)
    return (
        text_cell(details.get("faxId") or row.event_id),
        *_CALL,
        *_MESSAGE,
        fax_line,
        str(abs(row.quantity)),
        details.get("status") or FaxStatus.UNKNOWN.value,
        *("", "", "", "", ""),
    )


def _ai_agent(row: Any, details: Details) -> Sequence[str]:
    return (
        text_cell(details.get("conversationId") or row.event_id),
        *_CALL,
        *_MESSAGE,
        *_FAX,
        _MODES[row.usage_type],
        text_cell(BETWEEN.join(details.get("skillsTriggered") or ())),
        text_cell(BETWEEN.join(details.get("actionsExecuted") or ())),
        "",
        str(abs(row.quantity)),
    )


def _session(row: Any, details: Details) -> Sequence[str]:
    """Speech IVR and omnichannel."""
    return (
        text_cell(details.get("sessionId") or row.event_id),
        *_CALL,
        *_MESSAGE,
        *_FAX,
        *("", "", ""),
        text_cell(details.get("channel")),
        str(abs(row.quantity)),
    )


_WRITERS: Mapping[str, Callable[[Any, Details], Sequence[str]]] = {
    Service.CALLING.value: _call,
    Service.MESSAGING.value: _message,
    Service.FAX.value: _fax,
    Service.AI_AGENT.value: _ai_agent,
}
