"""Texts as cells of a CSV file (RFC 4180) that spreadsheet programs do not work out, and open unchanged by default.

A program that opens such a file takes `=1+1` for a formula, `+14155550100` and `00441234` for numbers, `3/4` for a
date. Whoever reports usage writes these texts, so none may come to life in somebody's spreadsheet. A text in danger
gets one apostrophe in front; a text that begins with one gets another: take one away and it is as it was.

Many programs split lines at semicolons or tabs and then know no quotes in the middle of a field. So the same is done
behind every separator and line break inside a text.
"""

import re
from functools import lru_cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

LINE_END = "\r\n"

_CACHED_NUMBERS = 65_536
_MOST_CODE_DIGITS = 3
_CODES = sorted(str(code) for code in COUNTRY_CODE_TO_REGION_CODE)
SHORT_CODES = [code for code in _CODES if len(code) == 1]
LONG_CODES = [code for code in _CODES if len(code) == 2]
"""Calling codes of one and of two digits. None begins like another; all others have three."""

_HARMLESS = re.compile(r"[A-Za-z](?:[A-Za-z0-9 _.:@+/-]*[A-Za-z0-9_.:@+/-])?")
"""Begins with a letter, so it is neither formula nor number; and nothing in it needs quotes."""
_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,10})(?:\.[0-9]+)?")
"""At most eleven digits before the point: with more, spreadsheets show an exponent, and beyond fifteen they round."""
_UNSEEN = "\\s\\x00-\\x1f\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_FORMULA = re.compile(f"[{_UNSEEN}]*[=+@＝＋－＠-]|[\t\r\n]")
"""Also behind blanks and invisible marks, and in full width: programs have looked through all of them."""
_INNER_FORMULA = re.compile(f"([;,|\t\r\n][{_UNSEEN}\"]*)(?=['=+@＝＋－＠-])")
"""Where a text would begin a new cell; also with an apostrophe there, so that one may always be taken away."""
_LIKE_A_NUMBER = re.compile(
    r"\s*(?:[0-9][0-9]*(?:[-/.:, \u00a0\u202f]+[0-9]+)*\s*(?:[eE][+-]?[0-9]+|%|[AaPp][Mm])?|\.[0-9]+)\s*"
)
"""Digits alone, and with what makes them a date, a time, a fraction, an exponent or a thousand."""
_QUOTED = re.compile(r'[",;\t\r\n]|^\s|\s$')


def text_cell(text: str | None) -> str:
    """A name, an id, a remark: whatever somebody else wrote. None is an empty cell."""
    if not text:
        return ""
    if _HARMLESS.fullmatch(text):
        return text
    if _PHONE_NUMBER.fullmatch(text):
        return number_cell(text)
    is_in_danger = _is_in_danger(text)
    text = _INNER_FORMULA.sub(r"\1'", text)
    if is_in_danger:
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _is_in_danger(text: str) -> bool:
    if _DECIMAL.fullmatch(text):
        return False
    return text.startswith("'") or _FORMULA.match(text) is not None or _LIKE_A_NUMBER.fullmatch(text) is not None


@lru_cache(maxsize=_CACHED_NUMBERS)
def number_cell(e164: str) -> str:
    """`+1 4155550100`: with a blank behind the calling code it stays text in every program and language.

    Without one it becomes the number 14155550100. Groups of three digits would be thousands where people write them
    with blanks, and hyphens would make a subtraction of it.
    """
    for length in range(1, _MOST_CODE_DIGITS + 1):
        if int(e164[1 : 1 + length]) in COUNTRY_CODE_TO_REGION_CODE:
            return f"{e164[: 1 + length]} {e164[1 + length :]}"
    return f"{e164[: 1 + _MOST_CODE_DIGITS]} {e164[1 + _MOST_CODE_DIGITS :]}"


def number_uri(e164: str) -> str:
    """`tel:+14155550100` (RFC 3966): the number for programs, and text to every spreadsheet."""
    return f"tel:{e164}"
