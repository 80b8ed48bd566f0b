"""The columns of the usage history's file, and a line of it in SQL. docs/export.md says what each column means.

Amounts, rates and words are those of the GraphQL list, to the last digit.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from domain.catalogue import COMMITMENT_OF, RATE_UNITS, USAGE_UNITS, Direction, Service, WalletKind
from domain.explanation import sources_of
from domain.money import MICRO_DIGITS, NANO_DIGITS
from domain.public_ids import IdKind
from domain.usage import FaxStatus, MessageStatus
from domain.usage_records import AI_AGENT_MODES, UsageRecordState
from domain.waterfall import COMMITMENT_BIT, PLAN_BIT, UNIVERSAL_BIT
from persistence.line_words import Constant, Part, Words, quoted, shown_number

COLUMNS = (
    *("Time", "Office", "Member", "Group", "Contact", "Service", "Usage type", "Direction", "Phone number"),
    *("Duration seconds", "Quantity", "Unit", "Wallet sources", "Cost", "Currency", "Rate", "Rate unit"),
    *("Minimum seconds", "Increment seconds", "Connection fee", "Destination", "List price", "Plan quantity"),
    *("Plan amount", "Calling credits amount", "AI agent credits amount", "Universal credits amount"),
    *("Billing month", "Booked late", "State", "From", "From URI", "To", "To URI"),
    *("Transaction ID", "Country", "Region", "City", "Billed seconds", "Quality"),
    *("Segments", "Encoding", "Media count", "Delivery status"),
    *("Fax line", "Pages", "Fax status"),
    *("AI agent mode", "Skills", "Actions", "Channel", "Sessions"),
    *("Recorded time", "Record ID", "Reverses record ID", "Source", "Event ID"),
)
"""Names are kept for good, so that programs may read by them."""
LINE_END = Constant("\r\n")
BETWEEN = "; "
"""Between the skills, and between the actions, of one session."""

_COMMA, _NOTHING = Constant(","), Constant("")
_PARTLY_CALL, _PARTLY_MESSAGE, _PARTLY_FAX, _PARTLY_SESSION = 6, 4, 3, 5


class Row(NamedTuple):
    """SQL of what a line is made of beyond the charge's own columns, which are named `usage.…`."""

    occurred: str
    recorded: str
    office: str
    """The cell."""
    member: str
    group: str
    contact: str
    from_: str
    """The cells of both ends."""
    to: str
    taken_back: str
    """Whether the charge was reversed before the file was asked for."""


def end_cell(words: Words, end: str) -> str:
    """`end` is `usage.from` or `usage.to`."""
    return _address(words, f"{end}_text", f"{end}_number")


def _address(words: Words, text: str, number: str) -> str:
    return f"CASE WHEN {number} <> '' THEN {shown_number(number)} ELSE {words.cell(text)} END"


def columns_of(words: Words, row: Row, currency: str) -> list[Part]:
    """SQL of every cell."""
    before, after = _around_details(words, row, currency)
    each = {service: _details(words, row, service) for service in Service}
    details = [
        _per_service({service: cells[at] for service, cells in each.items() if cells[at]})
        for at in range(len(COLUMNS) - len(before) - len(after))
    ]
    return [*before, *details, *after]


def line_of(words: Words, row: Row, currency: str) -> str:
    """SQL of a line as one text, without its end."""
    before, after = _around_details(words, row, currency)
    details = _per_service({service: words.joined(_parts(_details(words, row, service))) for service in Service})
    return words.joined(_parts([*before, details, *after]))


def _around_details(words: Words, row: Row, currency: str) -> tuple[list[Part], list[Part]]:
    before = [*_who(words, row), *_money(words, currency), *_booking(words, row), *_ends(row)]
    return before, _origin(words, row)


def _parts(cells: Sequence[Part]) -> list[Part]:
    return [part for cell in cells for part in (_COMMA, cell)][1:]


def _per_service(said: Mapping[Service, str]) -> str:
    return f"CASE usage.service {' '.join(f'WHEN {quoted(name.value)} THEN {sql}' for name, sql in said.items())} END"


