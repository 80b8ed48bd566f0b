"""Where partners are told what happens: endpoints, and the secrets that sign what they are told."""

import base64
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from domain.access import Permission
from domain.news import Topic
from domain.stories.webhooks import change_endpoint, create_endpoint, rotate_secret
from domain.webhooks import MAX_ENDPOINTS
from persistence.webhooks import read_webhook_delivery_page, read_webhook_endpoints
from schema.connections import After, Before, First, Last, page, window_of
from schema.context import Context, Info
from schema.errors import UserError
from schema.ids import NOTHING, IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.scalars import URL
from schema.webhook_deliveries import WebhookDeliveryConnection, webhook_delivery_of

if TYPE_CHECKING:
    from schema.company import Company

SECRET_BYTES = 32
_TOPICS = "The topics it is told, at least one, each once."
_URL = (
    "Where messages are sent with POST: an `https` address on the public internet, without a user or a fragment."
    " Redirects are not followed."
)


async def _deliveries(
    root: "WebhookEndpoint",
    info: Info,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> WebhookDeliveryConnection:
    context, row = info.context.within(root.row.company_id), root.row
    seal = context.cursors((datetime, UUID), "deliveries", row.id)
    window = window_of(seal, first=first, after=after, last=last, before=before)
    found = await read_webhook_delivery_page(context.database, context.scope, endpoint_id=row.id, window=window)
    nodes = map(webhook_delivery_of, found.rows)
    return WebhookDeliveryConnection(**page(seal, window, found, nodes, lambda row: (row.created_at, row.id)))


@strawberry.type(description="An address of a partner's that is told what happens, in the form of Standard Webhooks.")
class WebhookEndpoint(Node):
    row: strawberry.Private[AnyRow]
    url: URL = strawberry.field(description="Where messages are sent.")
    topics: list[Topic] = strawberry.field(description="What it is told.")
    is_enabled: bool = strawberry.field(
        description="Whether it is told anything. A receiver that answers 410 is disabled by Farebox."
    )
    deliveries: WebhookDeliveryConnection = strawberry.field(
        resolver=_deliveries,
        description="What it was told, last first, for 30 days.",
    )


def webhook_endpoint_of(row: AnyRow) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=encode(IdKind.WEBHOOK_ENDPOINT, row.id),
        row=row,
        url=URL(row.url),
        topics=[Topic(name) for name in row.topics],
        is_enabled=row.is_enabled,
    )


async def resolve_webhook_endpoints(
    root: Annotated["Company", strawberry.lazy("schema.company")], info: Info
) -> list[WebhookEndpoint]:
    info.context.viewer.require(Permission.MANAGE_WEBHOOKS)
    scope = info.context.scope_of(root.row.company_id)
    return [webhook_endpoint_of(row) for row in await read_webhook_endpoints(info.context.database, scope)]


async def _load(context: Context, endpoint_id: UUID | None) -> WebhookEndpoint | None:
    row = await context.loaders.webhook_endpoints.load(endpoint_id) if endpoint_id else None
    return webhook_endpoint_of(row) if row else None


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


@strawberry.input(
    description=f"An address that is to be told what happens; a company has {MAX_ENDPOINTS} at most. For company"
    " administrators."
)
class CreateWebhookEndpointInput:
    url: URL = strawberry.field(description=_URL)
    topics: list[Topic] = strawberry.field(description=_TOPICS)


async def _created(root: "CreateWebhookEndpointPayload", info: Info) -> WebhookEndpoint | None:
    return await _load(info.context, root.endpoint_id)


@strawberry.type(description="The new endpoint, and what signs its messages.")
class CreateWebhookEndpointPayload:
    endpoint_id: strawberry.Private[UUID | None] = None
    webhook_endpoint: WebhookEndpoint | None = strawberry.field(
        resolver=_created, description="The endpoint. Null when there are `userErrors`."
    )
    secret: str | None = strawberry.field(
        default=None, description="What signs its messages, `whsec_…`. Shown once. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then there is no endpoint."
    )


