"""A small schema behind the real edge: everything a caller can meet at /graphql, without a database."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import strawberry
import uvicorn
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.testclient import TestClient

from api.app import build_app
from api.auth import Claims, issue_token
from api.protocols import options
from api.settings import Settings
from domain.access import Role, Viewer
from domain.errors import InvalidInput, NotPermitted

SECRET = "a secret key for tests, longer than thirty-two bytes"
NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)
changes: list[str] = []
"""What the mutations of the small schema did."""


@strawberry.enum
class Colour(Enum):
    CRIMSON = "crimson"
    TURQUOISE = "turquoise"


@strawberry.type
class Layer:
    @strawberry.field
    def inner(self) -> "Layer":
        return Layer()

    @strawberry.field
    def depth(self) -> int:
        return 1


@strawberry.input
class PaintInput:
    colour: Colour
    litres: int


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, info: strawberry.Info) -> str:
        return f"Hello, {info.context.name}"

    @strawberry.field
    async def paint(self, colour: Colour) -> str:
        return colour.value

    @strawberry.field
    def mix(self, inputs: list[PaintInput]) -> int:
        return sum(part.litres for part in inputs)

    @strawberry.field
    def layer(self) -> Layer:
        return Layer()

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("password=hunter2")

    @strawberry.field
    def broken_for_good(self) -> str:
        raise RuntimeError("password=hunter2")

    @strawberry.field
    def raw(self) -> str | None:
        raise GraphQLError("row 17 of table secrets")

    @strawberry.field
    def too_big(self) -> int | None:
        return 2**40

    @strawberry.field
    def closed(self) -> str | None:
        raise NotPermitted("This token may not do that.")

    @strawberry.field
    def wrong(self) -> str | None:
        raise InvalidInput("`after` is not a cursor of this list.", field=("after",))

    @strawberry.field
    def many(self) -> list[Layer | None]:
        return [Layer() for _ in range(3)]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> int:
        changes.append("change")
        return len(changes)

    @strawberry.mutation
    def record_usage(self, events: list[str]) -> int:
        return len(events)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        yield 1


schema = strawberry.Schema(Query, Mutation, Subscription)


def make_settings(**given: Any) -> Settings:
    """Tests send many documents, most of them wrong, as one caller: what that costs him has tests of its own."""
    return Settings(_env_file=None, **{"secret_key": SECRET, "document_points": 10**6, **given})


def make_claims(**given: Any) -> Claims:
    facts: dict[str, Any] = {
        "subject": "u-1",
        "name": "Front desk",
        "company": "acme",
        "role": Role.COMPANY_ADMIN,
        "offices": None,
        "has_billing": False,
        "scopes": frozenset(),
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
    }
    return Claims(**(facts | given))


def make_token(**given: Any) -> str:
    return issue_token(make_settings(), make_claims(**given), now=datetime.now(UTC))


async def resolve(claims: Claims) -> Viewer | None:
    """One company is known, and no office."""
    if claims.company != "acme":
        return None
    return Viewer(
        subject=claims.subject,
        name=claims.name,
        role=claims.role,
        company_id=UUID(int=1),
        office_ids=None,
        has_billing=claims.has_billing,
        scopes=claims.scopes,
        expires_at=claims.expires_at,
    )


async def is_ready() -> str | None:
    return None


def make_app(settings: Settings | None = None, **given: Any) -> Starlette:
    parts: dict[str, Any] = {
        "schema": schema,
        "resolve": resolve,
        "context_for": lambda viewer: viewer,
        "ready": is_ready,
    }
    return build_app(settings or make_settings(), **(parts | given))


def make_client(settings: Settings | None = None, **given: Any) -> TestClient:
    """A client that sends a good token with every request."""
    headers = {"Authorization": f"Bearer {make_token()}"}
    return TestClient(make_app(settings, **given), headers=headers)


@contextmanager
def serve(app: Starlette, *, lifespan: Literal["on", "off"] = "off", **given: Any) -> Iterator[str]:
    """The app behind a real server on a loopback port; gives its address. `given`: more of the server's options."""
    listener = socket.create_server(("127.0.0.1", 0))
    told = {"log_level": "warning", "lifespan": lifespan, **options(make_settings()), **given}
    server = uvicorn.Server(uvicorn.Config(app, **told))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def without_cost(answer: Any) -> Any:
    """An answer less its price, which every operation that was run tells, in Shopify's shape."""
    kept = dict(answer)
    cost = kept.pop("extensions")["cost"]
    assert set(cost) == {"requestedQueryCost", "actualQueryCost", "throttleStatus"}
    assert set(cost["throttleStatus"]) == {"maximumAvailable", "currentlyAvailable", "restoreRate"}
    return kept
