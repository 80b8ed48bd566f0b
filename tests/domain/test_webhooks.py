"""When a message is tried again, and what an endpoint may ask for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput, Required
from domain.news import Topic
from domain.webhooks import JITTER, MAX_ASKED_PAUSE, PAUSES, next_attempt, ordered_topics

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

SCHEDULE = """
1 0:00:05
2 0:05:00
3 0:30:00
4 2:00:00
5 5:00:00
6 10:00:00
7 14:00:00
8 20:00:00
9 1 day, 0:00:00
10 given up
11 given up
"""


@pytest.mark.parametrize("line", SCHEDULE.strip().splitlines())
def test_pauses_grow_and_end(line: str) -> None:
    failed_count, _, told = line.partition(" ")
    due_at = next_attempt(NOW, int(failed_count), spread=0, asked=None)
    assert told == ("given up" if due_at is None else str(due_at - NOW))


@given(failed_count=st.integers(1, len(PAUSES)), spread=st.floats(-1, 1))
def test_pauses_are_spread_by_a_tenth(failed_count: int, spread: float) -> None:
    due_at = next_attempt(NOW, failed_count, spread=spread, asked=None)
    assert due_at is not None
    pause, drift = PAUSES[failed_count - 1], timedelta(microseconds=1)
    assert pause * (1 - JITTER) - drift <= due_at - NOW <= pause * (1 + JITTER) + drift


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (timedelta(minutes=2), timedelta(minutes=2)),
        (timedelta(0), timedelta(seconds=5)),
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(days=400), MAX_ASKED_PAUSE),
    ],
)
def test_a_receiver_is_left_alone_for_as_long_as_it_asks_but_no_longer_than_a_day(
    asked: timedelta, expected: timedelta
) -> None:
    assert next_attempt(NOW, 1, spread=0, asked=asked) == NOW + expected


def test_topics_are_kept_in_one_order_each_once_and_at_least_one() -> None:
    assert ordered_topics([Topic.USAGE_REJECTED, Topic.WALLET_LOW]) == (Topic.WALLET_LOW, Topic.USAGE_REJECTED)
    with pytest.raises(Required):
        ordered_topics([])
    with pytest.raises(InvalidInput):
        ordered_topics([Topic.WALLET_LOW, Topic.WALLET_LOW])


def test_the_type_of_a_message_is_its_topic_with_one_dot() -> None:
    assert [topic.type_name for topic in Topic] == [
        *("wallet.low", "recharge.settled", "recharge.declined", "recharge.skipped", "recharge.switched_off"),
        *("credits.purchased", "alert.raised", "usage.rejected"),
    ]
