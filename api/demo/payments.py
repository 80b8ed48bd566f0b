"""What the demo company's administrator did about money: saved test cards, bought credits, switched auto-recharge on.

By the stories that a person's mutations call, so the audit trail and the ledger show it. Only in the sandbox: no demo
touches a real card. Done once an office; whoever changed something since keeps his changes.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from domain.access import Role, Scope, Viewer
from domain.errors import FareboxError
from domain.money import Amount, Currency, parse_micros
from domain.payments import ProcessorKind, Processors
from domain.ports import Door
from domain.provisioning import PaymentTerms
from domain.stories.buy import purchase_credits, quote_purchase, save_card, start_card_setup
from domain.stories.recharge import configure_recharge
from domain.usage import OfficeReference
from persistence.companies import find_companies
from persistence.database import Database

ADMIN = "Demo admin"


class _Plan(NamedTuple):
    """Of one office."""

    purchase: str
    threshold: str | None = None
    """None: no auto-recharge."""
    amount: str = "20"


PLANS: Mapping[str, _Plan] = {
    "new-york": _Plan("50", threshold="20", amount="50"),
    "london": _Plan("100"),
    "sydney": _Plan("20", threshold="5"),
}


async def load_demo_payments(
    door: Door, database: Database, processors: Processors, slug: str, *, now: datetime
) -> int:
    """How many offices bought something now. 0 when all did before, and where cards are charged for real."""
    if processors.default.kind is not ProcessorKind.SANDBOX:
        return 0
    viewer = await _admin(database, slug, now)
    company = Scope.of(viewer).company
    references = {OfficeReference(slug=name): name for name in PLANS}
    offices = await door.find_offices(company, list(references))
    count = 0
    for reference, office_id in offices.items():
        try:
            count += await _pay(door, processors, viewer, office_id, references[reference], now=now)
        except FareboxError:
            continue  # its limits, tax or currency were changed since: then the demo stays as it is
    return count


async def _pay(
    door: Door, processors: Processors, viewer: Viewer, office_id: UUID, slug: str, *, now: datetime
) -> bool:
    plan = PLANS[slug]
    credits = Amount(parse_micros(plan.purchase), Currency.USD)
    quote = await quote_purchase(door, viewer, office_id, credits, now=now)
    is_by_card = quote.billing.payment_terms is PaymentTerms.CARD
    if is_by_card and quote.billing.card is None:
        setup = await start_card_setup(door, processors, viewer, office_id, return_url=None, now=now)
        await save_card(door, processors, viewer, office_id, setup.setup_id, now=now)
    bought = await purchase_credits(
        door,
        processors,
        viewer,
        office_id,
        credits=credits,
        expected_total=Amount(quote.total_micros, Currency.USD),
        key=f"demo-{slug}",
        return_url=None,
        now=now,
    )
    if not bought.is_replayed and plan.threshold is not None:
        threshold, amount = (Amount(parse_micros(text), Currency.USD) for text in (plan.threshold, plan.amount))
        await configure_recharge(
            door, viewer, office_id, is_enabled=True, threshold=threshold, amount=amount, cycle_cap=None, now=now
        )
    return not bought.is_replayed


async def _admin(database: Database, slug: str, now: datetime) -> Viewer:
    company = next(company for company in await find_companies(database) if company.slug == slug)
    return Viewer(
        subject="demo",
        name=ADMIN,
        role=Role.COMPANY_ADMIN,
        company_id=company.id,
        office_ids=None,
        has_billing=True,
        scopes=frozenset(),
        expires_at=now + timedelta(hours=1),
    )
