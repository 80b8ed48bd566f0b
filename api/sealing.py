"""Seals what has to be read again but must not be readable in the database: the secrets that sign webhooks.

The key comes from FAREBOX_SECRET_KEY: a copy of the database alone opens nothing. What was sealed with the previous
key opens too while FAREBOX_PREVIOUS_SECRET_KEY names it, and `farebox reseal` seals it anew.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schema.context import SecretBox


class CannotOpen(Exception):
    """It was sealed with another key."""


class FernetBox(SecretBox):
    """The first key seals; what was sealed with another opens too."""

    def __init__(self, *signing_keys: str) -> None:
        fernets = [Fernet(base64.urlsafe_b64encode(_sealing_key(key))) for key in signing_keys]
        self._newest = fernets[0]
        self._any = MultiFernet(fernets)

    def seal(self, secret: str) -> str:
        return self._newest.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises CannotOpen."""
        try:
            return self._any.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise CannotOpen("This secret was sealed with another key.") from None

    def reseal(self, sealed: str) -> str | None:
        """The same secret under the newest key, which may be what it is under already; None when no key opens it."""
        try:
            self._newest.decrypt(sealed.encode())
        except InvalidToken:
            try:
                return self.seal(self.open(sealed))
            except CannotOpen:
                return None
        return sealed


def _sealing_key(signing_key: str) -> bytes:
    return hmac.digest(signing_key.encode(), b"sealed secrets", hashlib.sha256)
