"""The front end's and the partners' stories once more, on PostgreSQL behind row-level security: nothing they need is
forbidden to the tenant role, and nothing they do goes past it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import event

from domain.access import Role
from persistence.database import Database
from persistence.tables.company import COMPANY
from tests.conftest import TENANT_ROLE, FreshDatabases
from tests.proof import assert_books_hold
from tests.schema import (
    test_api_keys,
    test_buying,
    test_company_settings,
    test_export,
    test_holds,
    test_operations,
    test_reverse_usage,
    test_subscriptions,
    test_sync_directory,
    test_webhooks,
)
from tests.schema.conftest import House, build_house, open_house
from tests.schema.till import Till, open_till

Story = Callable[[Any], Awaitable[None]]
OF_THE_HOUSE: tuple[Story, ...] = (
    test_api_keys.test_a_key_is_shown_once_and_only_its_hash_is_kept,
    test_api_keys.test_who_made_and_revoked_it_is_in_the_audit_trail_without_the_secret,
    test_company_settings.test_what_is_left_out_stays_and_what_changed_is_on_record,
    test_company_settings.test_another_company_keeps_its_own,
    test_export.test_every_cell_is_what_the_list_says,
    test_export.test_what_a_file_is_called_and_how_long_it_is_kept,
    test_holds.test_a_call_is_authorized_extended_and_captured,
    test_holds.test_plan_and_commitment_are_held_in_their_order,
    test_holds.test_who_may_hold_and_see_holds,
    test_reverse_usage.test_every_source_gets_back_what_it_paid,
    test_reverse_usage.test_another_s_key_and_record_are_not_found_even_together,
    test_subscriptions.test_what_is_charged_before_the_first_event_is_asked_for_is_told,
    test_sync_directory.test_entries_are_created_updated_and_left_alone,
    test_sync_directory.test_an_office_may_be_named_in_any_way,
    test_webhooks.test_an_endpoint_is_made_and_its_secret_shown_once,
    test_webhooks.test_an_endpoint_is_changed_in_what_is_named,
    test_webhooks.test_a_message_is_replayed_while_its_endpoint_is_enabled,
    test_webhooks.test_another_company_s_endpoint_is_not_found,
)
OF_THE_TILL: tuple[Story, ...] = (
    test_buying.test_a_payment_that_the_cardholder_confirms,
    test_buying.test_an_invoiced_office_has_its_credits_at_once_and_a_limit,
    test_buying.test_who_may_buy_and_for_whom,
)


def _name(value: Any) -> str:
    return str(getattr(value, "__name__", value)).removeprefix("test_")


@pytest.fixture(scope="module")
def told_url(postgresql_url: str, kept_databases: FreshDatabases) -> str:
    async def tell() -> str:
        url = await kept_databases.url("postgresql")
        database = Database(url, tenant_role=TENANT_ROLE)
        await build_house(database)
        await database.close()
        return url

    return asyncio.run(tell())


@pytest.fixture
async def house(told_url: str, fresh_databases: FreshDatabases) -> AsyncIterator[House]:
    database = Database(await fresh_databases.copy_of(told_url), tenant_role=TENANT_ROLE)
    yield await open_house(database)
    await assert_books_hold(database)
    await database.close()


@pytest.mark.parametrize("story", OF_THE_HOUSE, ids=_name)
async def test_the_same_is_told_behind_the_wall(house: House, story: Story) -> None:
    await story(house)


@pytest.mark.parametrize("story", OF_THE_TILL, ids=_name)
async def test_credits_are_bought_behind_the_wall(secured: Database, story: Story) -> None:
    till: Till = await open_till(secured)
    await story(till)
    await assert_books_hold(secured)


async def test_every_screen_is_served_behind_the_wall(house: House) -> None:
    for name in test_operations.SCREENS:
        await test_operations.test_the_screen_is_served(house, name)


async def test_a_caller_s_statements_run_under_the_tenant_role_and_an_operator_s_do_not(house: House) -> None:
    """Seen from outside: the policy is taken away, and a condition forgotten."""
    roles: list[str] = []

    def ask(connection: Any, cursor: Any, *_: Any) -> None:
        if not roles:
            roles.append("asking")
            cursor.execute("SELECT current_user::text")
            roles[:] = [cursor.fetchone()[0]]

    event.listen(house.database._readers.sync_engine, "before_cursor_execute", ask)
    for role, expected in ((Role.COMPANY_ADMIN, TENANT_ROLE), (Role.OPERATOR, house.database.url.username)):
        roles.clear()
        await house.ask("{ usageHistory(first: 1) { nodes { id } } }", viewer=house.world.viewer(role))
        assert roles == [expected]


async def test_who_is_in_no_company_sees_nothing_rather_than_everything(house: House) -> None:
    """There is no such viewer; if there were one by mistake, he would not get the login role."""
    nobody = house.world.viewer(Role.COMPANY_ADMIN, company_id=None)
    context = house.context(nobody)
    assert await context.database.rows(COMPANY.select()) == []
