"""An office's alerts judged over its books, without a database: what counts as current, and what partners are told."""

from datetime import datetime, timedelta
from typing import Any

from domain.alerts import Alert, AlertState, Cause, Dimension
from domain.catalogue import Service, WalletKind
from domain.money import Currency
from domain.news import Topic
from domain.periods import CycleTerms, Period
from domain.spending_rise import Rise, Thresholds
from domain.watching import Judged, WatchFacts, judge_alerts, next_watch
from tests.books import Office, committed, included
from tests.world import START, call

USUAL = Thresholds(25, 10_000_000)
HOUR = timedelta(hours=1)


def judge(office: Office, *open_alerts: Alert, rise: Rise | None = None, had_universal: bool = True) -> Judged:
    facts = WatchFacts(USUAL, None, open_alerts, {Service.CALLING: 1_600_000}, had_universal)
    return judge_alerts(office.books, facts, rise)


def spent(*minutes: int, **granted: Any) -> Office:
    """At two cents a minute, an hour apart."""
    office = Office.open(universal="100", **granted)
    for number, some in enumerate(minutes):
        at = START + number * HOUR
        office.record(call(f"call-{number}", at, seconds=60 * some), now=at + HOUR)
    return office


def topics(office: Office) -> list[Topic]:
    return [news.topic for news in office.books.news]


def test_a_commitment_is_told_twice_once_as_a_wallet_that_is_low() -> None:
    office = spent(450, commitments=[committed("10")])
    [alert] = judge(office).raised
    assert topics(office) == [Topic.ALERT_RAISED, Topic.WALLET_LOW]
    told, low = (news.facts for news in office.books.news)
    assert told["spendingAlert"]["id"] == f"alr_{alert.id.hex}"
    assert told["spendingAlert"]["message"] == "90 % of the calling commitment is used: 9.00 USD of 10.00 USD."
    assert told["spendingAlert"]["usedPercent"] == 90
    assert low["spendingAlert"] == told["spendingAlert"]
    assert low["wallet"] == {
        "id": f"wal_{alert.wallet_id.hex}" if alert.wallet_id else None,
        "kind": WalletKind.CALLING,
        "name": "Calling credits",
        "balance": {"amount": "1.000000", "currencyCode": Currency.USD},
    }


def test_an_allowance_is_no_wallet() -> None:
    office = spent(80, allowances=[included(100 * 60)])
    [alert] = judge(office).raised
    assert topics(office) == [Topic.ALERT_RAISED]
    assert (alert.current_micros, alert.spent_quantity, alert.committed_quantity) == (1_600_000, 4_800, 6_000)


def test_the_news_of_a_rise_names_its_cause_as_the_contract_does() -> None:
    office = spent()
    period = Period(START, START + timedelta(days=3))
    member = Cause(Dimension.MEMBER, "ab" * 16, 30_000_000, 0, "Ann")
    for cause, named in (
        (member, {"member": {"id": f"mem_{'ab' * 16}", "name": "Ann"}}),
        (member._replace(dimension=Dimension.GROUP), {"group": {"id": f"grp_{'ab' * 16}", "name": "Ann"}}),
        (Cause(Dimension.REGION, "IN", 30_000_000, 0), {"regionCode": "IN"}),
        (Cause(Dimension.USAGE_TYPE, "LOCAL", 30_000_000, 0), {"usageType": "LOCAL"}),
        (Cause(Dimension.SERVICE, "FAX", 30_000_000, 0), {"service": "FAX"}),
    ):
        office.books.news.clear()
        judge(office, rise=Rise(period, 50_000_000, 20_000_000, cause))
        [news] = office.books.news
        told = news.facts["spendingAlert"]
        assert (told["risePercent"], told["usedPercent"]) == ("150.0", None)
        assert (told["periodStart"], told["periodEnd"]) == ("2026-03-01T00:00:00Z", "2026-03-04T00:00:00Z")
        figures = {key: told["cause"].pop(key) for key in ("current", "previous", "sharePercent")}
        assert (figures["sharePercent"], figures["current"]["amount"]) == ("100.0", "30.000000")
        assert told["cause"] == named


def test_what_stands_is_no_news() -> None:
    office = spent(450, commitments=[committed("10")])
    first = judge(office)
    office.books.news.clear()
    assert judge(office, *first.raised) == Judged([], [])
    assert office.books.news == []


def test_late_usage_of_the_cycle_before_raises_nothing_and_ends_nothing_of_this_one() -> None:
    office = spent(commitments=[committed("10")])
    april = START.replace(month=4) + HOUR
    office.record(call("now", april, seconds=60 * 400), now=april)
    [alert] = judge(office).raised
    assert alert.used_percent == 80
    office.record(call("late", START + HOUR, seconds=60 * 500), now=april + HOUR)
    assert judge(office, alert) == Judged([], [])


def test_with_the_cycle_its_alert_ends_before_the_next_one_is_raised() -> None:
    office = spent(450, commitments=[committed("10")])
    [old] = judge(office).raised
    april = START.replace(month=4)
    office.record(call("april", april, seconds=60 * 500), now=april + HOUR)
    judged = judge(office, old)
    assert [(alert.id, alert.state) for alert in judged.moved] == [(old.id, AlertState.ENDED)]
    assert [(alert.subject, alert.used_percent) for alert in judged.raised] == [("commitment:CALLING", 100)]


def test_a_commitment_of_nothing_and_universal_credits_that_recharge_say_nothing() -> None:
    office = Office.open(commitments=[committed("0")])
    office.funds.recharge.is_enabled = True
    assert judge(office) == Judged([], [])
    office.funds.recharge.is_enabled = False
    [low] = judge(office).raised
    assert (low.subject, low.current_micros, low.limit_micros) == ("universal", 0, 5_000_000)
    assert judge(office, had_universal=False) == Judged([], [])


def test_it_is_looked_at_again_after_the_next_midnight_or_when_the_cycle_ends() -> None:
    moment = datetime.fromisoformat
    for zone, anchor, now, expected in (
        ("UTC", 1, "2026-03-05T12:00+00:00", "2026-03-06T00:00:02+00:00"),
        ("Asia/Tokyo", 1, "2026-03-05T14:59:59+00:00", "2026-03-05T15:00:02+00:00"),
        ("Asia/Tokyo", 1, "2026-03-05T15:00+00:00", "2026-03-06T15:00:02+00:00"),
        ("UTC", 1, "2026-03-31T23:00+00:00", "2026-04-01T00:00:02+00:00"),
    ):
        office = Office.open(terms=CycleTerms(time_zone=zone, anchor_day=anchor), opened_at=moment(now))
        assert next_watch(office.books) == moment(expected)


def test_clocks_that_go_back_over_midnight_do_not_bring_a_moment_that_is_past() -> None:
    """In Newfoundland, a minute after midnight, it was a minute past eleven of the day before once more."""
    zone, now = "America/St_Johns", datetime.fromisoformat("2010-11-07T02:45+00:00")
    office = Office.open(terms=CycleTerms(time_zone=zone, anchor_day=1), opened_at=now)
    assert next_watch(office.books) == datetime.fromisoformat("2010-11-08T03:30:02+00:00")
