"""How long the lists in the variables of a request are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.refusals import Code, refusal

MAX_PLACE_CHARACTERS = 200


@dataclass(slots=True, eq=False)
class _Found:
    """An object or a list, and where: a key in what holds it."""

    value: Any
    key: str | int
    holder: "_Found | None"

    @property
    def place(self) -> str:
        keys, found = [str(self.key)], self.holder
        while found is not None:
            keys.append(str(found.key))
            found = found.holder
        return ".".join(reversed(keys))[:MAX_PLACE_CHARACTERS]


def refuse_long_lists(variables: Mapping[str, Any], most: int) -> None:
    """Raises Refused when a list, however deep, has more than `most` entries. The place is put into words only then."""
    waiting = [_Found(variables, "variables", None)]
    while waiting:
        found = waiting.pop()
        value = found.value
        if isinstance(value, dict):
            waiting.extend(_Found(inner, key, found) for key, inner in value.items() if isinstance(inner, dict | list))
            continue
        if len(value) > most:
            allowed = "1 is allowed" if most == 1 else f"{most:,} are allowed"
            told = f"`{found.place}` has {len(value):,} entries; {allowed}."
            raise refusal(400, told, Code.BAD_USER_INPUT, is_well_formed=True)
        waiting.extend(_Found(inner, at, found) for at, inner in enumerate(value) if isinstance(inner, dict | list))
