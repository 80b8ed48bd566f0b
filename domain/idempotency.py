"""Idempotency keys: a request sent again answers what the first one did (R32)."""

from collections.abc import Mapping

from domain.batch import has_control_characters
from domain.errors import IdempotencyConflict, InvalidInput
from domain.usage import MAX_KEY_CHARACTERS
from domain.works import UsedKey


def check_key(key: str) -> None:
    """Raises InvalidInput for a key that is not well-formed."""
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or has_control_characters(key):
        raise InvalidInput(
            f"A key has 1 to {MAX_KEY_CHARACTERS} characters, none of them control characters.",
            field=("idempotencyKey",),
        )


def check_same(used: UsedKey, operation: str, facts: Mapping[str, str]) -> None:
    """Raises IdempotencyConflict when a key comes again with something else."""
    if used.operation != operation:
        raise IdempotencyConflict(
            f"This idempotency key belongs to {used.operation}.", differing_fields=("idempotencyKey",)
        )
    differing = tuple(name for name, value in facts.items() if used.facts.get(name) != value)
    if differing:
        raise IdempotencyConflict(
            "This idempotency key was used with other facts: take a new key for a new request.",
            differing_fields=differing,
        )
