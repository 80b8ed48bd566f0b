"""Who was here a moment ago."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from api.regulars import MAX_REGULARS, REMEMBERED_SECONDS, Regulars
from domain.access import Role, Viewer
from tests.api.edge import NOW


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def viewer(subject: str) -> Viewer:
    return Viewer(
        subject=subject,
        name=subject,
        role=Role.COMPANY_ADMIN,
        company_id=UUID(int=1),
        office_ids=None,
        has_billing=False,
        scopes=frozenset(),
        expires_at=None,
    )


def test_a_caller_is_known_by_exactly_what_he_showed() -> None:
    regulars = Regulars(Clock())
    regulars.note("Bearer a", viewer("ada"))
    assert regulars.find("Bearer a", NOW) == viewer("ada")
    assert [regulars.find(other, NOW) for other in ("Bearer A", "Bearer a ", "", None, "\udcff")] == [None] * 5


def test_after_a_minute_nobody_is_known() -> None:
    clock = Clock()
    regulars = Regulars(clock)
    regulars.note("Bearer a", viewer("ada"))
    clock.now += REMEMBERED_SECONDS
    assert regulars.find("Bearer a", NOW) is not None
    clock.now += 1
    assert regulars.find("Bearer a", NOW) is None


def test_no_more_are_remembered_than_may_be() -> None:
    regulars = Regulars(Clock())
    for number in range(MAX_REGULARS + 10):
        regulars.note(f"Bearer {number}", viewer("ada"))
    assert [regulars.find(f"Bearer {number}", NOW) is None for number in (9, 10)] == [True, False]


def test_what_was_shown_is_not_kept() -> None:
    regulars = Regulars(Clock())
    regulars.note("Bearer secret", viewer("ada"))
    assert b"secret" not in b"".join(regulars._known)


def test_an_expired_token_is_no_regular() -> None:
    regulars = Regulars(Clock())
    regulars.note("Bearer a", replace(viewer("ada"), expires_at=NOW))
    assert regulars.find("Bearer a", NOW - timedelta(microseconds=1)) is not None
    assert regulars.find("Bearer a", NOW) is None


def test_who_is_not_let_in_again_is_forgotten() -> None:
    regulars = Regulars(Clock())
    regulars.note("Bearer a", viewer("ada"))
    regulars.forget("Bearer a")
    regulars.forget("Bearer b")
    assert regulars.find("Bearer a", NOW) is None
