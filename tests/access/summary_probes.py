"""The ways of naming a thing to `usageSummary`. What one may not see is in no sum."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schema.ids import IdKind
from tests.access.policy import PHONES, Probe

USAGE = frozenset({"VIEW_USAGE"})
_NOW = datetime.now(UTC)
_LATELY = f'occurredAt: {{ from: "{_NOW - timedelta(days=2):%FT%TZ}", until: "{_NOW + timedelta(days=2):%FT%TZ}" }}'
"""Contacts and numbers are summed from the records, and those want a bounded time."""


def _sums(side: str, filter_: str, **more: Any) -> Probe:
    selection = "{ periodStart usage { count cost { amount } } }"
    return Probe(
        f"Query.usageSummary.filter.{side}",
        f"query ($id: ?) {{ usageSummary(groupBy: [DAY], filter: {{ {_LATELY}, {filter_} }}) {selection} }}",
        is_found=lambda found, _: bool(found),
        needs=USAGE,
        **more,
    )


SUMMARIES = (
    _sums("officeIds", "officeIds: [$id]", values=IdKind.OFFICE, has_bad_input=True),
    _sums("party.memberId", "party: { memberId: $id }", values=IdKind.MEMBER, has_bad_input=True),
    _sums("party.groupId", "party: { groupId: $id }", values=IdKind.GROUP, has_bad_input=True),
    _sums("party.contactId", "party: { contactId: $id }", values=IdKind.CONTACT, has_bad_input=True),
    _sums("party.phoneNumber", "party: { phoneNumber: $id }", values=PHONES, takes="PhoneNumber!"),
)

SUMMARY_LISTS = tuple(
    Probe(
        "Query.usageSummary",
        f"{{ usageSummary(groupBy: [{kind.name}], top: 100) {{ {field} {{ id }} usage {{ count }} }} }}",
        kind,
        lambda found, value, field=field: value in {(row[field] or {}).get("id") for row in found},
        USAGE,
    )
    for kind, field in ((IdKind.OFFICE, "office"), (IdKind.MEMBER, "member"), (IdKind.GROUP, "group"))
)
