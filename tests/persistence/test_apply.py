"""`apply` on real databases: every field is told and stored, and nothing is told twice; a refusal changes nothing."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from domain.catalogue import Cadence, UsageType, WalletKind
from domain.charging import Outcome
from domain.errors import InvalidInput, WrongCurrency
from domain.money import Currency
from domain.provisioning import CompanyPlan, DirectoryContact, DirectoryGroup, DirectoryMember, GroupKind, OfficePlan
from domain.stories.provision import apply_company
from persistence.database import Database
from persistence.metadata import METADATA
from persistence.tables.company import OFFICE_NUMBER
from persistence.tables.funds import BILLING_CYCLE, POSTING, WALLET
from tests.domain.test_plan_changes import COMPANY_CHANGES, OFFICE_CHANGES
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, call, commitment, office

ONE, TWO = "+14155550100", "+14155550101"
PLAN = CompanyPlan(
    slug="acme",
    name="Acme",
    currency=Currency.USD,
    domestic_regions=("US", "PR"),
    offices=(
        office(
            allowances=(allowance(600),),
            commitments=(commitment("5"), commitment("9", WalletKind.AI_AGENT, Cadence.ANNUAL)),
            opening_credits_micros=1_000_000,
            phone_numbers=(TWO, ONE),
        ),
        office("annex", anchor_day=31),
    ),
    members=(DirectoryMember(external_id="7", name="Front desk", office="hq", group_external_ids=("g",)),),
    groups=(DirectoryGroup(external_id="g", name="Support", kind=GroupKind.CALL_CENTER, office="annex"),),
    contacts=(DirectoryContact(external_id="c", name="Supplier", phone_numbers=("+12125550123", "+12125550100")),),
)


@pytest.fixture
async def world(database: Database) -> World:
    return World(database)


async def apply(world: World, plan: CompanyPlan, *, is_dry_run: bool = False) -> list[str]:
    return await apply_company(world.begin, plan, now=world.now, is_dry_run=is_dry_run)


async def everything(database: Database) -> dict[str, list[Any]]:
    return {
        name: sorted((tuple(row) for row in await database.rows(table.select())), key=repr)
        for name, table in METADATA.tables.items()
    }


async def test_applying_a_plan_again_changes_nothing(world: World) -> None:
    assert await apply(world, PLAN) == [
        "company acme: new",
        "office hq: new",
        "office annex: new",
        "member 7: new",
        "group g: new",
        "contact c: new",
    ]
    stored = await everything(world.database)
    assert await apply(world, PLAN) == []
    assert await everything(world.database) == stored
    await assert_books_hold(world.database)


async def test_a_dry_run_tells_everything_and_changes_nothing(world: World) -> None:
    empty = await everything(world.database)
    told = await apply(world, PLAN, is_dry_run=True)
    assert await everything(world.database) == empty
    assert await apply(world, PLAN) == told
    stored = await everything(world.database)
    changed = replace(PLAN, name="Other", offices=(replace(PLAN.offices[0], anchor_day=7, commitments=()),))
    told = await apply(world, changed, is_dry_run=True)
    assert told == [
        "company acme: name Acme → Other",
        "office hq: anchor_day 1 → 7",
        "office hq: AI_AGENT commitment ends",
        "office hq: CALLING commitment ends",
    ]
    assert await everything(world.database) == stored
    assert await apply(world, changed) == told


async def _stored(world: World) -> CompanyPlan:
    async with world.begin.provision("acme", world.now) as work:
        plan = await work.stored_plan()
    assert plan is not None
    return plan


async def test_every_field_of_an_office_is_told_and_stored(world: World) -> None:
    await apply(world, PLAN)
    annex = PLAN.offices[1]
    for name, value in (OFFICE_CHANGES | {"phone_numbers": ("+442079460000",)}).items():
        annex = replace(annex, **{name: value})  # type: ignore[arg-type]
        [told] = await apply(world, replace(PLAN, offices=(annex,)))
        assert told.startswith(f"office annex: {name.removesuffix('_micros')} ")
        [stored] = [one for one in (await _stored(world)).offices if one.slug == "annex"]
        assert getattr(stored, name) == value
        assert await apply(world, replace(PLAN, offices=(annex,))) == []


async def test_every_field_of_a_company_is_told_and_stored(world: World) -> None:
    await apply(world, PLAN)
    changed = PLAN
    for name in [name for name in COMPANY_CHANGES if name != "currency"]:
        changed = replace(changed, **{name: COMPANY_CHANGES[name]})  # type: ignore[arg-type]
        [told] = await apply(world, changed)
        assert told.startswith(f"company acme: {name.removesuffix('_micros')} ")
        assert getattr(await _stored(world), name) == COMPANY_CHANGES[name]
        assert await apply(world, changed) == []


async def test_plans_and_people_are_stored_as_they_were_told(world: World) -> None:
    await apply(world, PLAN)
    stored = await _stored(world)
    assert (stored.members, stored.groups, stored.contacts) == (PLAN.members, PLAN.groups, PLAN.contacts)
    hq = next(one for one in stored.offices if one.slug == "hq")
    assert (hq.allowances, set(hq.commitments)) == (PLAN.offices[0].allowances, set(PLAN.offices[0].commitments))
    changed = replace(
        PLAN.offices[0],
        allowances=(allowance(60, PLAN.offices[0].allowances[0].service, UsageType.LOCAL),),
        commitments=(commitment("7", cadence=Cadence.ANNUAL),),
    )
    told = await apply(world, replace(PLAN, offices=(changed,)))
    assert len(told) == 5
    assert await apply(world, replace(PLAN, offices=(changed,))) == []


async def test_numbers_move_between_offices_in_either_direction(world: World) -> None:
    hq, annex = office(phone_numbers=(ONE,)), office("annex", phone_numbers=(TWO,))
    await world.set_up(hq, annex)
    await world.apply(replace(hq, phone_numbers=(TWO,)), replace(annex, phone_numbers=(ONE,)))
    rows = await world.database.rows(OFFICE_NUMBER.select())
    assert {row.phone_number: row.office_id for row in rows} == {
        TWO: await world.office_id("hq"),
        ONE: await world.office_id("annex"),
    }
    await world.apply(replace(hq, phone_numbers=()), replace(annex, phone_numbers=(ONE, TWO)))
    await world.apply(replace(hq, phone_numbers=(ONE, TWO)), replace(annex, phone_numbers=()))
    rows = await world.database.rows(OFFICE_NUMBER.select())
    assert {row.office_id for row in rows} == {await world.office_id("hq")}


async def test_a_number_of_an_office_that_the_file_does_not_name_stays_there(world: World) -> None:
    await world.set_up(office(phone_numbers=(ONE,)), office("annex"))
    stored = await everything(world.database)
    with pytest.raises(InvalidInput, match="another office"):
        await world.apply(office("annex", phone_numbers=(ONE,), name="Changed"))
    assert await everything(world.database) == stored


async def test_a_currency_cannot_be_changed_and_nothing_else_of_that_file_is(world: World) -> None:
    await apply(world, PLAN)
    stored = await everything(world.database)
    with pytest.raises(WrongCurrency):
        await apply(world, replace(PLAN, name="Other", currency=Currency.EUR))
    assert await everything(world.database) == stored


async def test_people_of_an_unknown_office_refuse_the_whole_file(world: World) -> None:
    with pytest.raises(InvalidInput, match="no office 'nowhere'"):
        await apply(world, replace(PLAN, members=(DirectoryMember(external_id="7", name="X", office="nowhere"),)))
    assert not any((await everything(world.database)).values())


async def test_opening_credits_are_brought_along_once(world: World) -> None:
    hq = office(opening_credits_micros=5_000_000)
    await world.set_up(hq)
    assert await world.apply(replace(hq, opening_credits_micros=9_000_000, name="Other")) == [
        "office hq: name HQ → Other"
    ]
    [posting] = await world.database.rows(POSTING.select())
    assert (posting.source, posting.destination, posting.amount_micros) == ("contract", "wallet:UNIVERSAL", 5_000_000)


async def test_an_office_opened_in_the_past_has_passed_through_every_cycle_since(world: World) -> None:
    world.now = datetime.fromisoformat("2026-03-20T00:00:00Z")
    await world.set_up(office(opened_on=date(2025, 12, 24), anchor_day=15, commitments=(commitment("5"),)))
    rows = await world.database.rows(BILLING_CYCLE.select().order_by(BILLING_CYCLE.c.starts_at))
    assert [(row.month, row.closed_at is None) for row in rows] == [
        (202512, False),
        (202601, False),
        (202602, False),
        (202603, True),
    ]
    await assert_books_hold(world.database)


async def test_a_plan_changed_after_the_cycle_s_end_begins_where_the_old_one_ended(world: World) -> None:
    """What was due by now was due under the old terms, although nobody had come to renew it."""
    await world.set_up(office(commitments=(commitment("5"),)))
    world.now = datetime.fromisoformat("2026-05-10T00:00:00Z")
    await world.apply(office(commitments=(replace(commitment("8"), is_immediate=True),), anchor_day=20))
    rows = await world.database.rows(BILLING_CYCLE.select().order_by(BILLING_CYCLE.c.starts_at))
    assert [f"{row.ends_at:%m-%d}" for row in rows] == ["04-01", "05-01", "06-20"]
    granted = await world.database.rows(POSTING.select().where(POSTING.c.source == "contract"))
    assert sorted(row.amount_micros for row in granted) == [3_000_000, 5_000_000, 5_000_000, 5_000_000]
    await assert_books_hold(world.database)


async def test_companies_do_not_know_each_other(database: Database) -> None:
    worlds = [World(database), World(database, slug="other")]
    plans: list[OfficePlan] = [office(opening_credits_micros=1_000_000), office(opening_credits_micros=2_000_000)]
    for world, plan in zip(worlds, plans, strict=True):
        await world.set_up(plan)
    for world in worlds:
        [decision] = await world.record(call("one", START))
        assert decision.outcome is Outcome.CHARGED
    rows = await database.rows(WALLET.select())
    assert {row.company_id: row.balance_micros for row in rows} == {
        worlds[0].company_id: 980_000,
        worlds[1].company_id: 1_980_000,
    }
    await assert_books_hold(database)


async def test_an_office_cannot_open_in_the_future_nor_before_history(world: World) -> None:
    for since in (date(2030, 1, 1), date(1900, 1, 1)):
        with pytest.raises(InvalidInput, match="cannot open"):
            await world.apply(office("later", phone_numbers=(), opened_on=since))


async def test_a_dry_run_refuses_what_apply_would_refuse(world: World) -> None:
    await world.apply(office())
    with pytest.raises(WrongCurrency):
        await world.apply(office(), currency=Currency.EUR, is_dry_run=True)
