"""What Stripe tells: believed when signed, asked about where it can be, and once however often and in any order."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
import stripe
from starlette.routing import Route

from api.payments.processors import build_processors, payment_routes
from api.payments.stripe import StripeProcessor
from api.payments.stripe_webhook import PATH, StripeWebhook
from domain.access import Role
from domain.money import parse_micros
from domain.payments import Processors
from domain.stories.buy import SetupBegun, start_card_setup
from domain.stories.give_back import refund_top_up
from domain.top_ups import TopUp, TopUpReason, TopUpState
from persistence.begin import Begin
from persistence.database import Database
from persistence.tables.payments import CARD_SETUP, REFUND
from tests.api.edge import make_app, make_settings
from tests.api.stripe_words import API_KEY, ASKS, DECLINES, PAYS, PUBLISHABLE_KEY, Cardholder, network
from tests.proof import assert_books_hold
from tests.shop import Shop
from tests.world import World, office

SECRET = "whsec_for_tests"
OTHER = {"id": "x_1", "object": "thing"}


@dataclass
class StripeShop(Shop):
    """An office whose card is at localstripe, and Stripe as it tells of payments."""

    processor: Any = None
    cardholder: Cardholder = field(kw_only=True)
    client: httpx2.AsyncClient = field(init=False)

    async def set_up_card(self, slug: str = "hq", **entered: Any) -> SetupBegun:
        world, office_id = self.world, await self.world.office_id(slug)
        begun = await start_card_setup(
            world.begin, self.processors, self.admin, office_id, return_url=None, now=world.now
        )
        rows = await world.database.rows(CARD_SETUP.select().where(CARD_SETUP.c.id == begun.setup_id))
        self.cardholder.enter_card(rows[0].processor_setup_id, entered["number"])
        if entered["number"] == ASKS:
            self.cardholder.confirm_setup(rows[0].processor_setup_id)
        return begun

    async def card(self, number: str) -> None:
        await self.finish_card(await self.set_up_card(number=number))

    async def tell(self, kind: str, about: dict[str, Any], **given: Any) -> int:
        """The status of the answer to a message of Stripe's."""
        event = {
            "id": "evt_1",
            "object": "event",
            "type": kind,
            "created": int(time.time()),
            "data": {"object": about},
        }
        return await self.send(json.dumps(event), **given)

    async def send(self, body: str, *, secret: str = SECRET, age: int = 0, signed: str | None = None) -> int:
        moment = int(time.time()) - age
        signature = stripe.WebhookSignature.generate_signature_header(signed or body, secret, moment)
        answer = await self.client.post(PATH, content=body.encode(), headers={"Stripe-Signature": signature})
        return answer.status_code

    def intent(self, top_up: TopUp) -> dict[str, Any]:
        found: dict[str, Any] = self.cardholder.client.payment_intents.retrieve(top_up.processor_payment_id).to_dict()
        return found

    def dispute(self, top_up: TopUp, status: str) -> dict[str, Any]:
        return {
            "id": "dp_1",
            "object": "dispute",
            "payment_intent": top_up.processor_payment_id,
            "amount": 2000,
            "currency": "usd",
            "status": status,
        }

    async def refund_states(self) -> list[str]:
        rows = await self.world.database.rows(REFUND.select().order_by(REFUND.c.created_at, REFUND.c.id))
        return [row.state for row in rows]


@pytest.fixture
async def shop(sqlite_database: Database, cardholder: Cardholder) -> AsyncIterator[StripeShop]:
    processor = StripeProcessor(API_KEY, api_base=cardholder.address, publishable_key=PUBLISHABLE_KEY)
    shop = StripeShop(World(sqlite_database), processor, cardholder=cardholder)
    await shop.world.apply(office())
    webhook = StripeWebhook(SECRET, shop.world.begin, shop.processors, processor, clock=lambda: shop.world.now)
    app = make_app(more_routes=[Route(PATH, webhook.hear, methods=["POST"])])
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as shop.client:
        yield shop
    processor.close()
    await assert_books_hold(sqlite_database)


async def bought(shop: StripeShop, number: str = PAYS) -> TopUp:
    await shop.card(number)
    return (await shop.buy("20")).top_up


# ---------- payments ----------


