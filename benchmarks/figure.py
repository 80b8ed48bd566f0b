"""One way to state a figure: what was measured, beside what, round by round, and whether the bar is met."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

Work = Callable[[], Awaitable[float]]
"""Measures once, and returns the figure in its unit."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """`values` and `beside` are of the same rounds, and in the same unit."""

    what: str
    unit: str
    values: Sequence[float]
    against: str = ""
    """What `beside` was measured of: a floor or a peer."""
    beside: Sequence[float] = ()
    least: float | None = None
    most: float | None = None
    """The bar: of the ratio, or of the figure itself where nothing is beside it. Both None: told without a bar."""
    note: str = ""

    @property
    def value(self) -> float:
        return statistics.median(self.values)

    @property
    def ratios(self) -> list[float]:
        return sorted(one / other for one, other in zip(self.values, self.beside, strict=True))

    @property
    def judged(self) -> float:
        return statistics.median(self.ratios) if self.beside else self.value

    @property
    def verdict(self) -> str:
        if self.least is None and self.most is None:
            return "told"
        is_met = self.judged >= (self.least or 0) and (self.most is None or self.judged <= self.most)
        return "met" if is_met else "**missed**"

    @property
    def bar(self) -> str:
        sign, limit = ("≥", self.least) if self.least is not None else ("≤", self.most)
        return "" if limit is None else f"{sign} {limit:,g}{' ×' if self.beside else f' {self.unit}'}"

    @property
    def spread(self) -> str:
        found = self.ratios if self.beside else sorted(self.values)
        return f"{number(found[0])} to {number(found[-1])}"


@dataclass(frozen=True, kw_only=True)
class NotMeasured:
    what: str
    why: str


Row = Figure | NotMeasured


def number(value: float) -> str:
    """Three figures that count, or all in front of the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


async def interleaved(rounds: int, works: Mapping[str, Work]) -> dict[str, list[float]]:
    """Every work once a round; who goes first changes."""
    names = list(works)
    found: dict[str, list[float]] = {name: [] for name in names}
    for count in range(rounds):
        turn = count % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(await works[name]())
    return found
