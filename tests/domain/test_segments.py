"""Segments of a text message: the worked bodies of 3GPP 23.038 and 23.040, and a slow model beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.segments import Segments, count_segments
from domain.usage import Encoding

WINK = "\N{FACE WITH STUCK-OUT TONGUE AND WINKING EYE}"
FLAG = "🇮🇹"
GSM_CHARACTERS = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION_CHARACTERS = "\f^{}\\[~]|€"

BODIES = {
    "no body": ("", "GSM_7", 0),
    "one character": ("a", "GSM_7", 1),
    "160 GSM characters": ("a" * 160, "GSM_7", 1),
    "161 GSM characters": ("a" * 161, "GSM_7", 2),
    "306 GSM characters": ("a" * 306, "GSM_7", 2),
    "307 GSM characters": ("a" * 307, "GSM_7", 3),
    "1,530 GSM characters": ("a" * 1_530, "GSM_7", 10),
    "a brace and 158 digits": ("{" + "7" * 158, "GSM_7", 1),
    "a brace and 159 digits": ("{" + "7" * 159, "GSM_7", 2),
    "80 braces": ("{" * 80, "GSM_7", 1),
    "153 braces: 76 fit a segment": ("{" * 153, "GSM_7", 3),
    "70 small c cedilla": ("ç" * 70, "UCS_2", 1),
    "71 small c cedilla": ("ç" * 71, "UCS_2", 2),
    "160 capital c cedilla": ("Ç" * 160, "GSM_7", 1),
    "an emoji and 68 digits": (WINK + "7" * 68, "UCS_2", 1),
    "an emoji and 69 digits": (WINK + "7" * 69, "UCS_2", 2),
    "an emoji and 133 digits": (WINK + "7" * 133, "UCS_2", 3),
    "an escape pair over the edge": ("a" * 152 + "€" + "a" * 152, "GSM_7", 3),
    "an escape pair that just fits": ("a" * 151 + "€" + "a" * 153, "GSM_7", 2),
    "66 emoji": (WINK * 66, "UCS_2", 2),
    "67 emoji": (WINK * 67, "UCS_2", 3),
    "33 flags, each of two pairs": (FLAG * 33, "UCS_2", 2),
    "halves of a pair that came as escapes": ("\ud83d\ude1c" * 67, "UCS_2", 3),
    "half a pair alone": ("\ud83d", "UCS_2", 1),
}


@pytest.mark.parametrize(("body", "encoding", "segment_count"), BODIES.values(), ids=BODIES)
def test_a_body_takes_as_many_segments_as_the_standard_says(body: str, encoding: str, segment_count: int) -> None:
    assert count_segments(body) == Segments(Encoding(encoding), segment_count)


@pytest.mark.parametrize("character", GSM_CHARACTERS + EXTENSION_CHARACTERS)
def test_every_character_of_the_default_alphabet_is_gsm_7(character: str) -> None:
    assert count_segments(character).encoding is Encoding.GSM_7


@pytest.mark.parametrize("character", ["\x1b", "`", "\t", "\u00a0", "‘", "’", "“", "”", "ç", "Α", "…", "\0"])
def test_a_character_outside_the_alphabet_makes_the_whole_body_utf_16(character: str) -> None:
    assert count_segments("Bring milk" + character).encoding is Encoding.UCS_2


@pytest.mark.parametrize("line_end", ["\r", "\n"])
def test_a_line_end_is_one_septet(line_end: str) -> None:
    assert count_segments("a" * 159 + line_end).segment_count == 1
    assert count_segments("a" * 160 + line_end).segment_count == 2


def _slowly(body: str) -> int:
    """The standard, cut by cut: take as much as fits, never half a character, until nothing is left."""
    if all(character in GSM_CHARACTERS + EXTENSION_CHARACTERS for character in body):
        widths = [2 if character in EXTENSION_CHARACTERS else 1 for character in body]
        alone, split = 160, 153
    else:
        widths = [len(character.encode("utf-16-be")) // 2 for character in body]
        alone, split = 70, 67
    if sum(widths) <= alone:
        return 1 if body else 0
    segments = 0
    while widths:
        taken = max(count for count in range(len(widths) + 1) if sum(widths[:count]) <= split)
        widths = widths[taken:]
        segments += 1
    return segments


@given(
    st.text(st.sampled_from("aZ9 €{" + GSM_CHARACTERS), max_size=500)
    | st.text(st.sampled_from("a€ç" + WINK), max_size=300)
)
def test_any_body_takes_what_cutting_it_by_hand_takes(body: str) -> None:
    assert count_segments(body).segment_count == _slowly(body)


@given(st.text(max_size=400), st.text(max_size=10))
def test_writing_more_never_takes_fewer_segments(body: str, more: str) -> None:
    assert count_segments(body).segment_count <= count_segments(body + more).segment_count
