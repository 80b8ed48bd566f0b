"""Seals what has to be read again but must not be readable in the database: the secrets that sign webhooks.

The key comes from FAREBOX_SECRET_KEY: a copy of the database alone opens nothing, and a changed key opens nothing
sealed before.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken

from schema.context import SecretBox


class CannotOpen(Exception):
    """It was sealed with another key."""


class FernetBox(SecretBox):
    def __init__(self, signing_key: str) -> None:
        key = hmac.digest(signing_key.encode(), b"sealed secrets", hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises CannotOpen."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise CannotOpen("This secret was sealed with another key.") from None
