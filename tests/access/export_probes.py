"""The ways of naming a thing to `exportUsageHistory`. A file of nothing is a file: what one may not see is left out."""

from typing import Any

from schema.ids import IdKind
from tests.access.policy import PHONES, Probe


def _export(side: str, filter_: str, **more: Any) -> Probe:
    selection = "{ export { rowCount totalCost { amount } } userErrors { code message field } }"
    return Probe(
        f"Mutation.exportUsageHistory.input.filter.{side}",
        f"mutation ($id: ?) {{ exportUsageHistory(input: {{ filter: {filter_} }}) {selection} }}",
        is_found=lambda found, _: found["export"]["rowCount"] > 0,
        needs=frozenset({"VIEW_USAGE"}),
        **more,
    )


EXPORTS = (
    _export("officeIds", "{ officeIds: [$id] }", values=IdKind.OFFICE, has_bad_input=True),
    _export("party.memberId", "{ party: { memberId: $id } }", values=IdKind.MEMBER, has_bad_input=True),
    _export("party.groupId", "{ party: { groupId: $id } }", values=IdKind.GROUP, has_bad_input=True),
    _export("party.contactId", "{ party: { contactId: $id } }", values=IdKind.CONTACT, has_bad_input=True),
    _export("party.phoneNumber", "{ party: { phoneNumber: $id } }", values=PHONES, takes="PhoneNumber!"),
)
