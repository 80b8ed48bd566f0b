"""Who was told to come again later and asks the very same before that: he gets the very same answer, at once.

To work out a refusal takes a good part of what an answer takes, so a crowd that does not wait would keep the process
from those who pay. Nothing is known here but bytes: what was sent, and what was answered to it.
"""

from asyncio import Transport
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from time import monotonic
from typing import Any

MOST_SECONDS = 1.0
"""So old an answer becomes at most: it tells how many points are left."""
MOST_BYTES = 20_000
"""Of a body. Who sends more asks seldom."""
MAX_ANSWERS = 10_000
"""Some hundred bytes each."""


class PutOff:
    """Of one process."""

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        """By what was asked, with the moment until which they are good."""

    def __bool__(self) -> bool:
        """Whether there may be any that is good still."""
        now = monotonic()
        while self._answers and next(iter(self._answers.values()))[0] < now:
            self._answers.popitem(last=False)
        return bool(self._answers)

    def note(self, asked: bytes, answer: bytes, seconds: float) -> None:
        self._answers[asked] = monotonic() + min(seconds, MOST_SECONDS), answer
        self._answers.move_to_end(asked)
        if len(self._answers) > MAX_ANSWERS:
            self._answers.popitem(last=False)

    def find(self, asked: bytes) -> bytes | None:
        until, answer = self._answers.get(asked, (0.0, b""))
        return answer if monotonic() < until else None


def asked_by(url: bytes, headers: Sequence[tuple[bytes, bytes]], body: Sequence[bytes]) -> bytes:
    """One for all requests by POST that are the same to the last byte, the caller's credentials among them."""
    found = blake2b(url, digest_size=32)
    for name, value in headers:
        found.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    found.update(b"-")
    for part in body:
        found.update(part)
    return found.digest()


class Copying:
    """In place of a line's transport, for one answer: what is written is kept too."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
