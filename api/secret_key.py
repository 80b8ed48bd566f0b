"""The key that signs tokens. A local run makes one and keeps it, so that `token` and `serve` agree.

Two processes that start together end up with the same key: it is written aside and then linked into place,
which fails for all but the first.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

MIN_KEY_BYTES = 32
"""RFC 7518, 3.2: a key of the same size as the hash output, or larger."""

MADE_KEY_BYTES = 48


class KeyFileError(ValueError):
    """The kept key cannot be used. The text says what to do, and never shows the key."""


def kept_secret_key(path: Path) -> str:
    """The key in the file, made first when there is none. Raises KeyFileError."""
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"cannot keep a key in {path} ({type(error).__name__}); set it yourself") from error
    if len(key) < MIN_KEY_BYTES:
        raise KeyFileError(f"the key kept in {path} is under {MIN_KEY_BYTES} bytes; delete the file")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(MADE_KEY_BYTES) + "\n")
        with suppress(FileExistsError):  # another process was first: its key counts, for both
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)
