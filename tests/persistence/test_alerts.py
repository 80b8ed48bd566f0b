"""Alerts of real databases: raised once, put down to their true cause, re-armed, ended with their cycle (R38, R39)."""

from domain.access import Role
from domain.alerts import AlertState, Dimension
from domain.catalogue import Cadence, Service, UsageType, WalletKind
from domain.money import Amount, parse_micros
from domain.stories.charge import reverse_usage
from domain.stories.recharge import configure_recharge
from persistence.database import Database
from persistence.tables.charging import CHARGE
from tests.persistence.story import day
from tests.persistence.watching import Watched, rich
from tests.proof import assert_books_hold
from tests.world import allowance, commitment, office

FAXES = (Service.FAX, UsageType.FAX_SENT, UsageType.FAX_RECEIVED)
ACTIVE = AlertState.ACTIVE


# ---------- a rise ----------


async def test_a_rise_is_raised_on_the_fourth_day_and_put_down_to_the_member_who_made_it(hq: Watched) -> None:
    await hq.a_quiet_march()
    for date in range(1, 4):
        await hq.spend(f"2026-04-0{date}", 10, member="ann")
        await hq.spend(f"2026-04-0{date}", 8, member="bob")
        await hq.watch()
        assert await hq.told() == []
    await hq.watch("2026-04-04 00:00:03")

    [alert] = await hq.alerts()
    assert alert.cause is not None
    assert (alert.state, alert.cause.dimension) == (ACTIVE, Dimension.MEMBER)
    assert (alert.current_micros, alert.previous_micros) == (54_000_000, 30_000_000)
    assert (alert.cause.current_micros, alert.cause.previous_micros) == (24_000_000, 0)
    assert alert.period == (day("2026-04-01"), day("2026-04-04"))
    assert (await hq.message()).startswith("Spending is up 80 % in the first 3 days of this billing cycle: 54.00 USD")


async def test_a_group_is_named_and_nobody_is_not(hq: Watched) -> None:
    await hq.a_quiet_march()
    for date in range(1, 4):
        await hq.spend(f"2026-04-0{date}", 20)
        await hq.spend(f"2026-04-0{date}", 9, group="night")
    await hq.watch("2026-04-04 00:00:03")
    [alert] = await hq.alerts()
    assert alert.cause is not None
    assert (alert.cause.dimension, alert.cause.rise_micros, alert.rise_micros) == (
        Dimension.REGION,
        57_000_000,
        57_000_000,
    )

    await hq.spend("2026-04-04", 400, group="night")
    await hq.watch("2026-04-05 00:00:03")
    assert [alert.state for alert in await hq.alerts()] == [AlertState.SUPERSEDED, ACTIVE]
    [alert] = await hq.alerts(ACTIVE)
    assert alert.cause is not None
    assert alert.cause.dimension is Dimension.GROUP


async def test_exactly_a_quarter_and_ten_more_is_a_rise_and_a_page_less_is_none(hq: Watched) -> None:
    for date in range(1, 5):
        await hq.spend(f"2026-03-0{date}", 10)
    await hq.spend("2026-04-01", 49)
    await hq.watch("2026-04-05 00:00:03")
    assert await hq.told() == []
    await hq.spend("2026-04-04", 1)  # it occurred on a day that is over
    await hq.watch()
    assert await hq.told() == ["region:US active"]


async def test_it_is_raised_once_a_cycle_and_cause_and_again_after_it_fell_back(hq: Watched) -> None:
    await hq.a_quiet_march()
    await hq.spend("2026-03-06", 100, member="ann")
    await hq.spend("2026-04-01", 60, member="bob")
    await hq.watch("2026-04-04 00:00:03")
    await hq.watch("2026-04-05 00:00:03")
    await hq.spend("2026-04-05", 1, member="bob")
    await hq.watch()
    [first] = await hq.alerts()
    assert first.state is ACTIVE

    await hq.watch("2026-04-07 00:00:03")  # now Ann's hundred of March count too
    assert [alert.state for alert in await hq.alerts()] == [AlertState.ENDED]
    await hq.spend("2026-04-07", 200, member="bob")
    await hq.watch("2026-04-08 00:00:03")
    ended, again = await hq.alerts()
    assert (ended.id, ended.state, again.state) == (first.id, AlertState.ENDED, ACTIVE)
    assert ended.subject == again.subject


async def test_a_new_cycle_begins_anew_and_the_first_one_says_nothing(hq: Watched) -> None:
    for date in range(1, 10):
        await hq.spend(f"2026-03-0{date}", 10 + date)
        await hq.watch()
    assert await hq.told() == []
    await hq.spend("2026-04-01", 200)
    await hq.watch("2026-04-10 00:00:03")
    assert await hq.told() == ["region:US active"]
    await hq.watch("2026-05-01 00:00:03")
    assert await hq.told() == ["region:US ended"]


async def test_days_are_those_of_occurrence_whatever_month_usage_was_booked_in(hq: Watched) -> None:
    """Reported when its cycle had closed, it is charged to the next one; it still happened in March (R10)."""
    hq.world.now = day("2026-04-05 12:00")
    await hq.spend("2026-03-02", 40)
    await hq.spend("2026-04-01", 20)
    await hq.watch()
    rows = await hq.world.database.rows(CHARGE.select().order_by(CHARGE.c.occurred_at))
    assert [(row.local_day.month, row.month, row.is_booked_late) for row in rows] == [
        (3, 202604, True),
        (4, 202604, False),
    ]
    assert await hq.told() == []


