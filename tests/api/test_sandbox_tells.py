"""What the cardholder decided on the sandbox's page reaches the books by itself, as by a real processor's webhook."""

from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import select

from api.payments.processors import build_processors, payment_routes
from domain.access import Role
from domain.money import Amount, parse_micros
from domain.stories.buy import purchase_credits, save_card, start_card_setup
from domain.top_ups import TopUpState
from persistence.database import Database
from persistence.tables.payments import TOP_UP
from tests.api.edge import make_app, make_settings
from tests.proof import assert_books_hold
from tests.world import World

ASKS = "4000002500003155"


@pytest.mark.parametrize(("action", "state"), [("confirm", "SETTLED"), ("refuse", "FAILED")])
async def test_a_decision_settles_the_top_up_without_another_call(database: Database, action: str, state: str) -> None:
    world = await World(database).set_up()
    settings = make_settings(database_url=str(database.url))
    processors = build_processors(settings, database)
    app = make_app(more_routes=payment_routes(settings, database, world.begin, processors))
    buyer, office, credits = (
        world.viewer(Role.COMPANY_ADMIN),
        await world.office_id(),
        Amount(parse_micros("20"), "USD"),
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as page:

        async def send(address: str | None, **form: str) -> None:
            parts = urlsplit(str(address))
            answer = await page.post(f"{parts.path}?{parts.query}", data=form)
            assert answer.status_code == 200

        setup = await start_card_setup(world.begin, processors, buyer, office, return_url=None, now=world.now)
        await send(setup.next_action.redirect_url, card=ASKS)
        await save_card(world.begin, processors, buyer, office, setup.setup_id, now=world.now)
        bought = await purchase_credits(
            world.begin,
            processors,
            buyer,
            office,
            credits=credits,
            expected_total=credits,
            key="k",
            return_url=None,
            now=world.now,
        )
        assert bought.top_up.state is TopUpState.REQUIRES_ACTION
        assert bought.top_up.next_action is not None
        await send(bought.top_up.next_action.redirect_url, action=action)
    assert [row.state for row in await database.rows(select(TOP_UP.c.state))] == [state]
    await assert_books_hold(database)
