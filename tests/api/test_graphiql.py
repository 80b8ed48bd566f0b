"""GraphiQL, looked at with a real browser: it loads from this server alone, runs queries and keeps no token."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import parse, validate
from starlette.testclient import TestClient

from api.graphiql import PLACEHOLDERS_QUERY, GraphiQLPage, read_examples
from api.graphiql_assets import ASSETS, CDN, are_installed
from api.settings import Environment, Settings
from tests.api.edge import SECRET, make_app, make_settings, make_token, serve

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
CHROMIUM = shutil.which("chromium")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def page_config(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="config">(.*?)</script>', html)
    assert found
    config: dict[str, Any] = json.loads(found.group(1))
    return config


def get_page(settings: Settings) -> Any:
    return TestClient(make_app(settings)).get("/graphql", headers=BROWSER)


def test_a_browser_gets_the_page_without_a_token() -> None:
    response = get_page(make_settings())

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert page_config(response.text)["token"] is None


def test_the_page_may_load_scripts_from_files_alone() -> None:
    policy = get_page(make_settings()).headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert not re.search(r"script-src[^;]*unsafe", policy)


def test_a_demo_token_is_shown_in_local_runs_only() -> None:
    local = make_settings(demo_token="a.demo.token")
    production = make_settings(demo_token="a.demo.token", env=Environment.PRODUCTION, graphiql=True, secret_key=SECRET)

    assert page_config(get_page(local).text)["token"] == "a.demo.token"
    assert page_config(get_page(production).text)["token"] is None


def test_graphiql_can_be_switched_off() -> None:
    client = TestClient(make_app(make_settings(graphiql=False)))

    assert client.get("/graphql", headers=BROWSER).status_code == 401
    assert client.get("/graphql/static/graphiql-page.js").status_code == 404


def test_without_its_files_the_page_loads_exactly_those_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    page = GraphiQLPage(make_settings())
    monkeypatch.setattr(page, "_is_self_hosted", False)
    html = bytes(page(None).body).decode()  # type: ignore[arg-type]

    for asset in ASSETS:
        assert f'"{asset.cdn_url}" integrity="{asset.integrity}"' in html
        assert asset.cdn_url in page.policy
    assert page.policy.count(CDN) == len(ASSETS)


def test_an_altered_file_is_not_used(tmp_path: Path) -> None:
    assert not are_installed(tmp_path)
    for asset in ASSETS:
        (tmp_path / asset.file_name).write_text("alert(1)")
    assert not are_installed(tmp_path)


def test_every_example_is_a_valid_operation() -> None:
    from schema.root import schema

    for query in [PLACEHOLDERS_QUERY, *(example.query for example in read_examples())]:
        assert validate(schema._schema, parse(query)) == [], query


def test_the_examples_cover_the_screens() -> None:
    examples = read_examples()

    assert [re.findall(r"^(?:query|mutation|subscription) (\w+)", example.query, re.M) for example in examples] == [
        ["AppShell"],
        ["CompanyOverview"],
        ["OfficeOverview"],
        ["PlanUsageTable"],
        ["FilterOptions"],
        ["UsageHistory"],
        ["UsageDetails"],
        ["Rates"],
        ["RecordUsage"],
        ["Rejected"],
        ["AddCredits"],
        ["StartCardSetup"],
        ["SaveCard"],
        ["ReviewCost"],
        ["PurchaseCredits"],
        ["AfterThreeDSecure"],
        ["TopUps"],
        ["SaveAutoRecharge"],
        ["WalletChanged"],
        ["ExportUsageHistory"],
        ["SpendingAlerts"],
        ["Chart"],
        ["Partners"],
        ["CreateApiKey"],
        ["CreateWebhookEndpoint"],
        ["UpdateCompanySettings"],
    ]
    assert all("$" not in example.query or json.loads(example.variables) for example in examples)


@pytest.fixture
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    if not are_installed():
        pytest.skip("GraphiQL's files are not installed; `make graphiql` fetches them")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


def storages(page: Any) -> str:
    text: str = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    return text


def listen(page: Any, complaints: list[str]) -> None:
    """Every error on the console, broken rules of the content policy among them."""
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))


def test_the_page_runs_a_query_and_keeps_no_token(browser: Any) -> None:
    token = make_token()
    complaints: list[str] = []
    addresses: list[str] = []
    with serve(make_app(make_settings(demo_token=token))) as address:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        listen(page, complaints)
        page.on("request", lambda request: addresses.append(request.url))
        page.goto(f"{address}/graphql")
        page.get_by_role("tab", name="AppShell").wait_for()
        page.get_by_label("Show Documentation Explorer").click()
        page.get_by_text("A GraphQL schema provides a root type").wait_for()
        assert page.get_by_role("tab", name="Rejected").is_visible()

        page.get_by_label("New tab").click()
        page.locator(".graphiql-query-editor .CodeMirror").click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text("query Greeting { hello }")
        page.get_by_label("Execute query").click()
        page.get_by_text("Hello, Front desk").wait_for()
        page.get_by_label("Open settings dialog").click()
        page.get_by_text("Clear storage").wait_for()
        page.keyboard.press("Escape")

        assert token not in storages(page)
        page.reload()
        page.get_by_role("tab", name="Greeting").wait_for()
        assert token not in storages(page)
    assert complaints == []
    assert [url for url in addresses if not url.startswith((address, "data:"))] == []


@strawberry.type
class Cycle:
    month: str


@strawberry.type
class Thing:
    id: str
    billing_cycle: Cycle
    payment_terms: str = "INVOICE"


@strawberry.type
class Things:
    nodes: list[Thing]


@strawberry.type
class OneOffice:
    """As much of the product's schema as the page asks for its placeholders."""

    @strawberry.field
    def offices(self, first: int) -> Things:
        cycle = Cycle(month="2025-06")
        paying = [
            Thing(id="off_0123", billing_cycle=cycle),
            Thing(id="off_8901", billing_cycle=cycle, payment_terms="CARD"),
        ]
        return Things(nodes=paying[:first])

    @strawberry.field
    def usage_history(self, first: int) -> Things:
        return Things(nodes=[Thing(id="use_4567", billing_cycle=Cycle(month="2025-06"))][:first])


def test_the_examples_are_filled_in_with_the_demo_companys_ids(browser: Any) -> None:
    app = make_app(make_settings(demo_token=make_token()), schema=strawberry.Schema(OneOffice))
    with serve(app) as address:
        page = browser.new_page()
        page.goto(f"{address}/graphql")
        variables = page.get_by_label("Variables").locator(".CodeMirror")
        page.get_by_role("tab", name="PlanUsageTable").click()
        page.get_by_text('"off_0123"').wait_for()
        assert '"2025-06"' in variables.first.inner_text()
        page.get_by_role("tab", name="UsageDetails").click()
        page.get_by_text('"use_4567"').wait_for()
        page.get_by_role("tab", name="RecordUsage").click()
        page.get_by_text('"graphiql-20').wait_for()
        page.get_by_role("tab", name="SaveCard").click()
        page.get_by_text('"off_8901"').wait_for()
        page.get_by_text('"<setup>"').wait_for()


def test_without_a_token_the_page_says_where_to_put_one(browser: Any) -> None:
    complaints: list[str] = []
    with serve(make_app()) as address:
        page = browser.new_page()
        listen(page, complaints)
        page.goto(f"{address}/graphql")
        page.get_by_text("Put a token into the Headers editor").first.wait_for()
    assert complaints == []
