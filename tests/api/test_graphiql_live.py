"""A subscription in GraphiQL, looked at with a real browser: the wallet moves on the page until it is told to stop."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.graphiql_assets import are_installed
from domain.access import Role
from persistence.database import Database
from tests.api.test_graphiql import CHROMIUM, CHROMIUM_ARGUMENTS
from tests.api.test_live import acme, call_for_an_hour
from tests.fire.server import Server, token

LINGERING_MILLISECONDS = 10_000


@pytest.fixture
async def browser() -> AsyncIterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    if not are_installed():
        pytest.skip("GraphiQL's files are not installed; `make graphiql` fetches them")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        await chromium.close()


async def open_tab(browser: Any, server: Server, name: str, complaints: list[str]) -> Any:
    page = await browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(LINGERING_MILLISECONDS)
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{server.address}/graphql")
    await page.get_by_role("tab", name=name, exact=True).click()
    return page


async def test_the_wallet_moves_on_the_page(browser: Any, sqlite_database: Database, tmp_path: Path) -> None:
    complaints: list[str] = []
    demo = {"FAREBOX_DEMO_TOKEN": token("acme", Role.COMPANY_ADMIN)}
    async with acme(sqlite_database, tmp_path, env=demo) as (server, office_id):
        page = await open_tab(browser, server, "WalletChanged", complaints)
        answers = page.get_by_label("Result Window")
        await page.get_by_text(office_id).first.wait_for()
        await page.get_by_label("Execute query").click()
        await answers.get_by_text('"walletChanged"').wait_for()
        call_for_an_hour(server, "one")
        await answers.get_by_text('"8.800000"').first.wait_for()
        assert await answers.get_by_text('"1.200000"').count() == 1
        call_for_an_hour(server, "two")
        await answers.get_by_text('"2.400000"').wait_for()

        async with page.expect_event("requestfailed") as stopped:
            await page.get_by_label("Stop query").click()
        assert (await stopped.value).headers["accept"] == "text/event-stream"
        await page.get_by_label("Execute query").wait_for()
        call_for_an_hour(server, "three")
        await page.wait_for_timeout(500)
        assert await answers.get_by_text('"2.400000"').count() == 1
    assert complaints == []


async def test_a_refused_subscription_says_why(browser: Any, sqlite_database: Database, tmp_path: Path) -> None:
    complaints: list[str] = []
    demo = {"FAREBOX_DEMO_TOKEN": token("acme", Role.PARTNER)}
    async with acme(sqlite_database, tmp_path, env=demo) as (server, _):
        page = await open_tab(browser, server, "WalletChanged", complaints)
        variables = page.get_by_label("Variables").locator(".CodeMirror").first
        await variables.click()
        await page.keyboard.press("Control+A")
        await page.keyboard.insert_text('{"officeId": 5.5}')
        await page.get_by_label("Execute query").click()
        await page.get_by_label("Result Window").get_by_text("BAD_USER_INPUT").wait_for()
        await variables.click()
        await page.keyboard.press("Control+A")
        await page.keyboard.insert_text('{"officeId": "off_nowhere"}')
        await page.get_by_label("Execute query").click()
        await page.get_by_label("Result Window").get_by_text("There is no such office").wait_for()
    assert [text for text in complaints if "400" not in text] == []
