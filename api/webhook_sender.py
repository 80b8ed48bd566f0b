"""One attempt to deliver one message, in the form of Standard Webhooks (https://www.standardwebhooks.com).

POST, signed, one connection a message; no redirect is followed, no proxy asked, and of the answer nothing is read but
its status and headers.
"""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from importlib.metadata import version
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import httpcore2
from standardwebhooks import Webhook

from api.webhook_address import CheckedNetwork, PrivateAddress, Resolve

ATTEMPT_SECONDS = 15.0
"""Of an attempt as a whole, looking up the name included."""
GONE = 410
_BUSY = (429, 503)


class Message(NamedTuple):
    id: UUID
    body: str
    url: str
    secrets: Sequence[str]
    """`whsec_…`; each signs."""


class Outcome(NamedTuple):
    status: int | None
    """None: there was no answer."""
    problem: str | None
    """In words; None: it was delivered."""
    asked_pause: timedelta | None = None
    """So long the receiver wants to be left alone."""


class Sender:
    """`verifies_with`: what certificates are checked with; None: what the system trusts."""

    def __init__(
        self,
        resolve: Resolve,
        *,
        allows_private: bool,
        attempt_seconds: float = ATTEMPT_SECONDS,
        verifies_with: ssl.SSLContext | None = None,
    ) -> None:
        self._network = CheckedNetwork(resolve, allows_private=allows_private)
        self._attempt_seconds = attempt_seconds
        self._verifies_with = verifies_with

    @cached_property
    def _pool(self) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._verifies_with or httpcore2.default_ssl_context(),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=self._network,
        )

    async def send(self, message: Message, now: datetime) -> Outcome:
        """Never raises for what the receiver or the way to it is to blame for."""
        try:
            async with (
                asyncio.timeout(self._attempt_seconds),
                self._pool.stream(
                    "POST", message.url, headers=_headers(message, now), content=message.body.encode()
                ) as answer,
            ):
                return _outcome(answer, now)
        except TimeoutError:
            return Outcome(None, f"No answer within {self._attempt_seconds:g} seconds.")
        except PrivateAddress:
            return Outcome(None, "The name leads to an address that is not public.")
        except (httpcore2.NetworkError, httpcore2.TimeoutException, OSError) as error:
            return Outcome(None, _trouble(error))
        except (httpcore2.ProtocolError, httpcore2.UnsupportedProtocol):
            return Outcome(None, "The answer is not HTTP.")

    async def close(self) -> None:
        if "_pool" in self.__dict__:
            await self._pool.aclose()


def _headers(message: Message, now: datetime) -> list[tuple[str, str]]:
    message_id = f"msg_{message.id.hex}"
    signatures = [Webhook(secret).sign(message_id, now, message.body) for secret in message.secrets]
    return [
        ("host", urlsplit(message.url).netloc),
        ("user-agent", f"Farebox/{version('farebox')}"),
        ("content-type", "application/json"),
        ("content-length", str(len(message.body.encode()))),
        ("connection", "close"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(int(now.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]


def _outcome(answer: httpcore2.Response, now: datetime) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status, None)
    if status == GONE:
        return Outcome(status, "Answered with 410: the receiver is gone for good.")
    if 300 <= status < 400:
        return Outcome(status, f"Answered with {status}: redirects are not followed.")
    asked = _asked_pause(answer, now) if status in _BUSY else None
    return Outcome(status, f"Answered with {status}.", asked)


def _asked_pause(answer: httpcore2.Response, now: datetime) -> timedelta | None:
    """Retry-After, as seconds or as a date (RFC 9110, 10.2.3)."""
    text = next(
        (value.decode("latin-1").strip() for name, value in answer.headers if name.lower() == b"retry-after"), ""
    )
    if text.isdecimal() and len(text) < 10:
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))


def _trouble(error: BaseException) -> str:
    """Not the error's own text: it may name addresses of the inside."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate is not trusted: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return "No secure connection could be made."
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, OSError):
        return "The name does not resolve."
    if isinstance(error, httpcore2.ConnectError | httpcore2.ConnectTimeout):
        return "No connection could be made."
    return "The connection broke off before an answer came."
