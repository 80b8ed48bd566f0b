"""How each engine says the parts of a CSV line in SQL.

A text that could come to life in a spreadsheet, or needs quotes, is not written but left to `domain.csv_cells`: it
stands between two marks, as hexadecimal digits. So is a moment that lies where a zone's offsets were not looked up.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Protocol

from domain.csv_cells import LONG_CODES, SHORT_CODES
from persistence.tables import EPOCH, MICROSECOND

MARK = "\x01"
"""On both sides of what is left to others. No other cell has it: a text with control characters is left to others."""
TEXT, MOMENT = "t", "m"
"""What stands behind the first mark: hexadecimal digits of a text's UTF-8; or `zone:microseconds since 1970`."""

_SAFE = "A-Za-z0-9 _.:@+/-"
_SAFE_END = "A-Za-z0-9_.:@+/-"
_IN_NO_NUMBER = "B-DF-LNOQ-Zb-df-lnoq-z_@"
"""What neither a number nor a date, a time or an exponent has in it."""


class Constant(str):
    """A part that is the same in every line: itself, not SQL."""


Part = str
"""SQL, or a Constant. Null is an empty cell."""


class Words(Protocol):
    is_layered: bool
    """Whether parts that are used twice are worth a query of their own within the query."""

    def joined(self, parts: Sequence[Part]) -> str: ...
    def hexadecimal(self, id_: str) -> str: ...
    def decimal(self, number: str, digits: int) -> str: ...
    def month(self, number: str) -> str: ...
    def cell(self, text: str) -> str: ...
    def of_json(self, json: str, *path: str) -> str: ...
    def list_of_json(self, json: str, name: str, between: str) -> str: ...
    def moment(self, moment: datetime) -> str: ...
    def local(self, moment: str, offset: timedelta) -> str: ...
    def elsewhere(self, moment: str, zone: str) -> str: ...
    def whole_moment(self, local: str) -> str: ...


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def merged(parts: Iterable[Part]) -> list[Part]:
    """Neighbouring constants as one."""
    found: list[Part] = []
    for part in parts:
        if found and isinstance(part, Constant) and isinstance(found[-1], Constant):
            found[-1] = Constant(found[-1] + part)
        elif part:
            found.append(part)
    return found


def shown_number(number: str) -> str:
    """As `domain.csv_cells.number_cell` writes it."""
    short, long = (", ".join(map(quoted, codes)) for codes in (SHORT_CODES, LONG_CODES))
    cases = f"WHEN substr({number}, 2, 1) IN ({short}) THEN {_split(number, 2)}"
    cases += f" WHEN substr({number}, 2, 2) IN ({long}) THEN {_split(number, 3)}"
    return f"CASE {cases} ELSE {_split(number, 4)} END"


def _split(number: str, at: int) -> str:
    return f"substr({number}, 1, {at}) || ' ' || substr({number}, {at + 1})"


def offset_text(offset: timedelta) -> str:
    """`+01:00`."""
    return EPOCH.astimezone(timezone(offset)).isoformat()[19:]


