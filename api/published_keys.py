"""The public keys of an identity provider: a JSON Web Key Set, fetched off the event loop and kept a while.

A key id that is not in the set is looked for again, because issuers rotate their keys; but at most once a
minute, because anybody can make up key ids. When the issuer cannot be reached, the last set serves on.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any
from urllib.request import urlopen

import jwt
import orjson

KEEP_SECONDS = 600.0
MIN_SECONDS_BETWEEN_VISITS = 60.0
FETCH_TIMEOUT_SECONDS = 5.0
MAX_SET_BYTES = 1_000_000

_KEY_TYPES = {"RS256": "RSA", "ES256": "EC"}

logger = logging.getLogger(__name__)


class KeySetError(Exception):
    """The issuer's keys could not be had, so no token of his can be judged just now."""


class PublishedKeys:
    """One issuer's key set. `fetch` and `clock` are for those who need another network or time."""

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str], bytes] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._url = url
        self._fetch = fetch or _read
        self._clock = clock
        self._keys: list[jwt.PyJWK] | None = None
        self._read_at = self._tried_at = float("-inf")
        self._visiting = asyncio.Lock()

    async def find(self, kid: Any, algorithm: str) -> jwt.PyJWK | None:
        """The issuer's key for this id and algorithm. Raises KeySetError when there is no set at all."""
        if self._keys is None or self._clock() - self._read_at > KEEP_SECONDS:
            await self._visit()
        key = self._match(kid, algorithm)
        if key is None:
            await self._visit()
            key = self._match(kid, algorithm)
        if self._keys is None:
            raise KeySetError("The keys that tokens are checked with cannot be reached; try again shortly.")
        return key

    def _match(self, kid: Any, algorithm: str) -> jwt.PyJWK | None:
        """A token without a key id is good only where there is no choice."""
        fitting = [
            key
            for key in self._keys or ()
            if key.algorithm_name == algorithm
            and key.key_type == _KEY_TYPES[algorithm]
            and key.public_key_use in {None, "sig"}
            and (kid is None or key.key_id == kid)
        ]
        return fitting[0] if len(fitting) == 1 else None

    async def _visit(self) -> None:
        async with self._visiting:
            now = self._clock()
            if now - self._tried_at < MIN_SECONDS_BETWEEN_VISITS:
                return
            self._tried_at = now
            try:
                self._keys = _usable(await asyncio.to_thread(self._fetch, self._url))
                self._read_at = now
            except (OSError, ValueError, jwt.PyJWTError) as error:
                logger.warning("The key set of the token issuer could not be read: %s", type(error).__name__)


def _read(url: str) -> bytes:
    # The address comes from the operator's settings, which allow https, file and loopback.
    with urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as response:  # noqa: S310
        body: bytes = response.read(MAX_SET_BYTES + 1)
    if len(body) > MAX_SET_BYTES:
        raise ValueError("the key set is too large")
    return body


def _usable(body: bytes) -> list[jwt.PyJWK]:
    """The keys of the set that can be understood; an issuer may publish others beside them."""
    found = orjson.loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("not a key set")
    keys = []
    for key in found["keys"]:
        try:
            keys.append(jwt.PyJWK(key))
        except (jwt.PyJWTError, AttributeError, TypeError, ValueError):
            continue
    return keys
