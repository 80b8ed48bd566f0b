"""What a caller may still spend, by a clock of the test's own."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from api.buckets import Buckets
from tests.api.edge import make_settings

MAXIMUM, RESTORE = 1_000, 100


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bank:
    """Buckets, and beside them the sum that must come out."""

    clock: Clock = field(default_factory=Clock)
    buckets: Buckets = field(init=False)

    def __post_init__(self) -> None:
        self.buckets = Buckets(make_settings(throttle_points=MAXIMUM, throttle_restore=RESTORE), self.clock)


steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "charge", "wait"]),
        st.sampled_from("ab"),
        st.integers(0, 2 * MAXIMUM),
    ),
    max_size=40,
)


@given(steps)
def test_a_bucket_is_what_was_there_and_came_back_less_what_was_taken(story: list[tuple[str, str, int]]) -> None:
    bank = Bank()
    expected = dict.fromkeys("ab", float(MAXIMUM))
    for kind, who, number in story:
        if kind == "wait":
            bank.clock.now += number / 100
            expected = {one: min(level + number / 100 * RESTORE, MAXIMUM) for one, level in expected.items()}
        elif kind == "take":
            wait = bank.buckets.take(who, number)
            missing = min(number, MAXIMUM) - expected[who]
            assert (wait > 0) == (missing > 1e-6)
            if not wait:
                expected[who] = max(expected[who] - number, 0)
            else:
                assert abs(wait - missing / RESTORE) < 1e-6
        else:
            taken = min(number, expected[who])
            assert abs(bank.buckets.charge(who, number) - taken) < 1e-6
            expected[who] -= taken
        for one, level in expected.items():
            assert 0 <= bank.buckets.available(one) <= MAXIMUM
            assert abs(bank.buckets.available(one) - level) < 1e-6


@given(st.integers(1, 5 * MAXIMUM), st.integers(0, MAXIMUM))
def test_who_comes_again_when_told_is_not_refused(points: int, spent: int) -> None:
    bank = Bank()
    bank.buckets.charge("a", spent)
    if wait := bank.buckets.take("a", points):
        bank.clock.now += wait + 1e-9
        assert bank.buckets.take("a", points) == 0


@given(st.integers(0, MAXIMUM), st.integers(0, MAXIMUM))
def test_what_is_given_back_was_never_spent(points: int, actual: int) -> None:
    bank = Bank()
    bank.buckets.take("a", points)
    bank.buckets.charge("a", actual - points)
    assert bank.buckets.available("a") == MAXIMUM - actual


def test_giving_back_never_fills_a_bucket_beyond_its_brim() -> None:
    bank = Bank()
    bank.buckets.charge("a", -5)
    assert bank.buckets.available("a") == MAXIMUM


def test_callers_who_have_everything_again_are_forgotten() -> None:
    bank = Bank()
    for number in range(1_000):
        bank.buckets.take(number, 10)
    assert len(bank.buckets) == 1_000
    bank.clock.now += 0.2
    bank.buckets.take("last", 1)
    assert len(bank.buckets) == 1


def test_one_caller_does_not_spend_what_another_has() -> None:
    bank = Bank()
    assert bank.buckets.take("a", MAXIMUM) == 0
    assert bank.buckets.take("a", 1) > 0
    assert bank.buckets.take("b", MAXIMUM) == 0


def test_what_came_to_more_than_was_feared_is_owed() -> None:
    bank = Bank()
    assert bank.buckets.charge("a", 5_000, lowest=-MAXIMUM) == 2 * MAXIMUM
    assert bank.buckets.available("a") == 0
    assert bank.buckets.take("a", 1) == (MAXIMUM + 1) / RESTORE
    assert bank.buckets.charge("a", 10) == 0, "a report is not refused, and makes the debt no greater"
    bank.clock.now += MAXIMUM / RESTORE + 1
    assert bank.buckets.available("a") == RESTORE
