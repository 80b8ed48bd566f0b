"""Where in the answer a value stands, told in few words while nothing goes wrong.

A `Place` is None (the root), a graphql-core `Path`, or a pair of a place and what leads on from it: an index, or the
names of fields with their types. Only who must name the path pays for making it.
"""

from typing import Any

from graphql.pyutils import Path

Place = Any
Way = tuple[tuple[str, str], ...]
"""Names of the answer, each with the type that has the field."""


def path_of(place: Place) -> Path | None:
    if place is None or place.__class__ is Path:
        return place
    before, onward = place
    path = path_of(before)
    if onward.__class__ is int:
        return Path(path, onward, None)
    for key, typename in onward:
        path = Path(path, key, typename)
    return path


def path_to(place: Place, way: Way) -> Path:
    path = path_of((place, way))
    assert path is not None, "A way has a field."
    return path
