"""How many segments a text message takes (R14), by 3GPP 23.038 (alphabets) and 23.040 (concatenation).

A body of GSM 7-bit characters alone has 160 septets, 153 a segment once it is split; any other is sent as
UTF-16: 70 units, 67 a segment. Both septets of an extension character stay together, both units of a
surrogate pair as well. The body is counted, then thrown away: it is neither kept nor put into an error.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from domain.usage import Encoding

SINGLE_SEPTETS = 160
SEPTETS_PER_SEGMENT = 153
SINGLE_UNITS = 70
UNITS_PER_SEGMENT = 67

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = "\f^{}\\[~]|€"
"""Sent as an escape and a septet. The escape itself is no character: a body with one is sent as UTF-16."""
_GSM_BODY = re.compile(f"[{re.escape(_BASIC + _EXTENSION)}]*")
_LAST_OF_ONE_UNIT = "\uffff"


class Segments(NamedTuple):
    encoding: Encoding
    segment_count: int


def count_segments(body: str) -> Segments:
    """The alphabet a body needs and its segments. An empty body has none; the caller says if that will do.

    The national alphabets of 23.038 are left out: a sender has to ask for them, and carriers count without.
    """
    if _GSM_BODY.fullmatch(body):
        return Segments(Encoding.GSM_7, _gsm_segments(body))
    return Segments(Encoding.UCS_2, _utf_16_segments(body))


def _gsm_segments(body: str) -> int:
    septets = len(body) + sum(map(body.count, _EXTENSION))
    if septets <= SINGLE_SEPTETS:
        return 1 if body else 0
    if septets == len(body):
        return -(-septets // SEPTETS_PER_SEGMENT)
    return _fill((2 if character in _EXTENSION else 1 for character in body), SEPTETS_PER_SEGMENT)


def _utf_16_segments(body: str) -> int:
    sent = body.encode("utf-16-be", "surrogatepass")
    if len(sent) <= 2 * SINGLE_UNITS:
        return 1
    # Halves of a pair that came as two escapes are one character from here on.
    characters = sent.decode("utf-16-be", "surrogatepass")
    return _fill((2 if character > _LAST_OF_ONE_UNIT else 1 for character in characters), UNITS_PER_SEGMENT)


def _fill(widths: Iterable[int], size: int) -> int:
    """Segments needed when what does not fit whole opens the next one."""
    segments, room = 1, size
    for width in widths:
        if width > room:
            segments, room = segments + 1, size
        room -= width
    return segments
