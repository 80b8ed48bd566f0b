"""Text that a person looks for."""

from domain.batch import has_control_characters
from domain.errors import InvalidInput


def searchable(text: str | None, field: str) -> str | None:
    """The text as it is. Raises InvalidInput for characters that no name has, and PostgreSQL no text."""
    if text is not None and has_control_characters(text):
        raise InvalidInput("Control characters do not belong here.", field=(field,))
    return text
