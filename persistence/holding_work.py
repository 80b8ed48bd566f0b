"""One transaction that authorizes usage: see `domain.hold_work.HoldWork`."""

from persistence.unit import Unit


class HoldingWork(Unit):
    pass
