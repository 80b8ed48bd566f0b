"""Text that a person looks for."""

from domain.batch import has_control_characters
from domain.errors import InvalidInput

MAX_SEARCH_CHARACTERS = 200
"""SQLite gives up on patterns of 50,000 bytes, and no name is that long."""


def searchable(text: str | None, field: str) -> str | None:
    """The text as it is. Raises InvalidInput for characters that no name has, and PostgreSQL no text; and for what is
    longer than anything that could be looked for."""
    if text is not None and len(text) > MAX_SEARCH_CHARACTERS:
        raise InvalidInput(f"A search has at most {MAX_SEARCH_CHARACTERS} characters.", field=(field,))
    if text is not None and has_control_characters(text):
        raise InvalidInput("Control characters do not belong here.", field=(field,))
    return text
