"""Every subscription × caller × whose office is named: it begins where the same query would find something (R40)."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from inspect import isawaitable
from typing import Any

import pytest
from graphql import ExecutionResult, create_source_event_stream, parse

from api.auth import Claims
from api.error_answers import Incident, answer_errors
from api.wiring import _House
from domain.access import Role
from schema.ids import IdKind
from schema.root import schema
from tests.access.estate import Estate, settings_for, unknown
from tests.access.policy import CALLERS, Caller

NEEDS = {
    "walletChanged": {"VIEW_WALLETS"},
    "topUpChanged": {"VIEW_WALLETS"},
    "usageRecorded": {"VIEW_USAGE"},
    "spendingAlertRaised": {"VIEW_WALLETS", "VIEW_USAGE"},
}
"""All of these."""
NOBODY: dict[str, Any] = {
    **{"subject": "u-1", "name": "Somebody", "company": "acme", "role": Role.COMPANY_ADMIN, "offices": None},
    **{"has_billing": False, "scopes": frozenset(), "expires_at": datetime.now(UTC) + timedelta(hours=1)},
}
PLACES = ("hq", "berlin", "lone", "vault")
SELECTION = {"usageRecorded": "{ omittedCount }"}


def test_every_subscription_is_in_the_policy() -> None:
    root = schema._schema.subscription_type
    assert root
    assert {name: list(field.args) for name, field in root.fields.items()} == {name: ["officeId"] for name in NEEDS}


class Edge:
    """The application's own way from a token's claims to a subscription that begins, or to its error."""

    def __init__(self, estate: Estate) -> None:
        self._house = _House(settings_for(estate.database.url.render_as_string(hide_password=False)))

    async def begin(self, caller: Caller, field: str, office_id: str | None) -> dict[str, Any] | None:
        """The error, without its place in the document; None when it begins."""
        viewer = await self._house.resolve(Claims(**(NOBODY | caller.claims)))
        assert viewer
        named = "" if office_id is None else f'(officeId: "{office_id}")'
        document = f"subscription {{ told: {field}{named} {SELECTION.get(field, '{ id }')} }}"
        executor = schema.execution_context_class.build(
            schema._schema, parse(document), context_value=self._house.context_for(viewer)
        )
        found = create_source_event_stream(executor)
        source = await found if isawaitable(found) else found
        if isinstance(source, ExecutionResult):
            [error] = answer_errors(source.errors or (), Incident(), 5)
            return {name: value for name, value in error.items() if name != "locations"}
        async with aclosing(source):
            return None

    async def close(self) -> None:
        await self._house._database.close()


@pytest.fixture
async def edge(estate: Estate) -> AsyncIterator[Edge]:
    edge = Edge(estate)
    yield edge
    await edge.close()


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
async def test_it_begins_for_one_s_own_office_and_everything_else_is_not_there(
    estate: Estate, edge: Edge, caller: Caller
) -> None:
    for field, needs in NEEDS.items():
        is_open = needs <= caller.permissions
        none = {unknown(IdKind.OFFICE), "garbage", estate.one(IdKind.WALLET, "hq")}
        refused = [await edge.begin(caller, field, office_id) for office_id in none]
        for place in PLACES:
            error = await edge.begin(caller, field, estate.one(IdKind.OFFICE, place))
            if is_open and caller.sees(place):
                assert error is None, (field, place)
            else:
                refused.append(error)
        code = "BAD_USER_INPUT" if is_open else "FORBIDDEN"
        assert [error and error["extensions"]["code"] for error in refused] == [code] * len(refused), field
        assert len({str(error) for error in refused}) == 1, "hidden and unknown are the same words"


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
async def test_alerts_of_all_offices_are_for_who_is_in_a_company(edge: Edge, caller: Caller) -> None:
    error = await edge.begin(caller, "spendingAlertRaised", None)
    is_open = NEEDS["spendingAlertRaised"] <= caller.permissions
    assert (error is None) == (is_open and caller.company is not None)
