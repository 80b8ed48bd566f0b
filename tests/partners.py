"""Words to tell stories of partners with, who are told what happens: endpoints, their secrets, and their deliveries."""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from api.deliveries import Deliveries
from api.sealing import FernetBox
from domain.access import Role
from domain.news import News, Topic
from domain.stories.webhooks import change_endpoint, create_endpoint, replay_delivery, rotate_secret
from persistence.due_work import find_due_work
from persistence.tables.partners import WEBHOOK_DELIVERY, WEBHOOK_ENDPOINT
from tests.world import World

BOX = FernetBox("a key for tests")
EVERYTHING = tuple(Topic)


def new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


class Partner:
    """The endpoints of a world's company. `secrets` has the newest of each."""

    def __init__(self, world: World, **given: Any) -> None:
        """`given`: how messages are delivered."""
        self.world = world
        self.deliveries = Deliveries(world.database, BOX, **{"allows_private": True, **given})
        self.secrets: dict[UUID, str] = {}

    async def endpoint(self, url: str, topics: Sequence[Topic] = EVERYTHING) -> UUID:
        secret = new_secret()
        endpoint_id = await create_endpoint(
            self.world.begin,
            self.world.viewer(Role.COMPANY_ADMIN),
            url=url,
            topics=topics,
            sealed_secret=BOX.seal(secret),
            check_url=self.deliveries.check_url,
            now=self.world.now,
        )
        self.secrets[endpoint_id] = secret
        return endpoint_id

    async def change(self, endpoint_id: UUID, **changes: Any) -> None:
        given: dict[str, Any] = {"url": None, "topics": None, "is_enabled": None, **changes}
        admin, check_url = self.world.viewer(Role.COMPANY_ADMIN), self.deliveries.check_url
        await change_endpoint(self.world.begin, admin, endpoint_id, check_url=check_url, now=self.world.now, **given)

    async def rotate(self, endpoint_id: UUID) -> str:
        secret, admin = new_secret(), self.world.viewer(Role.COMPANY_ADMIN)
        sealed = BOX.seal(secret)
        await rotate_secret(self.world.begin, admin, endpoint_id, sealed_secret=sealed, now=self.world.now)
        self.secrets[endpoint_id] = secret
        return secret

    async def replay(self, delivery_id: UUID) -> None:
        admin = self.world.viewer(Role.COMPANY_ADMIN)
        await replay_delivery(self.world.begin, admin, delivery_id, now=self.world.now)

    async def happens(self, count: int = 1) -> None:
        """So many things that are told."""
        world = self.world
        async with world.begin.begin(world.company_id, world.now) as work:
            books = await work.lock_books(await world.office_id())
            books.news += [News(Topic.WALLET_LOW, {"number": number}) for number in range(count)]
            await work.save_books(books)

    def wait(self, time: timedelta) -> None:
        self.world.now += time

    async def deliver(self) -> int:
        """A run of the worker."""
        return await self.deliveries.deliver_due(self.world.now)

    async def is_due(self) -> bool:
        """Whether the worker would look at deliveries."""
        return (await find_due_work(self.world.database, self.world.now)).deliveries

    async def put(self, **values: Any) -> None:
        """Every delivery as it would be after a while, or a crash."""
        async with self.world.database.writing() as connection:
            await connection.execute(WEBHOOK_DELIVERY.update().values(**values))

    async def log(self) -> list[Any]:
        """Every delivery, first made first."""
        order = (WEBHOOK_DELIVERY.c.created_at, WEBHOOK_DELIVERY.c.id)
        return list(await self.world.database.rows(WEBHOOK_DELIVERY.select().order_by(*order)))

    async def only(self) -> Any:
        """The only delivery there is."""
        [row] = await self.log()
        return row

    async def told(self) -> list[tuple[str, Any]]:
        """(type, data) of every message, first told first."""
        bodies = [orjson.loads(row.body) for row in await self.log()]
        return [(body["type"], body["data"]) for body in bodies]

    async def shown(self, endpoint_id: UUID) -> Any:
        [row] = await self.world.database.rows(WEBHOOK_ENDPOINT.select().where(WEBHOOK_ENDPOINT.c.id == endpoint_id))
        return row
