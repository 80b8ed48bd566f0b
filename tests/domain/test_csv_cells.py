"""Texts as cells: nothing comes to life in a spreadsheet, and a program gets back what was written."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.csv_cells import number_cell, number_uri, text_cell

CELLS = """
    Front desk          | Front desk            | a name
    Zürich's depot 100% | Zürich's depot 100%   | what it holds inside does no harm
    1002                | 1002                  | an extension is the same number
    -0.100000           | -0.100000             | exactly a decimal
    12345678901         | 12345678901           | still shown digit by digit
    123456789012        | '123456789012         | shown as 1.23457E+11
    00441234            | '00441234             | zeros would be lost
    00                  | '00                   | so here
    0192e12             | '0192e12              | would be 1.92E+14
    1-2                 | '1-2                  | would be a date
    3/4                 | '3/4                  | so here
    12:30               | '12:30                | a time
    1.2.3               | '1.2.3                | a date in some languages
    415 555 0100        | '415 555 0100         | thousands in some languages
    10%                 | '10%                  | a percentage
    .5                  | '.5                   | a decimal, but not as we write them
    =1+1                | '=1+1                 | a formula
    +1+1                | '+1+1                 | so here
    -1-1                | '-1-1                 | and here
    @SUM(1)             | '@SUM(1)              | and here
    -                   | '-                    | not a decimal
    ＝1+1               | '＝1+1                | in full width
    ＋1415              | '＋1415               | so here
    +14155550100        | +1 4155550100         | exactly a phone number
    +14155550100x       | '+14155550100x        | not exactly
    +1415555010012345   | '+1415555010012345    | too long for one
    'quoted             | ''quoted              | so that one may always be taken away
    use_0192e3          | use_0192e3            | an id of ours
"""
QUOTED = {
    "Smith, John": '"Smith, John"',
    'say "yes"': '"say ""yes"""',
    "two\nlines": '"two\nlines"',
    " =1+1": "' =1+1",
    "\t=1+1": "\"'\t'=1+1\"",
    "\tx": '"\'\tx"',
    "\nx": '"\'\nx"',
    "\u200b=1+1": "'\u200b=1+1",
    "1,234": '"\'1,234"',
    " padded ": '" padded "',
    "=1;2": '"\'=1;2"',
    "x;=cmd|'/C calc'!A0;": "\"x;'=cmd|''/C calc'!A0;\"",
    'x; "+1': '"x; ""\'+1"',
    "x\n=1+1": '"x\n\'=1+1"',
    "x;'y": "\"x;''y\"",
    "a; b, c | -1": '"a; b, c | \'-1"',
    "\x00=1+1": "'\x00=1+1",
    "\u202a=1+1": "'\u202a=1+1",
}


@pytest.mark.parametrize("line", [line for line in CELLS.splitlines() if line.strip()], ids=str.strip)
def test_a_text_becomes_a_cell(line: str) -> None:
    text, cell, _why = (part.strip() for part in line.split("|"))
    assert text_cell(text) == cell


@pytest.mark.parametrize(("text", "cell"), QUOTED.items(), ids=repr)
def test_a_text_with_blanks_or_quotes_becomes_a_cell(text: str, cell: str) -> None:
    assert text_cell(text) == cell


def test_nothing_is_an_empty_cell() -> None:
    assert (text_cell(None), text_cell("")) == ("", "")


UNSEEN = r"\s\x00-\x1f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12),
    st.text("=+-@＝＋－＠'\" \t\r\n,;0123456789.eE/:%()ab\u200b\u00a0", min_size=1, max_size=8),
)


@given(TEXTS)
def test_one_apostrophe_taken_away_is_the_text_again(text: str) -> None:
    [[cell]] = csv.reader(io.StringIO(text_cell(text), newline=""), strict=True)
    is_phone_number = text.startswith("+") and cell.replace(" ", "") == text and cell.count(" ") == 1
    assert is_phone_number or _as_written(cell) == text


def _as_written(cell: str) -> str:
    """Without the apostrophe in front, and behind each separator: what docs/export.md tells programs to do."""
    return re.sub(r"^'|([;,|\t\r\n][" + UNSEEN + "\"]*)'", r"\1", cell)


@given(TEXTS)
def test_no_part_begins_like_a_formula_where_lines_are_split_elsewhere(text: str) -> None:
    """Without quotes: in the middle of a field many programs know none."""
    for part in re.split("[;,|\t\r\n]", text_cell(text))[1:]:
        assert not re.match(f'[{UNSEEN}"]*[=+@＝＋－＠-]', part)


@given(TEXTS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    [[cell]] = csv.reader(io.StringIO(text_cell(text), newline=""))
    head = cell.lstrip()[:1] or "x"
    is_number = cell.replace("-", "", 1).replace(".", "", 1).isdigit() or cell.replace(" ", "")[1:].isdigit()
    assert head not in "=+-@＝＋－＠" or is_number


@pytest.mark.parametrize(
    ("number", "cell"),
    [
        ("+14155550100", "+1 4155550100"),
        ("+442071838750", "+44 2071838750"),
        ("+3531234567", "+353 1234567"),
        ("+80012345678", "+800 12345678"),
        ("+2101234567", "+210 1234567"),
    ],
)
def test_a_number_has_a_blank_behind_its_calling_code(number: str, cell: str) -> None:
    assert number_cell(number) == cell
    assert number_uri(number) == f"tel:{number}"
