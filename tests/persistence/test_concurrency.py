"""Many writers at once, on both engines: sums stay exact, no event counts twice, nobody is turned away."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import bindparam, func, select, update

from domain.catalogue import Direction, Service, UsageType
from domain.charging import Decision, Outcome
from domain.stories.charge import reverse_usage
from domain.stories.renew import renew_due
from domain.usage import DirectoryReference
from persistence.begin import Begin
from persistence.database import Database
from persistence.prepared import Prepared, write_together
from persistence.tables.charging import CHARGE, REJECTED_USAGE, USAGE_BY_CYCLE
from persistence.tables.company import COMPANY, CONTACT, GROUP, MEMBER
from persistence.tables.funds import BILLING_CYCLE, WALLET, WALLET_CYCLE
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, call, commitment, office, rate

NOW = START + timedelta(days=1)


@pytest.fixture
async def world(database: Database) -> World:
    return World(database, now=NOW)


def outcomes(batches: list[list[Decision]]) -> list[Outcome]:
    return [decision.outcome for batch in batches for decision in batch]


async def test_sixteen_reporters_of_overlapping_batches_charge_every_event_once(world: World) -> None:
    await world.set_up(office(allowances=(allowance(300),), commitments=(commitment("0.50"),)))
    events = [call(f"e{at:03}", START + timedelta(minutes=at)) for at in range(96)]
    batches = [[events[(12 * task + step) % 96] for step in range(24)] for task in range(16)]

    found = outcomes(await asyncio.gather(*(world.record(*batch) for batch in batches)))

    assert found.count(Outcome.CHARGED) == 96
    assert found.count(Outcome.REPLAYED) == 16 * 24 - 96
    [row] = await world.database.rows(
        select(func.count(), func.sum(CHARGE.c.list_price_micros), func.sum(CHARGE.c.plan_quantity)).select_from(CHARGE)
    )
    assert tuple(row) == (96, 96 * 20_000, 300)
    [universal] = await world.database.rows(WALLET.select().where(WALLET.c.balance_micros.is_not(None)))
    assert universal.balance_micros == -(96 * 20_000 - 100_000 - 500_000)
    assert sum(row.charge_count for row in await world.database.rows(USAGE_BY_CYCLE.select())) == 96
    await assert_books_hold(world.database)


async def test_offices_that_name_the_same_new_people_at_once_create_them_once(world: World) -> None:
    await world.set_up(office(), office("annex"), office("depot"))
    people = [DirectoryReference(f"m{at}", f"Member {at}") for at in range(12)]

    def batch(slug: str, order: int) -> list[object]:
        return [
            replace(
                call(f"{slug}-{at}", START, office=slug),
                member=people[at],
                group=people[-at],
                contact=replace_name(people[at], slug),
            )
            for at in range(12)[::order]
        ]

    found = outcomes(
        await asyncio.gather(
            *(
                world.record(*batch(slug, order))  # type: ignore[arg-type]
                for slug, order in (("hq", 1), ("annex", -1), ("depot", 1))
            )
        )
    )
    assert set(found) == {Outcome.CHARGED}
    for table in (MEMBER, GROUP, CONTACT):
        assert len(await world.database.rows(table.select())) == 12
    await assert_books_hold(world.database)


def replace_name(reference: DirectoryReference, slug: str) -> DirectoryReference:
    return reference._replace(name=f"{reference.name} as {slug} knows it")


async def test_an_event_sent_to_several_offices_at_once_is_charged_in_one_and_conflicts_in_the_others(
    world: World,
) -> None:
    slugs = ("hq", "annex", "depot", "shop")
    await world.set_up(*(office(slug) for slug in slugs))
    for number in range(5):
        batches = await asyncio.gather(
            *(world.record(call(f"e{number}", START, office=slug), call(f"{slug}{number}", START, office=slug))
              for slug in slugs)
        )  # fmt: skip
        contested = [batch[0] for batch in batches]
        assert sorted(decision.outcome for decision in contested) == [Outcome.CHARGED, *[Outcome.CONFLICT] * 3]
        assert len({decision.charge_id for decision in contested}) == 1
        assert {decision.differing for decision in contested} == {(), ("office",)}
        assert {batch[1].outcome for batch in batches} == {Outcome.CHARGED}
    await assert_books_hold(world.database)


async def test_a_plan_changed_while_usage_comes_in_disturbs_nobody(world: World) -> None:
    await world.set_up(office(commitments=(commitment("1"),)))

    async def change(step: int) -> None:
        raised = replace(commitment(f"{step + 2}"), is_immediate=True)
        await world.apply(office(commitments=(raised,), name=f"Name {step}"))

    async def load(step: int) -> None:
        await world.deck((rate(f"0.0{step + 1}"),), card=f"extra {step}", at=NOW)

    batches = [[call(f"{task}-{at}", START + timedelta(minutes=at)) for at in range(10)] for task in range(6)]
    results = await asyncio.gather(
        *(world.record(*batch) for batch in batches),
        *(change(step) for step in range(3)),
        *(load(at) for at in range(3)),
    )
    assert set(outcomes(results[:6])) == {Outcome.CHARGED}  # type: ignore[arg-type]
    [account] = await world.database.rows(WALLET_CYCLE.select())
    assert account.committed_micros == account.balance_micros + account.spent_micros
    await assert_books_hold(world.database)


async def test_a_rate_book_is_read_whole_while_decks_are_loaded_and_replaced(world: World) -> None:
    """Both prices of a deck come together; one that was seen is not missed while the next takes its place."""
    await world.set_up(office())
    opens_at = NOW + timedelta(days=1)

    async def load() -> None:
        for step in range(12):
            price = f"0.0{step % 9 + 1}"
            deck = (rate(price, prefix="1"), rate(price, prefix="44"))
            await world.deck(deck, card=f"extra {step % 3}", at=opens_at)

    async def read() -> None:
        seen: set[str] = set()
        for _ in range(40):
            async with Begin(world.database).begin(world.company_id, NOW) as work:
                book = await work.rate_book()
            for card in ("extra 0", "extra 1", "extra 2"):
                found = [
                    book.match(
                        service=Service.CALLING,
                        usage_type=UsageType.DOMESTIC,
                        direction=Direction.OUTBOUND,
                        digits=digits,
                        at=opens_at,
                        cards=(card,),
                    )
                    for digits in ("12125550123", "442079460123")
                ]
                prices = {one and one.nanos_per_unit for one in found}
                assert len(prices) == 1
                assert card not in seen or prices != {None}
                seen |= {card} if prices != {None} else set()

    await asyncio.gather(load(), read(), read())


async def test_everybody_who_meets_an_office_past_its_cycle_renews_it_once(world: World) -> None:
    await world.set_up(office(commitments=(commitment("5"),)), office("annex", commitments=(commitment("5"),)))
    world.now = START + timedelta(days=100)
    await asyncio.gather(
        *(renew_due(world.begin, None, world.now) for _ in range(6)),
        *(world.record(call(f"e{at}", world.now), call(f"a{at}", world.now, office="annex")) for at in range(6)),
    )
    assert len(await world.database.rows(BILLING_CYCLE.select())) == 2 * 4
    assert len(await world.database.rows(WALLET_CYCLE.select())) == 2 * 4
    await assert_books_hold(world.database)


async def test_a_reversal_asked_for_many_times_at_once_happens_once(world: World) -> None:
    """The same key is one request sent again, whichever of them came first (R32)."""
    await world.set_up()
    [charged] = await world.record(call("one", START))
    assert charged.charge_id is not None
    done = await asyncio.gather(
        *(
            reverse_usage(world.begin, world.viewer(), charged.charge_id, key="k", reason="wrong", now=NOW)
            for _ in range(8)
        )
    )
    assert len({one.reversal_id for one in done}) == 1
    assert sorted(one.is_replayed for one in done) == [False, *[True] * 7]
    await assert_books_hold(world.database)


async def test_a_rejection_sent_many_times_at_once_is_kept_once(world: World) -> None:
    await world.set_up(office(), office("annex"))
    blocked = "+900123456789"
    await asyncio.gather(
        *(world.record(call("one", START, to=blocked, office=slug)) for slug in ("hq", "annex") for _ in range(4))
    )
    assert len(await world.database.rows(REJECTED_USAGE.select())) == 1
    await assert_books_hold(world.database)


async def test_a_reader_sees_the_books_as_they_were_during_a_long_write(world: World) -> None:
    await world.set_up(office(opening_credits_micros=1_000_000))
    office_id = await world.office_id()
    async with world.begin.begin(world.company_id, NOW) as work:
        books = await work.lock_books(office_id)
        books.into_universal(500_000, "contract")
        await work.save_books(books)
        during = await asyncio.wait_for(world.database.rows(WALLET.select()), timeout=5)
    after = await world.database.rows(WALLET.select())
    assert ([row.balance_micros for row in during], [row.balance_micros for row in after]) == ([1_000_000], [1_500_000])


async def test_a_story_that_fails_leaves_nothing_behind_and_no_lock(world: World) -> None:
    await world.set_up(office(opening_credits_micros=1_000_000))
    office_id = await world.office_id()

    async def failing() -> None:
        async with world.begin.begin(world.company_id, NOW) as work:
            books = await work.lock_books(office_id)
            books.into_universal(500_000, "contract")
            await work.save_books(books)
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        await failing()
    [decision] = await asyncio.wait_for(world.record(call("one", START)), timeout=5)
    assert decision.outcome is Outcome.CHARGED
    [wallet] = await world.database.rows(WALLET.select())
    assert wallet.balance_micros == 1_000_000 - 20_000
    await assert_books_hold(world.database)


async def test_two_processes_on_one_sqlite_file_charge_every_event_once(
    sqlite_database: Database,
) -> None:
    """Each has a writer of its own, so the line they stand in is SQLite's (PITFALLS 15)."""
    here = World(sqlite_database, now=NOW)
    await here.set_up(office(commitments=(commitment("0.50"),)))
    there = World(Database(sqlite_database.url), now=NOW)
    there.company_id = here.company_id
    events = [call(f"e{at:03}", START + timedelta(minutes=at)) for at in range(60)]
    try:
        batches = await asyncio.gather(
            *(world.record(*events[at : at + 15]) for at in range(0, 60, 5) for world in (here, there))
        )
    finally:
        await there.database.close()
    assert outcomes(batches).count(Outcome.CHARGED) == 60
    await assert_books_hold(here.database)