def _who(words: Words, row: Row) -> list[Part]:
    own = f"CASE WHEN usage.direction = {quoted(Direction.OUTBOUND.value)} THEN {row.from_}"
    return [
        *(words.whole_moment(row.occurred), row.office, row.member, row.group, row.contact),
        *("usage.service", "usage.usage_type", "usage.direction"),
        f"{own} WHEN usage.direction <> '' THEN {row.to} END",
        *("usage.duration_seconds", "usage.quantity"),
        _per_service({service: quoted(USAGE_UNITS[service].value) for service in Service}),
    ]


def _money(words: Words, currency: str) -> list[Part]:
    def paid(bit: int, column: str, family: WalletKind | None = None) -> str:
        services = [service.value for service, kind in COMMITMENT_OF.items() if kind is family]
        narrowed = f" AND usage.service IN ({', '.join(map(quoted, services))})" if family else ""
        amount = words.decimal(f"usage.{column}", MICRO_DIGITS)
        return f"CASE WHEN usage.sources & {bit} <> 0{narrowed} THEN {amount} END"

    is_call = f"usage.service = {quoted(Service.CALLING.value)}"
    whole = f"CASE WHEN usage.sources = {PLAN_BIT} THEN usage.quantity ELSE usage.plan_quantity END"
    fee = words.decimal("usage.connection_fee_micros", MICRO_DIGITS)
    return [
        _sources(),
        words.decimal("usage.cost_micros", MICRO_DIGITS),
        Constant(currency),
        words.decimal("usage.rate_nanos", NANO_DIGITS),
        _per_service({service: quoted(RATE_UNITS[USAGE_UNITS[service]].value) for service in Service}),
        f"CASE WHEN {is_call} THEN usage.first_seconds END",
        f"CASE WHEN {is_call} THEN usage.next_seconds END",
        f"CASE WHEN usage.connection_fee_micros <> 0 THEN {fee} END",
        words.cell("usage.destination"),
        words.decimal("usage.list_price_micros", MICRO_DIGITS),
        f"CASE WHEN usage.sources & {PLAN_BIT} <> 0 THEN {whole} END",
        paid(PLAN_BIT, "plan_micros"),
        paid(COMMITMENT_BIT, "commitment_micros", WalletKind.CALLING),
        paid(COMMITMENT_BIT, "commitment_micros", WalletKind.AI_AGENT),
        paid(UNIVERSAL_BIT, "universal_micros"),
    ]


def _sources() -> str:
    """Who paid, by the three bits and the service."""

    def told(service: Service, bits: int) -> str:
        return quoted(" + ".join(source.value for source in sources_of(service, bits)))

    def one(bits: int) -> str:
        if not bits & COMMITMENT_BIT:
            return told(Service.CALLING, bits)
        return _per_service({service: told(service, bits) for service in COMMITMENT_OF})

    every = range(1, (PLAN_BIT | COMMITMENT_BIT | UNIVERSAL_BIT) + 1)
    return f"CASE usage.sources {' '.join(f'WHEN {bits} THEN {one(bits)}' for bits in every)} END"


def _booking(words: Words, row: Row) -> list[Part]:
    reversal, reversed_, charged = (
        quoted(state.value)
        for state in (UsageRecordState.REVERSAL, UsageRecordState.REVERSED, UsageRecordState.CHARGED)
    )
    state = f"WHEN usage.reverses_id IS NOT NULL THEN {reversal} WHEN {row.taken_back} THEN {reversed_} ELSE {charged}"
    return [
        words.month("usage.month"),
        "CASE WHEN usage.is_booked_late THEN 'yes' ELSE 'no' END",
        f"CASE {state} END",
    ]


def _ends(row: Row) -> list[Part]:
    uris = [f"CASE WHEN usage.{end}_number <> '' THEN 'tel:' || usage.{end}_number END" for end in ("from", "to")]
    return [row.from_, uris[0], row.to, uris[1]]


def _details(words: Words, row: Row, service: Service) -> list[Part]:
    """The side panel's facts: every service fills its own and leaves the rest empty. Counts are those of the usage
    itself, positive on a reversal too."""
    write = _WRITERS.get(service, _session)
    return write(words, row)


