"""Which card processors an installation has, by its settings, and the addresses they need."""

import logging
from collections.abc import Awaitable
from uuid import UUID

from starlette.routing import BaseRoute, Route

from api.clock import utc_now
from api.payments.nowhere import NoProcessor
from api.payments.sandbox import SandboxProcessor
from api.payments.sandbox_links import SandboxLinks
from api.payments.sandbox_pages import SandboxPages
from api.settings import Environment, Payments, Settings
from domain.payments import PaymentProcessor, ProcessorKind, Processors
from domain.ports import Door
from domain.stories.collect import hear_of_payment
from persistence.database import Database
from persistence.sandbox_store import SandboxStore

logger = logging.getLogger(__name__)


def build_processors(settings: Settings, database: Database) -> Processors:
    """The first is where new cards are saved.

    The sandbox is never a second one: a test card saved in it would go on buying credits for nothing beside Stripe.
    """
    match settings.pays_with:
        case Payments.STRIPE:
            return Processors(_stripe(settings))
        case Payments.SANDBOX:
            if settings.env is Environment.PRODUCTION:
                logger.warning("Cards are charged in the sandbox: credits are bought with play money.")
            others = (_stripe(settings),) if settings.stripe_api_key else ()
            return Processors(_sandbox(settings, database), others)
        case None:
            return Processors(NoProcessor())


def payment_routes(settings: Settings, database: Database, door: Door, processors: Processors) -> list[BaseRoute]:
    """The sandbox's pages while cards are saved in it; Stripe's webhook while its secret is known."""
    routes: list[BaseRoute] = []
    if settings.pays_with is Payments.SANDBOX:

        def tell(company_id: UUID, top_up_id: UUID) -> Awaitable[object]:
            return hear_of_payment(door, processors, company_id, top_up_id, now=utc_now())

        routes.extend(SandboxPages(SandboxStore(database), _links(settings), tell).routes())
    if settings.stripe_webhook_secret is not None:
        from api.payments.stripe import StripeProcessor  # the SDK is slow to import
        from api.payments.stripe_webhook import PATH, StripeWebhook

        processor = processors.of(ProcessorKind.STRIPE)
        assert isinstance(processor, StripeProcessor), "load_settings refuses a webhook secret without a key"
        secret = settings.stripe_webhook_secret.get_secret_value()
        webhook = StripeWebhook(secret, door, processors, processor)
        routes.append(Route(PATH, webhook.hear, methods=["POST"]))
    return routes


def close_processors(processors: Processors) -> None:
    for processor in (processors.default, *processors.others):
        if close := getattr(processor, "close", None):
            close()


def _stripe(settings: Settings) -> PaymentProcessor:
    from api.payments.stripe import StripeProcessor

    assert settings.stripe_api_key is not None, "load_settings refuses Stripe without a key"
    return StripeProcessor(
        settings.stripe_api_key.get_secret_value(),
        api_base=settings.stripe_api_base,
        publishable_key=settings.stripe_publishable_key,
    )


def _sandbox(settings: Settings, database: Database) -> SandboxProcessor:
    return SandboxProcessor(SandboxStore(database), _links(settings))


def _links(settings: Settings) -> SandboxLinks:
    return SandboxLinks(settings.public_url, *settings.signing_keys)
