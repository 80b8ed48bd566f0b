"""What a partner's endpoint was told: the delivery log, and having a message delivered again."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import strawberry

from domain.news import Topic
from domain.stories.webhooks import replay_delivery
from schema.connections import Connection
from schema.context import Info
from schema.errors import UserError
from schema.ids import NOTHING, IdKind, decode, encode
from schema.loaders import AnyRow
from schema.nodes import Node
from schema.words import describe

describe(
    Topic,
    "What an endpoint can be told. The `type` of a message is its topic in lower case, with a dot after the first word:"
    " `recharge.switched_off`.",
    {
        "WALLET_LOW": "A wallet runs low: 80, 90 or 100 % of a commitment are used, or universal credits are below the"
        " threshold while auto-recharge is off. It is told as ALERT_RAISED too.",
        "RECHARGE_SETTLED": "Auto-recharge has added credits.",
        "RECHARGE_DECLINED": "Auto-recharge could not charge the card; it tries again later, or was switched off.",
        "RECHARGE_SKIPPED": "Auto-recharge was due and did not try, for another reason than the last time.",
        "RECHARGE_SWITCHED_OFF": "Auto-recharge was switched off after too many declines.",
        "CREDITS_PURCHASED": "Credits that somebody bought were added.",
        "ALERT_RAISED": "A spending alert was raised, of whatever kind.",
        "USAGE_REJECTED": "Reported usage was not charged: one message for all of a batch and office.",
    },
    name="WebhookTopic",
)


@strawberry.type(description="One message to one endpoint, and how far its delivery has come.")
class WebhookDelivery(Node):
    topic: Topic = strawberry.field(description="What it tells.")
    created_at: datetime = strawberry.field(description="When what it tells happened.")
    attempt_count: int = strawberry.field(description="How often it was sent, those attempts included that failed.")
    status: int | None = strawberry.field(
        description="The HTTP status of the last answer; null before the first attempt, and when there was no answer."
    )
    next_attempt_at: datetime | None = strawberry.field(
        description="When it is tried next; while an attempt is under way, when it is taken up again should that be"
        " lost. Null when it was delivered, given up, or stopped."
    )
    delivered_at: datetime | None = strawberry.field(description="When the receiver took it; null until then.")
    message_id: str = strawberry.field(
        description="Its `webhook-id`: the same for every attempt and every endpoint, to know repeats by."
    )
    problem: str | None = strawberry.field(
        description="Why the last attempt failed, or why none is made any more, in a sentence for a person."
    )
    body: str = strawberry.field(description="The JSON text that is signed and sent.")


@strawberry.type(description="A page of what an endpoint was told, last told first.")
class WebhookDeliveryConnection(Connection[WebhookDelivery]):
    pass


def webhook_delivery_of(row: AnyRow) -> WebhookDelivery:
    return WebhookDelivery(
        id=encode(IdKind.WEBHOOK_DELIVERY, row.id),
        topic=Topic(row.topic),
        created_at=row.created_at,
        attempt_count=row.attempt_count,
        status=row.status,
        next_attempt_at=row.due_at,
        delivered_at=row.delivered_at,
        message_id=f"msg_{row.message_id.hex}",
        problem=row.problem,
        body=row.body,
    )


@strawberry.input(description="A message to deliver again. For company administrators.")
class ReplayWebhookDeliveryInput:
    id: strawberry.ID = strawberry.field(description="The delivery, `del_…`; it may have been delivered before.")


async def _delivery(root: "ReplayWebhookDeliveryPayload", info: Info) -> WebhookDelivery | None:
    row = await info.context.loaders.webhook_deliveries.load(root.delivery_id) if root.delivery_id else None
    return webhook_delivery_of(row) if row else None


@strawberry.type(description="What is delivered again.")
class ReplayWebhookDeliveryPayload:
    delivery_id: strawberry.Private[UUID | None] = None
    webhook_delivery: WebhookDelivery | None = strawberry.field(
        resolver=_delivery, description="The delivery, which is due now. Null when there are `userErrors`."
    )
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="What stands in the way; then nothing is sent again."
    )


async def resolve_replay_webhook_delivery(
    info: Info, input: Annotated[ReplayWebhookDeliveryInput, strawberry.argument(description="The delivery.")]
) -> ReplayWebhookDeliveryPayload:
    context = info.context
    delivery_id = decode(IdKind.WEBHOOK_DELIVERY, input.id) or NOTHING
    await replay_delivery(context.begin, context.viewer, delivery_id, now=context.now)
    return ReplayWebhookDeliveryPayload(delivery_id=delivery_id)
