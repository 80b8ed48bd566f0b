"""Whom one connection speaks for, and that it still may.

A request is admitted once, and so is each operation on a socket. A connection that stays open is admitted again and
again: its token is over at its expiry to the second, and a company or office that is gone, a key that was revoked or
rights that are others end it within seconds. Rights are never widened or narrowed on the way: who has others connects
again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv6Address, ip_address
from time import monotonic

from starlette.requests import HTTPConnection

from api.auth import AuthenticationError, Authenticator, KeySetError
from api.refusals import Code
from domain.access import Viewer
from persistence.outages import is_outage

RECHECK_SECONDS = 5.0
UNSURE_SECONDS = 60.0
"""How long a connection stands while it cannot be checked: the database or the issuer's keys cannot be had."""

EXPIRED = "This token has expired."


@dataclass(frozen=True, slots=True)
class Ended:
    """Why a connection may not go on: UNAUTHENTICATED, or SERVICE_UNAVAILABLE when nobody can tell."""

    code: Code
    message: str


class Admission:
    """Of one caller, by the `Authorization` he gave, for as long as his connection stands."""

    viewer: Viewer
    """As of the last check."""

    def __init__(
        self,
        authenticator: Authenticator,
        clock: Callable[[], datetime],
        authorization: str | None,
        *,
        address: str | None,
    ) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._authorization = authorization
        self._address = address
        self._rights: tuple[object, ...] | None = None
        """As of the first check."""

    async def check(self) -> Viewer:
        """The caller as he is now, with the rights he came with. Raises AuthenticationError, also when they are others;
        KeySetError; and the database's own errors."""
        return self._judged(await self._authenticator.viewer(self._authorization, now=self._clock()))

    async def _check_again(self) -> None:
        """As `check`, with others who have to be checked: it may be half as old as that is due."""
        within = RECHECK_SECONDS / 2
        found = await self._authenticator.viewer_again(self._authorization, now=self._clock(), within=within)
        self._judged(found)

    def _judged(self, viewer: Viewer) -> Viewer:
        if self._rights not in (None, _rights(viewer)):
            raise AuthenticationError("What this token may see or do has changed: connect again.")
        self._rights = _rights(viewer)
        self.viewer = replace(viewer, address=self._address)
        return self.viewer

    @property
    def seconds_left(self) -> float:
        expires_at = self.viewer.expires_at
        return float("inf") if expires_at is None else (expires_at - self._clock()).total_seconds()

    @property
    def is_expired(self) -> bool:
        return self.seconds_left <= 0

    async def ended(self) -> Ended:
        """Returns when the connection has to end. Only after a first `check` that went well."""
        sure_at = monotonic()
        while True:
            await asyncio.sleep(min(RECHECK_SECONDS, max(self.seconds_left, 0)))
            if self.is_expired:
                return Ended(Code.UNAUTHENTICATED, EXPIRED)
            try:
                async with asyncio.timeout(min(RECHECK_SECONDS, max(self.seconds_left, 0))):
                    await self._check_again()
            except AuthenticationError as error:
                return Ended(Code.UNAUTHENTICATED, str(error))
            except Exception as error:
                if not isinstance(error, KeySetError) and not is_outage(error):
                    raise
                if monotonic() - sure_at > UNSURE_SECONDS:
                    return Ended(Code.SERVICE_UNAVAILABLE, "It cannot be checked whether this token is still valid.")
                continue
            sure_at = monotonic()


def _rights(viewer: Viewer) -> tuple[object, ...]:
    return viewer.role, viewer.company_id, viewer.office_ids, viewer.permissions, viewer.scopes


def address_of(connection: HTTPConnection) -> str | None:
    """Where the call comes from, in its shortest form. Behind a trusted proxy the server has put in what that says."""
    try:
        address = ip_address(connection.client.host if connection.client else "")
    except ValueError:  # a socket file, or a proxy that passes on what it was told
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
