"""What the generated functions do when something raised: the field it was is blamed, the others are answered still."""

from collections.abc import Iterator
from typing import Any

from graphql import Undefined

from compiled.field import Field
from compiled.places import Place, path_to
from compiled.stock import Late, Run, broke, gathered, odd

_TYPENAME = "__typename"


def resumed(
    run: Run,
    fields: list[Field],
    blamed: dict[int, int],
    source: object,
    place: Place,
    late: Late,
    error: Exception,
    values: dict[str, Any],
) -> Any:
    """An object; `values` has those of the fields before the one that raised, under `v` and their number."""
    values.pop("error", None)  # of which the traceback has the values
    try:
        at = _blame(blamed, error)
        broke(run, fields[at], error, place)
        answer: dict[str, Any] = {}
        for number, field in enumerate(fields):
            if field.nodes[0].name.value == _TYPENAME:
                answer[field.key] = field.parent.name
            elif number < at:
                answer[field.key] = values[f"v{number}"]
            else:
                answer[field.key] = _answer(run, field, source, place, late) if number > at else None
    except Exception:
        abandon(run, late)
        raise
    return gathered(answer, late) if late else answer


def resumed_list(
    run: Run,
    item: Field,
    blamed: dict[int, int],
    rest: Iterator[Any],
    out: list[Any],
    place: Place,
    late: Late,
    error: Exception,
) -> Any:
    try:
        _blame(blamed, error)
        broke(run, item, error, (place, len(out)))
        out.append(None)
        for value in rest:
            out.append(odd(run, item, value, (place, len(out)), late))
    except Exception:
        abandon(run, late, [one for one in rest if run.is_awaitable(one)])
        raise
    return gathered(out, late) if late else out


def _blame(blamed: dict[int, int], error: Exception) -> int:
    """The number of the field whose error it is. Raises it again when it is located already, and goes further up."""
    trace = error.__traceback__
    at = None if trace is None else blamed.get(trace.tb_lineno)
    if at is None:
        raise error
    return at


def _answer(run: Run, field: Field, source: object, place: Place, late: Late) -> Any:
    path = path_to(place, field.way)
    completed = run.execute_field(field.parent, source, field.details, path, None)
    assert completed is not Undefined, "The plan has only fields that there are."
    if run.is_awaitable(completed):
        late.append((path.key, completed))
    return completed


def abandon(run: Run, late: Late, others: list[Any] | None = None) -> None:
    """An object or list broke: what its fields wait for is settled in the background."""
    waiting = [awaited for _, awaited in late] + (others or [])
    if waiting:
        run.settle_in_background(waiting)
