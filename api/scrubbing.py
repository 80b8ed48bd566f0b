"""The last defence of the log: what looks like a phone number, a token or a key leaves no process in it.

Nothing of the kind is meant to be logged in the first place. But texts of exceptions are written by others, and a
caller may name his operation as he likes.
"""

import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.exc import DBAPIError

HIDDEN = "***"
MOST_TOLD = 300
"""Characters of one exception's text. Those of others may hold a whole input."""
_MOST_NESTED = 6
_MOST_CHAINED = 8

_SECRET = re.compile(
    r"""
    (?P<scheme> \b(?: bearer | basic )\s+ ) [\w.~+/=-]{6,}
  | (?P<signing> whsec_ ) [\w+/=-]+
  | (?P<prefix> \b(?: fbx | sk | rk )_ ) [\w-]{4,}
  | (?P<download> /exports/ ) [\w=-]+                                            # a link is as good as its file
  | \b eyJ [\w-]{5,} \. [\w-]+ (?: \. [\w-]* )?                                   # a JSON Web Token
  | (?P<name> \b(?: [\w-]*authorization | cookie | password | passwd | [\w-]*secret | [\w-]*token | api[_-]?key )
      ["']? \s* [:=] \s* ["']? (?: (?: bearer | basic ) \s+ )? ) [^\s"',;&}\])]+
  | (?P<login> :// [^\s:/@]{0,100} : ) [^\s/]+ (?= @ )
  | (?P<plus> (?: [+\uff0b] | %2B ) ) (?: (?: [ \t\u00a0\u2000-\u2015\u202f\u2060()./-] | %20 ){0,3} \d ){7,15}
                                                                                # E.164, written with pauses too
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SECRET_KEYS = re.compile("authorization|cookie|password|secret|token|api_?key", re.IGNORECASE)
_KEPT = ("scheme", "signing", "prefix", "download", "name", "login", "plus")
_ROW_VALUES = re.compile(r"\s*(?:DETAIL|CONTEXT|HINT):.*?(?=\n\[SQL:|\Z)", re.DOTALL)
"""PostgreSQL tells the row that broke a rule, values and all."""


def scrubbed(text: str) -> str:
    return _SECRET.sub(_hide, text)


def _hide(match: re.Match[str]) -> str:
    return next((match[name] for name in _KEPT if match[name]), "") + HIDDEN


def scrubbed_values(found: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
    """The same of every text in it; what stands under a secret's name is hidden whole."""
    texts = {str(key): value for key, value in found.items()}
    return {key: HIDDEN if _names_a_secret(key, value) else _clean(value, depth) for key, value in texts.items()}


def _names_a_secret(key: str, value: Any) -> bool:
    return isinstance(value, str | bytes) and _SECRET_KEYS.search(key) is not None


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return scrubbed(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _MOST_NESTED:
        return HIDDEN
    if isinstance(value, Mapping):
        return scrubbed_values(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(each, depth + 1) for each in value]
    return scrubbed(str(value))


def told(error: BaseException) -> str:
    """A traceback with what it came from, without local variables and without the values of rows."""
    return scrubbed("\n".join(_parts(error, _MOST_CHAINED)))


def _parts(error: BaseException, most: int) -> Iterator[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and most > 0:
        yield from _parts(before, most - 1)
        yield "and then:"
    if isinstance(error, BaseExceptionGroup) and most > 0:
        for each in error.exceptions[:_MOST_CHAINED]:
            yield from _parts(each, most - 1)
            yield "in a group:"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip() or "(no traceback)"
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_text_of(error)}"


def _text_of(error: BaseException) -> str:
    """Of a database's error what it says, not the statement: that may be pages long."""
    text = str(error.orig if isinstance(error, DBAPIError) and error.orig is not None else error)
    return _ROW_VALUES.sub("", text)[:MOST_TOLD]
