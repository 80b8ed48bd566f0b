"""`GET /exports/<token>/<file>`: the download that `exportUsageHistory` made a link to."""

import hashlib
import hmac
from datetime import datetime
from uuid import UUID

from api.payments.sandbox_links import LOCAL_ADDRESS


class DownloadLinks:
    """Links that cannot be altered: the token names the export and says until when, and is signed."""

    def __init__(self, public_url: str | None, signing_key: str) -> None:
        self._address = public_url or LOCAL_ADDRESS
        self._key = hmac.digest(signing_key.encode(), b"downloads", hashlib.sha256)

    def url(self, company_id: UUID, export_id: UUID, expires_at: datetime, file_name: str) -> str:
        raise NotImplementedError
