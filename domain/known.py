"""What came under the keys of a batch before: charged, rejected and kept, held (R12, R23, R28)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from domain.holds import Hold
from domain.usage import RejectionCode, UsageEvent


class KnownCharge(NamedTuple):
    """What is recorded under a key already."""

    id: UUID
    fingerprint: bytes
    details: Mapping[str, Any]


class KnownRejection(NamedTuple):
    """A rejection that is kept under a key."""

    id: UUID
    office_id: UUID
    attempt_count: int
    code: RejectionCode


class Known(NamedTuple):
    """What came under the keys of a batch before."""

    charges: dict[tuple[str, str], KnownCharge]
    rejections: dict[tuple[str, str], KnownRejection]
    holds: Mapping[tuple[str, str], Hold] = MappingProxyType({})
    """Active ones of the offices that are charged (R28). What another office holds under a key expires by itself."""

    def of_office(self, office_id: UUID, events: Sequence[UsageEvent]) -> "Known":
        """As it is now, for one office's part of the batch."""
        keys = {event.key for event in events}
        return Known(
            {key: self.charges[key] for key in keys & self.charges.keys()},
            {key: self.rejections[key] for key in keys & self.rejections.keys()},
            {key: self.holds[key] for key in keys & self.holds.keys() if self.holds[key].office_id == office_id},
        )

    def attempts(self, event: UsageEvent) -> int:
        """Earlier ones that were rejected."""
        earlier = self.rejections.get(event.key)
        return earlier.attempt_count if earlier else 0
