"""Why somebody did it: asked for wherever a person moves money by hand, and kept with the postings (R37)."""

from domain.batch import has_control_characters
from domain.errors import InvalidInput

MAX_REASON_CHARACTERS = 500


def check_reason(reason: str) -> str:
    """The reason without spaces around it. Raises InvalidInput for none, and for what is not one line."""
    if not reason.strip() or len(reason) > MAX_REASON_CHARACTERS or has_control_characters(reason):
        raise InvalidInput(f"Say why in one line of 1 to {MAX_REASON_CHARACTERS} characters.", field=("reason",))
    return reason.strip()
