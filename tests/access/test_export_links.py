"""A link shows what its maker saw, and to make one he needs the permission to see usage."""

from typing import Any

import pytest
from sqlalchemy import func, select

from domain.access import PartnerScope, Role
from persistence.tables.exports import USAGE_EXPORT
from tests.access.estate import MARKS, MARKS_OF_ACME, MARKS_OF_GLOBEX, Estate, token
from tests.proof import assert_books_hold

EXPORT = "mutation { exportUsageHistory(input: {}) { export { downloadUrl rowCount } userErrors { code } } }"


@pytest.mark.parametrize(
    ("claims", "hidden"),
    [
        ({"role": Role.OFFICE_ADMIN, "offices": ("hq",)}, MARKS),
        ({"role": Role.PARTNER, "offices": ("hq",), "scopes": frozenset({PartnerScope.USAGE_READ})}, MARKS),
        ({}, MARKS_OF_GLOBEX),
        ({"company": "globex"}, MARKS_OF_ACME),
    ],
    ids=["office admin", "partner", "company admin", "another company"],
)
async def test_a_file_shows_nothing_of_others(any_estate: Estate, claims: dict[str, Any], hidden: Any) -> None:
    made = (await any_estate.ask(token(**claims), EXPORT)).data["exportUsageHistory"]["export"]
    file = await any_estate.client.get(made["downloadUrl"])
    assert file.status_code == 200
    rows = file.text.splitlines()[1:]
    assert len(rows) == made["rowCount"] > 0
    assert not [row for row in rows if hidden.search(row)]


async def test_who_may_not_see_usage_makes_no_file(estate: Estate) -> None:
    bearer = token(role=Role.PARTNER, scopes=frozenset(PartnerScope) - {PartnerScope.USAGE_READ})
    answer = (await estate.ask(bearer, EXPORT)).data["exportUsageHistory"]
    assert answer == {"export": None, "userErrors": [{"code": "NOT_PERMITTED"}]}
    assert (await estate.ask(None, EXPORT)).status == 401
    assert (await estate.database.rows(select(func.count()).select_from(USAGE_EXPORT)))[0][0] == 0
    await assert_books_hold(estate.database)