async def test_a_payment_whose_answer_was_lost_is_settled_once_by_the_news(shop: StripeShop) -> None:
    await shop.card(PAYS)
    near = shop.processor
    with network(shop.cardholder.address) as net:
        shop.processor = StripeProcessor(API_KEY, api_base=net.address, answer_seconds=2)
        net.lose["POST /confirm"] = 1
        top_up = (await shop.buy("20")).top_up
        shop.processor.close()
        shop.processor = near
    assert (top_up.state, await shop.universal()) == (TopUpState.PENDING, 0)

    for _ in range(3):
        assert await shop.tell("payment_intent.succeeded", shop.intent(top_up)) == 200
    assert await shop.tell("payment_intent.created", shop.intent(top_up)) == 200

    assert (await shop.now_is(top_up)).state is TopUpState.SETTLED
    assert await shop.universal() == parse_micros("20")
    assert shop.cardholder.charge_count(str(top_up.processor_payment_id)) == 1


async def test_news_of_a_payment_are_not_believed(shop: StripeShop) -> None:
    top_up = await bought(shop, ASKS)
    assert top_up.state is TopUpState.REQUIRES_ACTION
    lie = shop.intent(top_up) | {"status": "succeeded"}

    assert await shop.tell("payment_intent.succeeded", lie) == 200
    assert (await shop.now_is(top_up)).state is TopUpState.REQUIRES_ACTION
    assert await shop.universal() == 0


@pytest.mark.parametrize("success", [True, False])
async def test_a_cardholders_decision_is_heard_of(shop: StripeShop, success: bool) -> None:
    top_up = await bought(shop, ASKS)
    assert top_up.next_action is not None
    shop.cardholder.authenticate(str(top_up.processor_payment_id), top_up.next_action.client_secret, success=success)
    kind = "payment_intent.succeeded" if success else "payment_intent.payment_failed"
    assert await shop.tell(kind, shop.intent(top_up)) == 200

    found = await shop.now_is(top_up)
    if success:
        assert (found.state, await shop.universal()) == (TopUpState.SETTLED, parse_micros("20"))
    else:
        assert (found.state, found.reason) == (TopUpState.FAILED, TopUpReason.AUTHENTICATION_FAILED)
        assert await shop.universal() == 0


async def test_a_declined_payment_stays_declined(shop: StripeShop) -> None:
    top_up = await bought(shop, DECLINES)
    assert (top_up.state, top_up.reason) == (TopUpState.FAILED, TopUpReason.CARD_DECLINED)
    assert await shop.tell("payment_intent.payment_failed", shop.intent(top_up)) == 200
    assert await shop.now_is(top_up) == top_up


async def test_what_is_not_about_a_payment_of_ours_is_thanked_for(shop: StripeShop) -> None:
    top_up = await bought(shop)
    stranger = shop.intent(top_up) | {"metadata": {"company_id": "1", "top_up_id": "2"}}
    elsewhere = {"payment_intent": "pi_of_another_shop", "amount": 100, "currency": "usd", "status": "lost", **OTHER}
    for kind, about in (
        ("customer.created", OTHER),
        ("payment_intent.succeeded", OTHER),
        ("payment_intent.succeeded", stranger),
        ("charge.dispute.closed", elsewhere),
        ("refund.created", elsewhere),
        ("charge.refunded", elsewhere),
        ("charge.refunded", OTHER),
        ("nothing", OTHER),
    ):
        assert await shop.tell(kind, about) == 200
    assert await shop.universal() == parse_micros("20")


# ---------- signatures ----------


async def test_only_what_stripe_signed_lately_is_taken(shop: StripeShop) -> None:
    top_up = await bought(shop, ASKS)
    about = shop.intent(top_up)
    assert await shop.tell("payment_intent.succeeded", about, secret="whsec_of_somebody") == 400
    assert await shop.tell("payment_intent.succeeded", about, age=310) == 400
    assert await shop.tell("payment_intent.succeeded", about, signed="another body") == 400
    assert await shop.tell("payment_intent.succeeded", about, age=290) == 200
    for body in ("", "{", "[]", '"text"'):
        assert await shop.send(body) == 400
    for headers in ({}, {"Stripe-Signature": "t=1,v1=0"}, {"Stripe-Signature": "nonsense"}):
        answer = await shop.client.post(PATH, content=b"\xff\xfe", headers=headers)
        assert answer.status_code == 400


async def test_a_message_of_any_size_and_method_is_not_taken(shop: StripeShop) -> None:
    assert await shop.send("{" + " " * 600_000 + "}") == 413
    assert (await shop.client.get(PATH)).status_code == 405


