"""What one transaction about holds can do: kept by `persistence`."""

from typing import Protocol

from domain.works import ChargeWork


class HoldWork(ChargeWork, Protocol):
    """Usage is authorized before it happens."""
