"""What partners are told of usage that was rejected (R13, R23): one message for a batch and office.

No number and no text of a message is told: a partner knows an event by its id. The sentence that a rejection has for a
person is left out too, because a rate may be blocked by a whole number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from domain.ledger import Books
from domain.news import News, Topic, moment_fact
from domain.usage import RejectionCode, UsageEvent

MOST_EVENTS = 20
"""So many rejected events are named in one message; of all of them it has the counts by code."""

Rejected = tuple[UsageEvent, RejectionCode, tuple[str, ...]]
"""The event, why, and the path of the value to blame."""


def tell_rejected(books: Books, rejected: Iterable[Rejected], kept: Mapping[tuple[str, str], RejectionCode]) -> None:
    """`kept`: what was rejected before and still waits for a rate. The same is not told again."""
    told = {event.key: (event, code, field) for event, code, field in rejected if kept.get(event.key) is not code}
    if not told:
        return
    events = [
        {
            "source": event.source,
            "eventId": event.event_id,
            "occurredAt": moment_fact(event.occurred_at),
            "service": event.usage.service.value,
            "code": code.value,
            "field": list(field),
        }
        for event, code, field in list(told.values())[:MOST_EVENTS]
    ]
    counts = Counter(code for _, code, _ in told.values())
    by_code = [{"code": code.value, "count": counts[code]} for code in sorted(counts)]
    facts = {"rejectedCount": len(told), "countsByCode": by_code, "events": events}
    books.news.append(News(Topic.USAGE_REJECTED, facts))
