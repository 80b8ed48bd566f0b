"""Money that comes in and goes back in every way there is, for the proof to look at; and ways to tamper with it."""

from api.payments.sandbox import SandboxProcessor
from api.payments.sandbox_links import SandboxLinks
from domain.access import Role
from domain.money import Amount, parse_micros
from domain.payments import DisputeNews, DisputeState, ProcessorKind, Processors
from domain.stories.buy import purchase_credits, save_card, start_card_setup
from domain.stories.give_back import hear_of_dispute, refund_top_up
from domain.stories.invoice import settle_invoice
from domain.top_ups import TopUp
from persistence.sandbox_store import SandboxStore
from tests.persistence.giving_back import invoiced, taxed
from tests.world import World

TAMPERINGS = {
    "DELETE FROM posting WHERE destination = 'tax'": "Every settled top-up is posted once",
    "UPDATE posting SET amount_micros = amount_micros + 1 WHERE source = 'card'": "Every settled top-up is posted once",
    "UPDATE top_up SET state = 'FAILED', settled_at = NULL": "No top-up that is not settled",
    "UPDATE posting SET source = 'card' WHERE source = 'receivable'": "A top-up is paid from",
    "UPDATE posting SET top_up_id = NULL WHERE source = 'bank'": "A top-up is paid from",
    "UPDATE top_up SET refunded_micros = 0": "What was returned of every top-up",
    "UPDATE refund SET state = 'FAILED'": "What was returned of every top-up",
    "UPDATE refund SET told_micros = told_micros + 1 WHERE kind = 'DISPUTE'": "All that was taken back of a top-up",
    "UPDATE top_up SET paid_at = created_at": "What is owed for every invoiced top-up",
    "UPDATE posting SET amount_micros = amount_micros - 1 WHERE source = 'bank'": "What is owed for every invoiced",
    "UPDATE top_up SET paid_at = NULL": "A paid invoice is posted once",
    "UPDATE top_up SET office_id = (SELECT id FROM office WHERE slug = 'annex')": "No top-up and no refund touches",
    "UPDATE refund SET office_id = (SELECT id FROM office WHERE slug = 'annex')": "No top-up and no refund touches",
    "DROP INDEX uq_top_up_in_flight; UPDATE top_up SET origin = 'AUTO_RECHARGE', state = 'PENDING'": (
        "No office has two recharges in flight"
    ),
    "UPDATE sandbox_payment SET charge_count = 2 WHERE state = 'SUCCEEDED'": "The sandbox charged no payment twice",
    "UPDATE sandbox_payment SET top_up_id = (SELECT MAX(CAST(id AS {id_text})) FROM top_up WHERE state = 'SETTLED')"
    "{id_cast} WHERE state = 'SUCCEEDED'": "The sandbox charged no payment twice",
    "UPDATE sandbox_payment SET state = 'SUCCEEDED', charge_count = 1": "What the sandbox charged belongs",
    "UPDATE sandbox_payment SET amount_minor = amount_minor + 1": "What the sandbox charged belongs",
    "UPDATE sandbox_refund SET amount_minor = amount_minor + 1": "What the sandbox gave back belongs",
    "UPDATE sandbox_refund SET id = payment_id": "What the sandbox gave back belongs",
}


async def tell_of_funding(world: World) -> None:
    """By card: settled, partly refunded, disputed, declined. By invoice: refunded and paid, and not paid."""
    await world.apply(taxed("shop"), invoiced("firm"))
    links = SandboxLinks("http://localhost:8000", "key")
    processors = Processors(SandboxProcessor(SandboxStore(world.database), links, clock=lambda: world.now))
    await _save_card(world, processors, "4242424242424242")
    top_up = await _buy(world, processors, "shop", "first")
    await _refund(world, processors, top_up)
    disputed = await _buy(world, processors, "shop", "second")
    assert disputed.processor_payment_id is not None
    for dispute_id, state in (("dp_1", DisputeState.OPEN), ("dp_2", DisputeState.WON)):
        news = DisputeNews(disputed.processor_payment_id, dispute_id, 1_000, "USD", state, world.now)
        assert await hear_of_dispute(world.begin, ProcessorKind.SANDBOX, news, now=world.now)
    await _save_card(world, processors, "4000000000000002")
    for key in ("third", "fourth"):
        await _buy(world, processors, "shop", key)
    await _refund(world, processors, await _buy(world, processors, "firm", "fifth"))
    office_id = await world.office_id("firm")
    await settle_invoice(world.begin, world.viewer(), office_id, top_up_ids=None, key="paid", now=world.now)
    await _buy(world, processors, "firm", "sixth")


async def _save_card(world: World, processors: Processors, number: str) -> None:
    office_id, viewer = await world.office_id("shop"), world.viewer(Role.COMPANY_ADMIN)
    setup = await start_card_setup(world.begin, processors, viewer, office_id, return_url=None, now=world.now)
    await SandboxStore(world.database).choose_card(world.company_id, setup.setup_id, number)
    await save_card(world.begin, processors, viewer, office_id, setup.setup_id, now=world.now)


async def _buy(world: World, processors: Processors, slug: str, key: str) -> TopUp:
    bought = await purchase_credits(
        world.begin,
        processors,
        world.viewer(Role.COMPANY_ADMIN),
        await world.office_id(slug),
        credits=Amount(parse_micros("20"), "USD"),
        expected_total=Amount(parse_micros("21.78"), "USD"),
        key=key,
        return_url=None,
        now=world.now,
    )
    return bought.top_up


async def _refund(world: World, processors: Processors, top_up: TopUp) -> None:
    await refund_top_up(
        world.begin,
        processors,
        world.viewer(Role.COMPANY_ADMIN),
        top_up.id,
        amount=Amount(parse_micros("5"), "USD"),
        reason="test",
        key=f"refund {top_up.id.hex}",
        now=world.now,
    )
