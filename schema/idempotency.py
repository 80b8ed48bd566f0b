"""Keys that make a request safe to send again, as every input that has one tells of them (R32)."""

from domain.usage import MAX_KEY_CHARACTERS


def key_description(thing: str) -> str:
    """Of the field `idempotencyKey`. `thing`: what a new key is for, "purchase"."""
    return (
        f"A new key for each {thing}, and the same when it is sent again: then nothing happens twice. 1 to"
        f" {MAX_KEY_CHARACTERS} characters, known within the company."
    )