async def test_days_are_the_office_s_own(database: Database) -> None:
    """In Sydney the third of April is over at 13:00 in Greenwich."""
    hq = await Watched.open(database, rich(time_zone="Australia/Sydney", opened_on=day("2026-03-01").date()))
    await hq.spend("2026-04-01", 30)
    await hq.watch("2026-04-03 12:59:59")
    assert await hq.told() == []
    assert await hq.due_at() == day("2026-04-03 13:00:02")
    assert await hq.watch("2026-04-03 13:00:02") == 1
    assert await hq.told() == ["region:US active"]


# ---------- commitments, allowances, universal credits ----------


async def test_each_step_of_a_commitment_is_told_when_it_is_reached(database: Database) -> None:
    hq = await Watched.open(database, rich(commitments=(commitment("100"),)))
    for pages, expected in (
        (79, []),
        (1, ["commitment:CALLING 80 active"]),
        (9, ["commitment:CALLING 80 active"]),
        (1, ["commitment:CALLING 80 ended", "commitment:CALLING 90 active"]),
        (30, ["commitment:CALLING 80 ended", "commitment:CALLING 90 ended", "commitment:CALLING 100 active"]),
    ):
        await hq.spend("2026-03-02", pages)
        await hq.watch()
        assert await hq.told() == expected
    assert await hq.message() == "100 % of the calling commitment is used: 100.00 USD of 100.00 USD."
    await hq.watch("2026-04-01 00:00:03")
    assert await hq.alerts(ACTIVE) == []
    await hq.spend("2026-03-31", 5)  # late, to the cycle before: it is used up, and that is no news
    await hq.watch()
    assert await hq.alerts(ACTIVE) == []
    await assert_books_hold(database)


async def test_a_step_that_is_taken_back_is_followed_down(database: Database) -> None:
    hq = await Watched.open(database, rich(commitments=(commitment("100"),)))
    for pages in (70, 25, 5):
        await hq.spend("2026-03-02", pages)
    await hq.watch()
    rows = await database.rows(CHARGE.select().order_by(CHARGE.c.sequence))
    for row, expected in ((rows[2], "90 active"), (rows[1], "90 ended")):
        await reverse_usage(
            hq.world.begin, hq.world.viewer(), row.id, key=row.event_id, reason="Test.", now=hq.world.now
        )
        await hq.watch()
        assert await hq.told() == [f"commitment:CALLING {expected}"]
    await assert_books_hold(database)


async def test_a_year_s_commitment_is_told_in_its_own_cycle(database: Database) -> None:
    annual = commitment("100", WalletKind.CALLING, Cadence.ANNUAL)
    hq = await Watched.open(database, rich(commitments=(annual,)))
    await hq.spend("2026-03-02", 80)
    await hq.watch()
    await hq.watch("2026-06-01 00:00:03")
    [alert] = await hq.alerts()
    assert (alert.state, alert.period) == (ACTIVE, (day("2026-03-01"), day("2027-03-01")))
    await hq.watch("2027-03-01 00:00:03")
    assert [alert.state for alert in await hq.alerts()] == [AlertState.ENDED]


async def test_an_allowance_tells_units_and_what_they_would_have_cost(database: Database) -> None:
    hq = await Watched.open(database, rich(allowances=(allowance(10, *FAXES),)))
    await hq.spend("2026-03-02", 8)
    await hq.watch()
    [alert] = await hq.alerts()
    assert (alert.subject, alert.used_percent, alert.current_micros) == ("allowance:FAX", 80, 8_000_000)
    assert await hq.message() == "The fax allowance is 80 % used: 8 of 10 pages."
    await hq.watch("2026-04-01 00:00:03")
    await hq.spend("2026-04-02", 10)
    await hq.watch()
    assert await hq.told() == ["allowance:FAX 80 ended", "allowance:FAX 100 active"]
    await assert_books_hold(database)


async def configure(hq: Watched, *, on: bool, threshold: str = "5") -> None:
    await configure_recharge(
        hq.world.begin,
        hq.world.viewer(Role.COMPANY_ADMIN),
        await hq.world.office_id(),
        is_enabled=on,
        threshold=Amount(parse_micros(threshold), "USD"),
        amount=None,
        cycle_cap=None,
        now=hq.world.now,
    )


async def test_universal_credits_that_never_were_are_not_low(database: Database) -> None:
    hq = await Watched.open(database, office(), office("berlin", opening_credits_micros=1_000_000))
    await hq.spend_at("berlin", "2026-03-02", 1)
    await hq.watch()
    [low] = await hq.alerts()
    assert (low.subject, low.current_micros) == ("universal", 0)
    await configure(hq, on=False, threshold="50")
    await hq.watch()
    assert await hq.told() == ["universal active"]
    await hq.spend_at("hq", "2026-03-02", 1)
    await hq.watch()
    assert sorted(alert.current_micros for alert in await hq.alerts()) == [-1_000_000, 0]


async def test_universal_credits_are_low_below_the_threshold_while_nothing_refills_them(database: Database) -> None:
    hq = await Watched.open(database, office(opening_credits_micros=7_000_000))
    await hq.spend("2026-03-02", 2)
    await hq.watch()
    assert await hq.told() == []  # exactly five
    await hq.spend("2026-03-02", 1)
    await hq.watch()
    assert await hq.message() == "Universal credits are low: 4.00 USD, below 5.00 USD, and auto-recharge is off."
    await hq.watch("2026-04-02 00:00:03")
    assert await hq.told() == ["universal active"]  # of no cycle
    for on, threshold, expected in (
        (True, "5", ["ended"]),
        (False, "5", ["ended", "active"]),
        (False, "4", ["ended", "ended"]),
    ):
        await configure(hq, on=on, threshold=threshold)
        await hq.watch()
        assert await hq.told() == [f"universal {state}" for state in expected]
    await assert_books_hold(database)