class PostgresqlWords:
    is_layered = True
    _HARMLESS = (
        f"^(?:[A-Za-z](?:[{_SAFE}]*[{_SAFE_END}])?|[1-9][0-9]{{0,10}}"
        f"|[0-9][{_SAFE}]*[{_IN_NO_NUMBER}](?:[{_SAFE}]*[{_SAFE_END}])?)$"
    )

    def joined(self, parts: Sequence[Part]) -> str:
        said = (quoted(part) if isinstance(part, Constant) else part for part in merged(parts))
        return f"concat({', '.join(said)})"

    def hexadecimal(self, id_: str) -> str:
        return f"encode(uuid_send({id_}), 'hex')"

    def decimal(self, number: str, digits: int) -> str:
        """A product has the digits of its factors, zeros included."""
        return f"({number} * {10**-digits:.{digits}f})"

    def month(self, number: str) -> str:
        return f"overlay({number}::text placing '-' from 5 for 0)"

    def cell(self, text: str) -> str:
        left = f"E'\\x01{TEXT}' || encode(convert_to({text}, 'UTF8'), 'hex') || E'\\x01'"
        return f"CASE WHEN {text} ~ {quoted(self._HARMLESS)} THEN {text} WHEN {text} <> '' THEN {left} END"

    def of_json(self, json: str, *path: str) -> str:
        *outer, last = path
        return f"({json}{''.join(f' -> {quoted(name)}' for name in outer)} ->> {quoted(last)})"

    def list_of_json(self, json: str, name: str, between: str) -> str:
        elements = f"jsonb_array_elements_text({json} -> {quoted(name)}) WITH ORDINALITY AS element(value, place)"
        found = f"(SELECT string_agg(value, {quoted(between)} ORDER BY place) FROM {elements})"  # noqa: S608 - our own names
        return f"CASE WHEN jsonb_typeof({json} -> {quoted(name)}) = 'array' THEN {found} END"

    def moment(self, moment: datetime) -> str:
        return f"TIMESTAMPTZ '{moment.isoformat()}'"

    def local(self, moment: str, offset: timedelta) -> str:
        """With as many digits of a fraction as it has: `whole_moment` fills up."""
        there = f"({moment} AT TIME ZONE INTERVAL '{offset // timedelta(seconds=1)} seconds')"
        return f"replace({there}::text, ' ', 'T') || '{offset_text(offset)}'"

    def elsewhere(self, moment: str, zone: str) -> str:
        micros = f"(extract(epoch FROM {moment}) * 1000000)::bigint"
        return f"concat(E'\\x01{MOMENT}', {zone}, ':', {micros}, E'\\x01')"

    def whole_moment(self, local: str) -> str:
        """No moment that is elsewhere is as long as one with a fraction."""
        filled = f"rpad(left({local}, -6), 26, '0') || right({local}, 6)"
        return f"CASE WHEN octet_length({local}) <= 25 THEN {local} ELSE {filled} END"


class SqliteWords:
    is_layered = False

    def joined(self, parts: Sequence[Part]) -> str:
        parts = merged(parts)
        form = "".join(part.replace("%", "%%") if isinstance(part, Constant) else "%s" for part in parts)
        return f"printf({', '.join([quoted(form), *(part for part in parts if not isinstance(part, Constant))])})"

    def hexadecimal(self, id_: str) -> str:
        return f"lower(hex({id_}))"

    def decimal(self, number: str, digits: int) -> str:
        one, sign = 10**digits, f"CASE WHEN {number} < 0 THEN '-' ELSE '' END"
        parts = f"{sign}, abs({number}) / {one}, abs({number}) % {one}"
        return f"CASE WHEN {number} IS NOT NULL THEN printf('%s%d.%0{digits}d', {parts}) END"

    def month(self, number: str) -> str:
        return f"substr({number}, 1, 4) || '-' || substr({number}, 5)"

    def cell(self, text: str) -> str:
        is_safe = f"{text} NOT GLOB '*[^{_SAFE}]*' AND {text} NOT GLOB '* '"
        is_number = f"{text} GLOB '[1-9]*' AND {text} NOT GLOB '*[^0-9]*' AND length({text}) <= 11"
        begins = f"{text} GLOB '[A-Za-z]*' OR {text} GLOB '[0-9]*[{_IN_NO_NUMBER}]*' OR {is_number}"
        left = f"char(1) || '{TEXT}' || hex({text}) || char(1)"
        return f"CASE WHEN {is_safe} AND ({begins}) THEN {text} WHEN {text} <> '' THEN {left} END"

    def of_json(self, json: str, *path: str) -> str:
        return f"({json} ->> {quoted('.'.join(('$', *path)))})"

    def list_of_json(self, json: str, name: str, between: str) -> str:
        return f"(SELECT group_concat(value, {quoted(between)}) FROM json_each({json}, {quoted(f'$.{name}')}))"  # noqa: S608 - our own names

    def moment(self, moment: datetime) -> str:
        return str((moment - EPOCH) // MICROSECOND)

    def local(self, moment: str, offset: timedelta) -> str:
        seconds = f"{moment} / 1000000 + {offset // timedelta(seconds=1)}"
        fraction = f"CASE WHEN {moment} % 1000000 THEN printf('.%06d', {moment} % 1000000) ELSE '' END"
        there = f"strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch')"
        return f"{there} || {fraction} || '{offset_text(offset)}'"

    def elsewhere(self, moment: str, zone: str) -> str:
        return f"char(1) || '{MOMENT}' || {zone} || ':' || {moment} || char(1)"

    def whole_moment(self, local: str) -> str:
        return local
