"""What an endpoint that partners are told at must be like, and when a message is tried again. Pure rules."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from domain.errors import InvalidInput, Required, TooHigh
from domain.news import Topic

CHANGE_ENDPOINT = "updateWebhookEndpoint"
"""The action, whether a person did it or a receiver that said it is gone."""
MAX_ENDPOINTS = 10
"""Of one company."""
BOTH_SIGN = timedelta(hours=24)
"""So long the secret that was replaced signs beside the new one."""
PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""After the first attempt that failed, the second, …; after the one that follows the last pause it is given up."""
MAX_ASKED_PAUSE = timedelta(days=1)
"""A receiver that asks to be left alone is left alone for so long at most."""
JITTER = 0.1
"""Pauses differ by so much, so that what failed together does not come back together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    id: UUID
    url: str
    topics: tuple[Topic, ...]
    """In the order of the topics."""
    is_enabled: bool


def ordered_topics(topics: Collection[Topic]) -> tuple[Topic, ...]:
    """Raises Required for none, InvalidInput for doubles."""
    if not topics:
        raise Required("Name at least one topic.", field=("topics",))
    if len(set(topics)) != len(topics):
        raise InvalidInput("Name every topic once.", field=("topics",))
    return tuple(topic for topic in Topic if topic in topics)


def check_room(endpoints: Collection[Endpoint]) -> None:
    """That there may be one more. Raises TooHigh."""
    if len(endpoints) >= MAX_ENDPOINTS:
        raise TooHigh(f"A company has {MAX_ENDPOINTS} endpoints at most: change one that is not needed any more.")


def next_attempt(failed_at: datetime, failed_count: int, *, spread: float, asked: timedelta | None) -> datetime | None:
    """When a message is tried again that failed so often since it was made, or replayed; None: it is given up.

    `spread` from -1 to 1 chooses within the jitter. `asked`: the pause that the receiver asked for.
    """
    if failed_count > len(PAUSES):
        return None
    pause = PAUSES[failed_count - 1] * (1 + JITTER * spread)
    return failed_at + max(pause, min(asked, MAX_ASKED_PAUSE) if asked else pause)