def _text(words: Words, *path: str) -> str:
    return words.cell(words.of_json("usage.details", *path))


def _transaction(words: Words, name: str) -> str:
    return words.cell(f"coalesce(nullif({words.of_json('usage.details', name)}, ''), usage.event_id)")


_COUNT = "abs(usage.quantity)"


def _call(words: Words, _row: Row) -> list[Part]:
    tenths = words.of_json("usage.details", "qualityTenths")
    return [
        _transaction(words, "callId"),
        *(_text(words, "location", name) for name in ("countryCode", "region", "city")),
        _COUNT,
        words.decimal(f"CAST({tenths} AS integer)", 1),
        *[_NOTHING] * (_PARTLY_MESSAGE + _PARTLY_FAX + _PARTLY_SESSION),
    ]


def _message(words: Words, _row: Row) -> list[Part]:
    status = words.of_json("usage.details", "deliveryStatus")
    return [
        _transaction(words, "messageId"),
        *[_NOTHING] * (_PARTLY_CALL - 1),
        _COUNT,
        words.of_json("usage.details", "encoding"),
        words.of_json("usage.details", "mediaCount"),
        f"coalesce({status}, {quoted(MessageStatus.UNKNOWN.value)})",
        *[_NOTHING] * (_PARTLY_FAX + _PARTLY_SESSION),
    ]


def _fax(words: Words, row: Row) -> list[Part]:
    kind, text, number = (words.of_json("usage.details", "faxLine", name) for name in ("kind", "text", "number"))
    own = f"WHEN usage.direction = {quoted(Direction.OUTBOUND.value)} THEN {row.from_} ELSE {row.to}"
    status = words.of_json("usage.details", "status")
    return [
        _transaction(words, "faxId"),
        *[_NOTHING] * (_PARTLY_CALL - 1 + _PARTLY_MESSAGE),
        f"CASE WHEN {kind} IS NOT NULL THEN {_address(words, text, number)} {own} END",
        _COUNT,
        f"coalesce({status}, {quoted(FaxStatus.UNKNOWN.value)})",
        *[_NOTHING] * _PARTLY_SESSION,
    ]


def _ai_agent(words: Words, _row: Row) -> list[Part]:
    modes = " ".join(f"WHEN {quoted(name.value)} THEN {quoted(mode.value)}" for name, mode in AI_AGENT_MODES.items())
    lists = [words.list_of_json("usage.details", name, BETWEEN) for name in ("skillsTriggered", "actionsExecuted")]
    return [
        _transaction(words, "conversationId"),
        *[_NOTHING] * (_PARTLY_CALL - 1 + _PARTLY_MESSAGE + _PARTLY_FAX),
        f"CASE usage.usage_type {modes} END",
        *map(words.cell, lists),
        _NOTHING,
        _COUNT,
    ]


def _session(words: Words, _row: Row) -> list[Part]:
    """Speech IVR and omnichannel."""
    return [
        _transaction(words, "sessionId"),
        *[_NOTHING] * (_PARTLY_CALL - 1 + _PARTLY_MESSAGE + _PARTLY_FAX + 3),
        _text(words, "channel"),
        _COUNT,
    ]


_WRITERS: Mapping[Service, Callable[[Words, Row], list[Part]]] = {
    Service.CALLING: _call,
    Service.MESSAGING: _message,
    Service.FAX: _fax,
    Service.AI_AGENT: _ai_agent,
}


def _origin(words: Words, row: Row) -> list[Part]:
    prefix = Constant(f"{IdKind.USAGE_RECORD.value}_")
    reverses = f"{quoted(prefix)} || {words.hexadecimal('usage.reverses_id')}"
    return [
        words.whole_moment(row.recorded),
        f"{quoted(prefix)} || {words.hexadecimal('usage.id')}",
        f"CASE WHEN usage.reverses_id IS NOT NULL THEN {reverses} END",
        words.cell("usage.source"),
        words.cell("usage.event_id"),
    ]
