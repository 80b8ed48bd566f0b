"""What one transaction about endpoints and deliveries of webhooks can do: kept by `persistence`."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.activity import Activity
from domain.news import Topic
from domain.webhooks import Endpoint


class Delivery(NamedTuple):
    endpoint_id: UUID
    topic: Topic


class WebhookWork(Protocol):
    async def lock_endpoints(self) -> Mapping[UUID, Endpoint]:
        """The company's endpoints, by id. Whoever else would change them waits until the end."""

    async def add_endpoint(self, endpoint: Endpoint, sealed_secret: str) -> None: ...

    async def change_endpoint(self, endpoint: Endpoint) -> None:
        """Its URL, topics, and whether it is enabled; of one that is not, no delivery waits any more."""

    async def replace_secret(self, endpoint_id: UUID, sealed_secret: str, *, both_until: datetime) -> None:
        """The secret so far signs too until then; one that was replaced before does not any more."""

    async def find_delivery(self, delivery_id: UUID) -> Delivery | None: ...

    async def send_again(self, delivery_id: UUID) -> None:
        """It is due now, with the whole schedule of attempts before it."""

    async def save_activity(self, activity: Activity) -> None: ...
