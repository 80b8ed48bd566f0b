"""The sandbox's pages, as a person with a browser and as `curl` meet them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from api.payments.processors import build_processors, payment_routes
from api.payments.sandbox_cards import CARDS
from api.payments.sandbox_links import Place, SandboxLinks, is_web_address
from api.settings import Environment, Payments, Settings
from domain.money import Currency
from domain.payments import NextAction, PaymentFailure, PaymentOutcome, PaymentProcessor, PaymentState
from persistence.begin import Begin
from persistence.database import Database
from tests.api.edge import make_app, make_settings, serve
from tests.api.payment_words import COMPANY, order
from tests.api.test_graphiql import CHROMIUM, CHROMIUM_ARGUMENTS

ASKS = CARDS[3].method_id
BACK = "https://shop.example/back?from=bank"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Sandbox:
    """The processor, and its pages behind the real routes."""

    processor: PaymentProcessor
    client: httpx2.AsyncClient

    async def card_page(self, return_url: str | None = None) -> tuple[str, str]:
        """The id of a setup, and the path of its page."""
        begun = await self.processor.start_setup(COMPANY, uuid4(), None, "HQ", return_url)
        return begun.setup_id, path_of(begun.next_action)

    async def payment_page(self, return_url: str | None = None, **changes: Any) -> tuple[str, str]:
        asked = order(ASKS, return_url=return_url, **changes)
        payment_id = await self.processor.prepare(asked)
        return payment_id, path_of((await self.processor.charge(asked, payment_id)).next_action)

    async def saved(self, setup_id: str) -> str | None:
        """The last digits of the card."""
        facts = await self.processor.finish_setup(COMPANY, setup_id)
        return facts and facts.last_four

    async def outcome(self, payment_id: str) -> PaymentOutcome:
        return await self.processor.ask(COMPANY, payment_id)

    async def waits(self, payment_id: str) -> bool:
        return (await self.outcome(payment_id)).state is PaymentState.NEEDS_CARDHOLDER

    async def get(self, path: str) -> httpx2.Response:
        return await self.client.get(path)

    async def post(self, path: str, form: str) -> httpx2.Response:
        return await self.client.post(path, content=form, headers=FORM)


def path_of(action: NextAction | None) -> str:
    assert action is not None
    parts = urlsplit(str(action.redirect_url))
    return f"{parts.path}?{parts.query}"


def routes_of(database: Database, **given: Any) -> list[BaseRoute]:
    settings = make_settings(**given)
    return payment_routes(settings, database, Begin(database), build_processors(settings, database))


@asynccontextmanager
async def pages(database: Database, **given: Any) -> AsyncIterator[Sandbox]:
    app = make_app(more_routes=routes_of(database, **given))
    processors = build_processors(make_settings(), database)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        yield Sandbox(processors.default, client)


@pytest.fixture
async def sandbox(sqlite_database: Database) -> AsyncIterator[Sandbox]:
    async with pages(sqlite_database) as sandbox:
        yield sandbox


async def test_a_card_is_chosen_by_a_form_as_curl_sends_it(sandbox: Sandbox) -> None:
    setup_id, path = await sandbox.card_page()
    page = await sandbox.get(path)

    assert page.status_code == 200
    assert all(f'value="{card.number}"' in page.text for card in CARDS)
    assert page.text.count(" checked ") == 1
    answer = await sandbox.post(path, "card=4000000000000002")
    assert (answer.status_code, "savePaymentMethod" in answer.text) == (200, True)
    assert await sandbox.saved(setup_id) == "0002"


async def test_a_number_of_no_test_card_changes_nothing(sandbox: Sandbox) -> None:
    setup_id, path = await sandbox.card_page()

    for form in ("card=4111111111111111", "", "card=%00", "card=" + "4" * 5_000):
        assert (await sandbox.post(path, form)).status_code == 400
    assert await sandbox.saved(setup_id) == "4242"


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        ("confirm", PaymentOutcome(PaymentState.PAID)),
        ("refuse", PaymentOutcome(PaymentState.REFUSED, PaymentFailure.AUTHENTICATION_FAILED)),
    ],
)
async def test_a_cardholder_decides_once(sandbox: Sandbox, action: str, outcome: PaymentOutcome) -> None:
    payment_id, path = await sandbox.payment_page()

    assert "21.78 USD" in (await sandbox.get(path)).text
    assert await sandbox.waits(payment_id)
    assert (await sandbox.post(path, "action=perhaps")).status_code == 400
    assert "completePurchase" in (await sandbox.post(path, f"action={action}")).text
    assert await sandbox.outcome(payment_id) == outcome
    for other in ("confirm", "refuse"):
        assert (await sandbox.post(path, f"action={other}")).status_code == 200
    assert await sandbox.outcome(payment_id) == outcome


async def test_a_page_leads_back_to_where_the_purchase_was_begun(sandbox: Sandbox) -> None:
    for path, form in (
        ((await sandbox.card_page(BACK))[1], "card=4242424242424242"),
        ((await sandbox.payment_page(BACK))[1], "action=refuse"),
    ):
        policy = (await sandbox.get(path)).headers["content-security-policy"]
        assert "form-action 'self' https://shop.example;" in policy
        answer = await sandbox.post(path, form)
        assert (answer.status_code, answer.headers["location"]) == (303, BACK)


async def test_a_page_never_leads_to_what_is_no_web_address(sandbox: Sandbox) -> None:
    for bad in ("javascript:alert(1)", "data:text/html,x", "//shop.example", "https://a.example;script-src *", "x"):
        _, path = await sandbox.card_page(bad)
        assert "return=" not in path
        assert (await sandbox.post(path, "card=4242424242424242")).status_code == 200
    assert not is_web_address(None)
    assert is_web_address("http://[::1]:3000/back")


async def test_an_address_that_was_not_written_here_is_not_found(sandbox: Sandbox) -> None:
    _, path = await sandbox.card_page(BACK)
    payment_id, payment_path = await sandbox.payment_page()
    row, seal = path.split("?")[0].rpartition("/")[2], re.findall(r"seal=([\w-]+)", path)[0]
    altered = [
        path.replace(row, uuid4().hex),
        path.replace(row, "nonsense"),
        path.replace(COMPANY.hex, UUID(int=2).hex),
        path.replace(seal, seal[::-1]),
        path.replace(f"seal={seal}", "seal=%C3%A9"),
        path.replace("shop.example", "evil.example"),
        path.split("&return")[0],
        path.split("?")[0],
        path.replace("/cards/", "/payments/"),
        payment_path.replace("/payments/", "/cards/"),
    ]
    for wrong in altered:
        assert (await sandbox.get(wrong)).status_code == 404
        assert (await sandbox.post(wrong, "card=4000000000000002&action=confirm")).status_code == 404
    assert await sandbox.waits(payment_id)


async def test_a_seal_of_another_key_is_worth_nothing(sandbox: Sandbox) -> None:
    setup_id, _ = await sandbox.card_page()
    forged = SandboxLinks(None, "another key").write(Place.CARDS, COMPANY, UUID(hex=setup_id), None)
    assert (await sandbox.get(path_of(NextAction(redirect_url=forged)))).status_code == 404


def test_a_seal_is_good_for_one_kind_of_page() -> None:
    links, row = SandboxLinks(None, "a key"), uuid4()
    asked = parse_qs(urlsplit(links.write(Place.CARDS, COMPANY, row, None)).query)
    [company], [seal] = asked["company"], asked["seal"]

    assert links.read(Place.CARDS, row.hex, company, None, seal) is not None
    assert links.read(Place.PAYMENTS, row.hex, company, None, seal) is None


async def test_a_page_may_load_nothing_and_be_framed_nowhere(sandbox: Sandbox) -> None:
    for path in ((await sandbox.card_page())[1], (await sandbox.payment_page())[1], "/sandbox/cards/x"):
        headers = (await sandbox.get(path)).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "given",
    [
        {"payments": Payments.STRIPE, "stripe_api_key": "sk_test_1"},
        {"stripe_api_key": "sk_test_1"},
        {"env": Environment.PRODUCTION},
    ],
)
async def test_there_are_no_pages_where_cards_are_not_charged_in_the_sandbox(
    sqlite_database: Database, given: dict[str, Any]
) -> None:
    async with pages(sqlite_database, **given) as elsewhere:
        _, path = await elsewhere.card_page()
        answer = await elsewhere.get(path)
    assert (answer.status_code, "sandbox" in answer.text) == (404, False)


def test_pages_are_linked_to_where_the_server_is_reached() -> None:
    def address(settings: Settings) -> str:
        links = SandboxLinks(settings.public_url, settings.signing_key)
        return links.write(Place.CARDS, COMPANY, uuid4(), None)

    assert address(make_settings()).startswith("http://localhost:8000/sandbox/cards/")
    assert address(make_settings(public_url="https://pay.example/")).startswith("https://pay.example/sandbox/cards/")


async def test_yen_have_no_decimals(sandbox: Sandbox) -> None:
    _, path = await sandbox.payment_page(amount_minor=2178, currency=Currency.JPY)
    assert "2178 JPY" in (await sandbox.get(path)).text


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        await chromium.close()


def complain(complaints: list[str], message: Any) -> None:
    """Where a page leads back to is not ours, and may lack an icon."""
    if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
        complaints.append(message.text)


async def test_a_person_chooses_a_card_and_confirms_a_payment(
    sandbox: Sandbox, sqlite_database: Database, browser: Any
) -> None:
    served = Database(sqlite_database.url)
    complaints: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await served.close()

    with serve(make_app(more_routes=routes_of(served), lifespan=lifespan), lifespan="on") as address:
        setup_id, cards = await sandbox.card_page(f"{address}/healthz")
        payment_id, payment = await sandbox.payment_page(f"{address}/healthz")
        page = await browser.new_page()
        page.on("console", lambda message: complain(complaints, message))
        await page.goto(address + cards)
        await page.get_by_label("insufficient funds").check()
        await page.get_by_role("button", name="Use this card").click()
        await page.wait_for_url("**/healthz")

        await page.goto(address + payment)
        await page.get_by_role("button", name="Confirm").click()
        await page.wait_for_url("**/healthz")
        await page.goto(address + payment)
        await page.get_by_role("heading", name="Payment confirmed").wait_for()
        await page.close()
    assert complaints == []
    assert await sandbox.saved(setup_id) == "9995"
    assert await sandbox.outcome(payment_id) == PaymentOutcome(PaymentState.PAID)