async def test_without_a_secret_there_is_no_such_address(sqlite_database: Database) -> None:
    for given, status in (({}, 404), ({"stripe_api_key": API_KEY, "stripe_webhook_secret": SECRET}, 400)):
        settings = make_settings(**given)
        processors = build_processors(settings, sqlite_database)
        app = make_app(more_routes=payment_routes(settings, sqlite_database, Begin(sqlite_database), processors))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
            assert (await client.post(PATH, content=b"{}")).status_code == status


# ---------- what goes wrong ----------


async def test_while_stripe_does_not_answer_it_is_asked_to_come_again(shop: StripeShop) -> None:
    top_up = await bought(shop, ASKS)
    gone = StripeProcessor(API_KEY, api_base="http://127.0.0.1:9")
    webhook = StripeWebhook(SECRET, shop.world.begin, Processors(gone), gone)
    app = make_app(more_routes=[Route(PATH, webhook.hear, methods=["POST"])])
    near, about = shop.client, shop.intent(top_up)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as shop.client:
        assert await shop.tell("payment_intent.succeeded", about) == 500
    shop.client = near
    gone.close()
    assert await shop.tell("payment_intent.succeeded", about) == 200


async def test_a_fault_is_answered_with_500_and_tells_nothing_of_the_message(
    shop: StripeShop, caplog: pytest.LogCaptureFixture
) -> None:
    top_up = await bought(shop)
    broken = {**shop.dispute(top_up, "lost"), "amount": "4242-4242"}
    del broken["currency"]
    assert await shop.tell("charge.dispute.closed", broken) == 500
    assert "charge.dispute.closed" in caplog.text
    assert SECRET not in caplog.text
    assert await shop.universal() == parse_micros("20")


# ---------- disputes and refunds ----------


async def test_a_dispute_takes_the_money_back_and_winning_it_returns_it(shop: StripeShop) -> None:
    top_up = await bought(shop)
    for kind, status, left in (
        ("created", "warning_needs_response", "20"),
        ("created", "needs_response", "0"),
        ("funds_withdrawn", "needs_response", "0"),
        ("updated", "under_review", "0"),
        ("closed", "won", "20"),
        ("funds_reinstated", "won", "20"),
        ("created", "needs_response", "20"),
    ):
        assert await shop.tell(f"charge.dispute.{kind}", shop.dispute(top_up, status)) == 200
        assert await shop.universal() == parse_micros(left), (kind, status)


async def test_a_lost_dispute_is_final_whatever_comes_first(shop: StripeShop) -> None:
    top_up = await bought(shop)
    for kind, status in (("closed", "lost"), ("created", "needs_response"), ("closed", "lost")):
        assert await shop.tell(f"charge.dispute.{kind}", shop.dispute(top_up, status)) == 200
    assert await shop.universal() == 0
    assert await shop.refund_states() == ["SETTLED"]


async def test_a_refund_made_at_stripe_is_taken_once(shop: StripeShop) -> None:
    top_up = await bought(shop)
    payment_id = str(top_up.processor_payment_id)
    made = shop.cardholder.client.refunds.create(params={"payment_intent": payment_id, "amount": 500}).to_dict()
    charge = {"id": "ch_1", "object": "charge", "payment_intent": payment_id}
    for kind, about in (
        ("charge.refunded", charge),
        ("refund.created", made),
        ("charge.refund.updated", made),
        ("refund.failed", made | {"status": "failed"}),
    ):
        assert await shop.tell(kind, about) == 200
        assert await shop.universal() == parse_micros("15"), f"{kind}: what Stripe has counts, not what is told"


async def test_a_refund_that_failed_takes_nothing(shop: StripeShop) -> None:
    top_up = await bought(shop)
    failed = {
        "id": "re_gone",
        "object": "refund",
        "payment_intent": top_up.processor_payment_id,
        "amount": 500,
        "currency": "usd",
        "status": "failed",
    }
    assert await shop.tell("refund.failed", failed) == 200
    assert await shop.universal() == parse_micros("20")


async def test_news_of_a_refund_that_was_asked_for_here_take_nothing_more(shop: StripeShop) -> None:
    top_up = await bought(shop)
    world = shop.world
    viewer = world.viewer(Role.OPERATOR)
    await refund_top_up(
        world.begin, shop.processors, viewer, top_up.id, amount=shop.money("5"), reason="Asked", key="k", now=world.now
    )
    payment_id = str(top_up.processor_payment_id)
    assert shop.cardholder.refunds(payment_id) == [500]
    [made] = shop.cardholder.client.refunds.list(params={"payment_intent": payment_id}).data

    assert await shop.tell("refund.created", made.to_dict()) == 200
    assert await shop.universal() == parse_micros("15")
    assert await shop.refund_states() == ["SETTLED"]
