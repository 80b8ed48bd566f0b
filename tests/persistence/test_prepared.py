"""Statements that go straight to the driver find what SQLAlchemy finds, and write in an order that references allow."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import bindparam, select

from domain.catalogue import Service
from domain.charging import Outcome
from domain.usage import MAX_BATCH_EVENTS
from persistence.bulk import COPIED_FROM
from persistence.database import Database
from persistence.ids import IdSource
from persistence.prepared import Prepared, Texts, one_of, read
from persistence.tables.company import COMPANY, OFFICE
from persistence.tables.funds import ALLOWANCE, BILLING_CYCLE, POSTING
from tests.proof import assert_books_hold
from tests.world import START, World, allowance, call, commitment, office


async def test_several_reads_in_one_trip_find_what_each_finds_alone(database: Database) -> None:
    world = await World(database).set_up(office(allowances=(allowance(60),)), office("o'brien"))
    tables = (COMPANY, OFFICE, ALLOWANCE, BILLING_CYCLE)
    statements = [select(each).where(each.c.company_id == bindparam("company")) for each in tables]
    values = {"company": world.company_id}
    async with database.reading() as connection:
        expected = [(await connection.execute(one, values)).all() for one in statements]
        asked = [(Prepared(one), values) for one in statements]
        together = await read(connection, *asked)
        alone = [(await read(connection, one))[0] for one in asked]
        nobody = await read(connection, *[(one, {"company": uuid4()}) for one, _ in asked])
    assert [[tuple(row) for row in rows] for rows in together] == [[tuple(row) for row in rows] for rows in expected]
    assert together == alone
    assert nobody == [[]] * len(tables)
    assert together[2][0].service == Service.CALLING


async def test_one_of_takes_lists_of_any_length_and_any_text(database: Database) -> None:
    world = await World(database).set_up(office(), office("berlin"))
    listed = Prepared(select(OFFICE.c.slug).where(one_of(OFFICE.c.slug, bindparam("slugs", type_=Texts()))))
    odd = ['quote"', "back\\slash", "日本", "{brace}", "comma,", ""]
    async with database.reading() as connection:
        await connection.execute(select(OFFICE.c.id))
        for slugs, count in ((["hq", *odd], 1), ([], 0), (["hq", "berlin"] + odd * 5_000, 2)):
            [rows] = await read(connection, (listed, {"slugs": slugs}))
            assert len(rows) == count
    assert world.company_id


async def test_few_charges_with_many_postings_and_the_most_a_batch_may_have(database: Database) -> None:
    """Just below the number from which rows are copied there are more postings than that: two payers each."""
    world = await World(database, now=START + timedelta(days=2)).set_up(office(commitments=(commitment("0.01"),)))
    for first, size in ((0, COPIED_FROM - 1), (100, COPIED_FROM), (1_000, MAX_BATCH_EVENTS)):
        events = [call(f"e{number}", START + timedelta(seconds=number)) for number in range(first, first + size)]
        assert {decision.outcome for decision in await world.record(*events)} == {Outcome.CHARGED}
        assert {decision.outcome for decision in await world.record(*events)} == {Outcome.REPLAYED}
    assert await database.rows(POSTING.select().where(POSTING.c.charge_id.is_not(None)).limit(1))
    await assert_books_hold(database)


def test_ids_rise_and_none_comes_twice() -> None:
    source = IdSource()
    ids = [source() for _ in range(2_000)]
    assert ids == sorted(set(ids))
    assert {each.version for each in ids} == {7}
    assert len({each.int & 0xFFFF_FFFF for each in ids}) > 1_990
