"""API keys: what a secret looks like, what is kept of it, and what a new key must be like.

A secret is 32 random bytes, so nobody can guess one or try them all: its plain SHA-256 is as good as the slow, salted
hashes that guessable passwords need, and the same secret always has the same hash, by which the key is found. Whoever
measures how long a look-up takes learns something about hashes and nothing about secrets.
"""

from base64 import urlsafe_b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from domain.access import PartnerScope, Role, Viewer
from domain.batch import check_source
from domain.errors import InvalidInput, Required, TooHigh

SECRET_BYTES = 32
"""Of randomness in a secret; whoever makes one brings them."""
SECRET_MARK = "fbx_"  # noqa: S105 - how every secret begins, in the open
SECRET_CHARACTERS = len(SECRET_MARK) + 43
PREFIX_CHARACTERS = 12
"""Kept in the open, to recognise a key by."""
MAX_NAME_CHARACTERS = 100
MAX_KEYS = 100
"""Of one company, revoked ones not counted."""
LAST_USED_PRECISION = timedelta(seconds=60)
"""Within it a key that is used again is not written again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key; never its secret."""

    id: UUID
    company_id: UUID
    name: str
    """The default source of the usage it reports (R12)."""
    scopes: frozenset[PartnerScope]
    office_ids: frozenset[UUID] | None
    """None: every office of the company."""
    last_used_at: datetime | None = None
    """To the minute."""
    revoked_at: datetime | None = None

    @property
    def viewer(self) -> Viewer:
        """Who calls with it: a partner of the key's scopes and offices (R40)."""
        return Viewer(
            subject=f"key:{self.id.hex}",
            name=self.name,
            role=Role.PARTNER,
            company_id=self.company_id,
            office_ids=self.office_ids,
            has_billing=False,
            scopes=self.scopes,
            expires_at=None,
        )

    def was_used_before(self, now: datetime) -> bool:
        """Whether its last use, as it is kept, is too long ago to stand for one now."""
        return self.last_used_at is None or now - self.last_used_at >= LAST_USED_PRECISION


def make_secret(randomness: bytes) -> str:
    """The secret that is shown once, of SECRET_BYTES bytes."""
    return SECRET_MARK + urlsafe_b64encode(randomness).rstrip(b"=").decode()


def secret_hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def check_new_key(name: str, scopes: Sequence[PartnerScope], office_ids: Collection[UUID] | None) -> None:
    """What can be said of it alone. Raises InvalidInput and Required."""
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS or name != name.strip():
        raise InvalidInput(
            f"A name has 1 to {MAX_NAME_CHARACTERS} characters and no spaces around it.", field=("name",)
        )
    try:
        check_source(name)
    except InvalidInput:
        raise InvalidInput(
            "A key's name is the source of the usage it reports: printable ASCII characters that do not begin with"
            " `farebox:`.",
            field=("name",),
        ) from None
    if not scopes:
        raise Required("Name at least one scope, or the key opens nothing.", field=("scopes",))
    if len(set(scopes)) != len(scopes):
        raise InvalidInput("Name each scope once.", field=("scopes",))
    if office_ids is not None and not office_ids:
        raise Required(
            "Name at least one office, or the key sees none; leave the list out for every office.",
            field=("officeIds",),
        )
    if office_ids is not None and PartnerScope.DIRECTORY_WRITE in scopes:
        raise InvalidInput(
            "A directory belongs to the whole company: DIRECTORY_WRITE works only with a key of every office. Leave"
            " that scope out, or `officeIds`.",
            field=("scopes",),
        )


def check_beside(name: str, working: Collection[str]) -> None:
    """`working`: names of the company's keys that are not revoked. Raises InvalidInput and TooHigh.

    Usage is known by company, source and event id (R12): of two reporters that share a source, each could be answered
    with the other's charges.
    """
    if name in working:
        raise InvalidInput(
            f"Another key is called {name!r}: both would report as one source. Choose another name or revoke that key.",
            field=("name",),
        )
    if len(working) >= MAX_KEYS:
        raise TooHigh(f"A company has at most {MAX_KEYS} API keys that work: revoke one first.")
