"""Where a version of a deck stands in time (R19): it ends its predecessor or fills a gap, never changes the past."""

import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput, RateConflict
from domain.rate_cards import Card, deck_checksum, place_card
from tests.world import DECK, rate

NOW = datetime.fromisoformat("2026-03-10T00:00:00Z")
OTHER = (rate("0.99"),)


def at(text: str) -> datetime | None:
    return None if text == "-" else datetime.fromisoformat(f"{text}T00:00:00Z")


# versions in force (the last of them is DECK) | other deck from || from | until | ends
PLACES = """
                                             | 2020-01-01 || 2020-01-01 | -          | -
                                             | 2027-01-01 || 2027-01-01 | -          | -
2026-01-01/-                                 | 2026-03-10 || 2026-03-10 | -          | 0
2026-01-01/-                                 | 2026-05-01 || 2026-05-01 | -          | 0
2026-01-01/-                                 | 2025-05-01 || 2025-05-01 | 2026-01-01 | -
2026-01-01/2026-06-01 2026-06-01/-           | 2026-05-01 || 2026-05-01 | 2026-06-01 | 0
2026-01-01/2026-06-01 2026-06-01/-           | 2026-07-01 || 2026-07-01 | -          | 1
2026-01-01/2026-06-01 2026-06-01/-           | 2024-07-01 || 2024-07-01 | 2026-01-01 | -
2026-01-01/-                                 | 2026-03-09 || refused
2026-01-01/-                                 | 2026-01-01 || refused
2026-01-01/2026-06-01 2026-06-01/-           | 2026-02-01 || refused
"""


def versions(text: str) -> list[Card]:
    cards = []
    for number, span in enumerate(text.split()):
        starts, ends = (at(end) for end in span.split("/"))
        assert starts is not None
        cards.append(Card(UUID(int=number), starts, ends, f"version {number}"))
    return cards


@pytest.mark.parametrize("row", PLACES.strip("\n").splitlines())
def test_the_place_of_a_new_version(row: str) -> None:
    (stored, begins), expected = (cell.split("|") for cell in row.split("||"))
    effective_from = at(begins.strip())
    assert effective_from is not None
    if expected == [" refused"]:
        with pytest.raises(RateConflict):
            place_card(versions(stored), OTHER, effective_from=effective_from, now=NOW)
        return
    starts, until, ended = (cell.strip() for cell in expected)
    placement = place_card(versions(stored), OTHER, effective_from=effective_from, now=NOW)
    assert (placement.effective_from, placement.effective_until) == (at(starts), at(until))
    assert placement.predecessor_id == (None if ended == "-" else UUID(int=int(ended)))
    assert not placement.is_unchanged


def test_the_very_same_deck_is_not_loaded_again_whenever_it_is_said_to_begin() -> None:
    [card] = versions("2026-01-01/-")
    card = card._replace(checksum=deck_checksum(DECK))
    for begins in (card.effective_from, NOW, datetime.fromisoformat("2026-02-01T00:00:00Z")):
        assert place_card([card], tuple(reversed(DECK)), effective_from=begins, now=NOW).is_unchanged


@given(st.permutations(DECK))
def test_a_deck_is_known_in_any_order_of_its_rates(rates: list[object]) -> None:
    assert deck_checksum(rates) == deck_checksum(DECK)  # type: ignore[arg-type]


@given(st.integers(0, len(DECK) - 1), st.sampled_from(["nanos_per_unit", "priority", "connection_fee_micros"]))
def test_any_other_figure_makes_it_another_deck(number: int, name: str) -> None:
    changed = list(DECK)
    changed[number] = changed[number]._replace(**{name: 123_457})  # type: ignore[arg-type]
    assert deck_checksum(changed) != deck_checksum(DECK)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=12))
def test_versions_never_overlap_and_no_moment_of_the_past_gets_other_rates(loads: list[tuple[int, bool]]) -> None:
    """Decks loaded at any dates, in any order: of two that begin alike the later corrects what has not begun."""
    cards: list[Card] = []
    for number, (days, is_early) in enumerate(loads):
        begins = NOW.replace(day=1) if is_early and not cards else NOW.replace(month=3 + days // 20, day=1 + days % 20)
        rates = (rate(f"0.{number + 1:03}"),)
        before = {moment: _in_force(cards, moment) for moment in _past()}
        try:
            placement = place_card(cards, rates, effective_from=begins, now=NOW)
        except RateConflict:
            continue
        cards = [
            card._replace(effective_until=begins) if card.id == placement.predecessor_id else card
            for card in cards
            if card.id != placement.replaces_id
        ]
        cards.append(Card(UUID(int=number), begins, placement.effective_until, placement.checksum))
        for moment, held in before.items():
            assert held is None or _in_force(cards, moment) == held
    spans = sorted((card.effective_from, card.effective_until) for card in cards)
    for (_, ends), (starts, _) in itertools.pairwise(spans):
        assert ends == starts


def _past() -> list[datetime]:
    return [NOW.replace(day=day) for day in range(1, 10)]


def _in_force(cards: list[Card], moment: datetime) -> UUID | None:
    found = [
        card.id
        for card in cards
        if card.effective_from <= moment and (card.effective_until is None or moment < card.effective_until)
    ]
    assert len(found) <= 1
    return found[0] if found else None


def test_a_deck_that_has_not_begun_can_be_corrected() -> None:
    coming = Card(UUID(int=1), NOW + timedelta(days=30), None, "other")
    placement = place_card([coming], [], effective_from=coming.effective_from, now=NOW)
    assert (placement.replaces_id, placement.predecessor_id) == (coming.id, None)


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)])
def test_a_deck_of_an_absurd_date_is_refused(moment: datetime) -> None:
    with pytest.raises(InvalidInput, match="out of bounds"):
        place_card([], [], effective_from=moment, now=NOW)
