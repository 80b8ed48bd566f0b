"""Addresses of the sandbox's pages. Whoever has one may act on its card or payment; nobody can make one up.

An address names the company and the row, and carries a seal over both and over the place to return to.
"""

import base64
import hashlib
import hmac
import re
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit
from uuid import UUID

LOCAL_ADDRESS = "http://localhost:8000"
"""Where `farebox serve` listens when nothing else is said."""


_HOST = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Place(StrEnum):
    CARDS = "cards"
    """A card about to be saved: choose which."""
    PAYMENTS = "payments"
    """A payment that waits for the cardholder."""


class Link(NamedTuple):
    """What an address leads to."""

    place: Place
    company_id: UUID
    id: UUID
    return_url: str | None


class SandboxLinks:
    """The first key seals; addresses sealed with another are good too."""

    def __init__(self, public_url: str | None, *signing_keys: str) -> None:
        self._address = public_url or LOCAL_ADDRESS
        self._keys = [hmac.digest(key.encode(), b"sandbox pages", hashlib.sha256) for key in signing_keys]

    def write(self, place: Place, company_id: UUID, row_id: UUID, return_url: str | None) -> str:
        """An address to return to that is no web address is left out: a page never leads to `javascript:`."""
        link = Link(place, company_id, row_id, return_url if is_web_address(return_url) else None)
        query = {"company": company_id.hex, "seal": _seal(self._keys[0], link)}
        if link.return_url:
            query["return"] = link.return_url
        return f"{self._address}/sandbox/{place}/{row_id.hex}?{urlencode(query)}"

    def read(self, place: Place, row: str, company: str, return_url: str | None, seal: str) -> Link | None:
        """None for an address that was not written here."""
        try:
            link = Link(place, UUID(hex=company), UUID(hex=row), return_url or None)
        except ValueError:
            return None
        seals = (_seal(key, link).encode() for key in self._keys)
        return link if any(hmac.compare_digest(ours, seal.encode()) for ours in seals) else None


def _seal(key: bytes, link: Link) -> str:
    text = "\n".join([link.place, link.company_id.hex, link.id.hex, link.return_url or ""])
    return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode().rstrip("=")


def is_web_address(url: str | None) -> bool:
    """http or https, with a plain host: it also goes into a header."""
    if url is None or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.netloc) is not None
