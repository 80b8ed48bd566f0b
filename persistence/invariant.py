"""What one statement of `verify` consists of (R41)."""

from typing import NamedTuple


class Invariant(NamedTuple):
    name: str
    """A sentence for the operator."""
    looked_at: str
    """How many rows it speaks of."""
    broken: str
    """The rows that break it: every column helps to find the place."""