async def resolve_create_webhook_endpoint(
    info: Info, input: Annotated[CreateWebhookEndpointInput, strawberry.argument(description="Where, and what.")]
) -> CreateWebhookEndpointPayload:
    context, secret = info.context, _new_secret()
    endpoint_id = await create_endpoint(
        context.begin,
        context.viewer,
        url=input.url,
        topics=input.topics,
        sealed_secret=context.secrets.seal(secret),
        check_url=context.check_webhook_url,
        now=context.now,
    )
    return CreateWebhookEndpointPayload(endpoint_id=endpoint_id, secret=secret)


@strawberry.input(
    description="An endpoint to change; what is left out stays as it is. There is no removing: disable it. For company"
    " administrators."
)
class UpdateWebhookEndpointInput:
    id: strawberry.ID = strawberry.field(description="The endpoint, `hoo_…`.")
    url: URL | None = strawberry.field(default=None, description=_URL)
    topics: list[Topic] | None = strawberry.field(default=None, description=_TOPICS)
    is_enabled: bool | None = strawberry.field(
        default=None,
        description="False: messages that wait for it are stopped, and none are made. They can be replayed once it is"
        " enabled again.",
    )


async def _updated(root: "UpdateWebhookEndpointPayload", info: Info) -> WebhookEndpoint | None:
    return await _load(info.context, root.endpoint_id)


@strawberry.type(description="What became of the endpoint.")
class UpdateWebhookEndpointPayload:
    endpoint_id: strawberry.Private[UUID | None] = None
    webhook_endpoint: WebhookEndpoint | None = strawberry.field(
        resolver=_updated, description="The endpoint as it now is. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing was changed."
    )


async def resolve_update_webhook_endpoint(
    info: Info, input: Annotated[UpdateWebhookEndpointInput, strawberry.argument(description="The changes.")]
) -> UpdateWebhookEndpointPayload:
    context, endpoint_id = info.context, decode(IdKind.WEBHOOK_ENDPOINT, input.id) or NOTHING
    await change_endpoint(
        context.begin,
        context.viewer,
        endpoint_id,
        url=input.url,
        topics=input.topics,
        is_enabled=input.is_enabled,
        check_url=context.check_webhook_url,
        now=context.now,
    )
    return UpdateWebhookEndpointPayload(endpoint_id=endpoint_id)


@strawberry.input(description="An endpoint that is to get a new secret. For company administrators.")
class RotateWebhookSecretInput:
    id: strawberry.ID = strawberry.field(description="The endpoint, `hoo_…`.")


async def _rotated(root: "RotateWebhookSecretPayload", info: Info) -> WebhookEndpoint | None:
    return await _load(info.context, root.endpoint_id)


@strawberry.type(description="The new secret.")
class RotateWebhookSecretPayload:
    endpoint_id: strawberry.Private[UUID | None] = None
    webhook_endpoint: WebhookEndpoint | None = strawberry.field(
        resolver=_rotated, description="The endpoint. Null when there are `userErrors`."
    )
    secret: str | None = strawberry.field(
        default=None,
        description="What signs its messages from now on, `whsec_…`. Shown once. The secret so far signs beside it for"
        " 24 hours. Null when there are `userErrors`.",
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then the secret is what it was."
    )


async def resolve_rotate_webhook_secret(
    info: Info, input: Annotated[RotateWebhookSecretInput, strawberry.argument(description="The endpoint.")]
) -> RotateWebhookSecretPayload:
    context, secret = info.context, _new_secret()
    endpoint_id = decode(IdKind.WEBHOOK_ENDPOINT, input.id) or NOTHING
    sealed = context.secrets.seal(secret)
    await rotate_secret(context.begin, context.viewer, endpoint_id, sealed_secret=sealed, now=context.now)
    return RotateWebhookSecretPayload(endpoint_id=endpoint_id, secret=secret)