async def test_a_writer_on_sqlite_holds_the_file_from_its_first_look_on(sqlite_database: Database) -> None:
    """A plain BEGIN would let a second one in, and both would decide on what they read."""
    other = Database(sqlite_database.url)
    entered = asyncio.Event()

    async def write() -> None:
        async with other.writing() as connection:
            await connection.execute(select(COMPANY.c.slug))
            entered.set()

    try:
        async with sqlite_database.writing() as connection:
            await connection.execute(select(COMPANY.c.slug))
            waiting = asyncio.create_task(write())
            await asyncio.sleep(0.3)
            assert not entered.is_set()
        await asyncio.wait_for(waiting, timeout=5)
    finally:
        await other.close()
    assert entered.is_set()


@pytest.mark.parametrize("is_together", [False, True])
async def test_a_write_broken_off_on_its_way_leaves_nothing_behind(world: World, is_together: bool) -> None:
    """It may be under way when its task has ended: it must neither count nor stand open for who comes next."""
    await world.set_up()
    renamed = update(COMPANY).where(COMPANY.c.company_id == bindparam("company")).values(name=bindparam("to"))
    prepared, values = Prepared(renamed), {"company": world.company_id, "to": "Half done"}

    async def write() -> None:
        async with world.database.writing() as connection:
            if is_together:
                if not world.database.is_sqlite:  # there a transaction begins by a statement that is not put together
                    await connection.execute(select(COMPANY.c.slug))
                text = prepared.on(is_sqlite=world.database.is_sqlite)
                await write_together(connection, [(text.text, text.values(values))])
            else:
                await connection.execute(renamed, values)
            await asyncio.sleep(60)

    for turns in range(12):
        task = asyncio.create_task(write())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with world.database.writing() as connection:
            [name] = (await connection.execute(select(COMPANY.c.name))).scalars()
            assert name == "Acme"
