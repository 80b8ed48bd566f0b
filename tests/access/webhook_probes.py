"""Every way of naming an endpoint that is told what happens, or what it was told."""

from schema.ids import IdKind
from tests.access.policy import Of, Probe

MANAGE = frozenset({"MANAGE_WEBHOOKS"})


def _change(name: str, kind: IdKind, told: str, more: str = "") -> Probe:
    return Probe(
        f"Mutation.{name}.input.id",
        f"mutation ($id: ?) {{ {name}(input: {{ id: $id{more} }}) {{"
        f" {told} {{ id }} userErrors {{ code message field }} }} }}",
        kind,
        lambda found, value: (found[told] or {}).get("id") == value,
        MANAGE,
        of=Of.COMPANY,
    )


WEBHOOK_CHANGES = (
    _change("updateWebhookEndpoint", IdKind.WEBHOOK_ENDPOINT, "webhookEndpoint", ", topics: [WALLET_LOW]"),
    _change("rotateWebhookSecret", IdKind.WEBHOOK_ENDPOINT, "webhookEndpoint"),
    _change("replayWebhookDelivery", IdKind.WEBHOOK_DELIVERY, "webhookDelivery"),
)
