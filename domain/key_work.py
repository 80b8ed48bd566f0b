"""What one transaction about a company's API keys can do: kept by `persistence`."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from domain.activity import Activity
from domain.api_keys import ApiKey


class KeyWork(Protocol):
    """Holds the lock on the company's row: of two new keys with one name, the second sees the first."""

    async def working_key_names(self) -> Collection[str]:
        """Of the company's keys that are not revoked."""

    async def office_slugs(self, office_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Those of the company; others are left out."""

    async def add_api_key(self, key: ApiKey, *, prefix: str, key_hash: bytes, created_by: str) -> None: ...

    async def find_api_key(self, key_id: UUID) -> ApiKey | None: ...

    async def revoke_api_key(self, key_id: UUID) -> None:
        """From the commit on, in every process."""

    async def save_activity(self, activity: Activity) -> None: ...
