"""Who was told to come again later and asks again at once: he is refused in a few steps, on his line.

To work out a refusal as any answer takes a good part of what an answer takes, so a crowd that does not wait would keep
the process from those who pay. What holds for all a caller sends with the same headers is remembered of the answer that
put him off; only his body is looked at anew.
"""

from asyncio import Transport
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from time import monotonic
from typing import Any, NamedTuple, Protocol

from starlette.responses import Response

KEPT_SECONDS = 10.0
"""Who stays away for so long is looked at as if he came for the first time."""
MOST_BYTES = 20_000
"""Of a body. Who sends more asks seldom."""
WAIT_SECONDS = 0.02
"""So long he waits until he is read, when somebody who pays is being answered: most are done by then."""
MAX_CALLERS = 10_000
"""A kilobyte each."""

_VARY = frozenset({b"content-length", b"traceparent", b"tracestate"})
"""Headers that no answer depends on."""
_OWN = frozenset({b"date", b"server", b"connection", b"content-type", b"content-length", b"retry-after"})
"""Headers that each answer has its own of."""


class Again(Protocol):
    """How it is with him when he asks again."""

    def refuse(self, body: bytes) -> Response | None:
        """The answer to a request with this body, if it is put off too. None: it is a request like any other."""

    def has_to_wait(self) -> bool:
        """Somebody who pays is being answered."""


class Earlier(NamedTuple):
    """What is known of somebody who was put off."""

    until: float
    again: Again
    headers: Sequence[tuple[bytes, bytes]]
    """Of what he was answered then: those that he is answered with again."""


class PutOff:
    """Of one process."""

    def __init__(self) -> None:
        self._callers: OrderedDict[bytes, Earlier] = OrderedDict()
        """By how they ask."""

    def __bool__(self) -> bool:
        """Whether there is anybody."""
        now = monotonic()
        while self._callers and next(iter(self._callers.values())).until < now:
            self._callers.popitem(last=False)
        return bool(self._callers)

    def note(self, asker: bytes, again: Again, answer: bytes) -> None:
        self._callers[asker] = Earlier(monotonic() + KEPT_SECONDS, again, _headers_of(answer))
        self._callers.move_to_end(asker)
        if len(self._callers) > MAX_CALLERS:
            self._callers.popitem(last=False)

    def find(self, asker: bytes) -> Earlier | None:
        earlier = self._callers.get(asker)
        return earlier if earlier is not None and monotonic() < earlier.until else None


def asker_of(url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """One for all requests by POST that differ in nothing but their bodies. The caller's credentials are among that."""
    found = blake2b(url, digest_size=32)
    for name, value in headers:
        if name not in _VARY:
            found.update(b"%d:%b%d:%b" % (len(name), name, len(value), value))
    return found.digest()


def _headers_of(answer: bytes) -> Sequence[tuple[bytes, bytes]]:
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    found = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
    return [(name, value) for name, value in found if name not in _OWN]


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
