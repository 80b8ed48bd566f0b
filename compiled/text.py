"""The text of a function, and what its names stand for. The same text is compiled once, whoever needs it."""

from collections.abc import Callable
from functools import lru_cache
from itertools import count
from types import CodeType
from typing import Any

MAX_TEXTS = 4_096
"""Kept compiled, some 3 kB each."""


class Text:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self._numbers = count()

    def name(self, thing: Any, stem: str) -> str:
        """By which the function knows it."""
        made = f"{stem}{next(self._numbers)}"
        self.names[made] = thing
        return made

    def write(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]

    def function(self) -> Callable[..., Any]:
        """The one that is called `made`."""
        exec(_code("\n".join(self.lines)), self.names)  # noqa: S102
        made: Callable[..., Any] = self.names["made"]
        return made


@lru_cache(MAX_TEXTS)
def _code(text: str) -> CodeType:
    return compile(text, "<compiled>", "exec")
