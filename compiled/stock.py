"""What the generated functions call when a value is not what they expect: graphql-core, from exactly there.

The value was resolved already, and is never resolved again. Mirrors `Executor.execute_field` and
`complete_list_item_value` from the point where the resolver has answered.
"""

from collections.abc import Awaitable, Iterator
from typing import Any

from graphql.execution import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, gather_with_cancel

from compiled.field import Field
from compiled.places import Place, path_of, path_to

Run = Executor[Any]
Late = list[Any] | None
"""Keys (of an object) or indices (of a list) whose values are awaited; None while there are none."""


def info_of(run: Run, field: Field, path: Path) -> Any:
    return run.build_resolve_info(field.definition, list(field.nodes), field.parent, path)


def call(run: Run, field: Field, source: object, place: Place) -> Any:
    """What the field's resolver answers, called as graphql-core does. Raises what that raises."""
    info = info_of(run, field, path_to(place, field.way))
    return field.resolve(source, info, **arguments(run, field))


def arguments(run: Run, field: Field) -> dict[str, Any]:
    if not field.takes_arguments:
        return {}
    return get_argument_values(field.definition, field.nodes[0], run.variable_values, None, run.hide_suggestions)


def odd(run: Run, field: Field, value: Any, place: Place) -> Any:
    """Completed, or an awaitable of it."""
    path = path_to(place, field.way)
    info = info_of(run, field, path)
    try:
        if run.is_awaitable(value):
            return run.complete_awaitable_value(field.type, field.details, info, path, value, None)
        completed = run.complete_value(field.type, field.details, info, path, value, None)
        if field.learns is not None:
            field.learns(run, field, value)
        if run.is_awaitable(completed):
            return _awaited(run, field, field.type, completed, path)
    except Exception as error:
        return run.handle_field_error(error, field.type, field.details, path)
    return completed


def broke(run: Run, field: Field, error: Exception, place: Place) -> None:
    """Notes the error of a field that may be null. Raises it, located, where it may not."""
    run.handle_field_error(error, field.type, field.details, path_to(place, field.way))


def later(run: Run, field: Field, completed: Awaitable[Any], place: Place) -> Awaitable[Any]:
    """An object of which some field is awaited."""
    return _awaited(run, field, field.type, completed, path_to(place, field.way))


def odd_item(run: Run, field: Field, value: Any, place: Place, index: int) -> Any:
    path = path_of((place, index))
    assert path is not None
    info = info_of(run, field, path)
    try:
        if run.is_awaitable(value):
            return run.complete_awaitable_list_item_value(value, field.type, field.details, info, path, None)
        completed = run.complete_value(field.type, field.details, info, path, value, None)
        if field.learns is not None:
            field.learns(run, field, value)
        if run.is_awaitable(completed):
            return _awaited(run, field, field.type, completed, path)
    except Exception as error:
        return run.handle_field_error(error, field.type, field.details, path)
    return completed


def broke_item(run: Run, field: Field, error: Exception, place: Place, index: int) -> None:
    path = path_of((place, index))
    assert path is not None
    run.handle_field_error(error, field.type, field.details, path)


def later_item(run: Run, field: Field, completed: Awaitable[Any], place: Place, index: int) -> Awaitable[Any]:
    path = path_of((place, index))
    assert path is not None
    return _awaited(run, field, field.type, completed, path)


async def _awaited(run: Run, field: Field, kind: Any, completed: Awaitable[Any], path: Path) -> Any:
    try:
        return await completed
    except Exception as error:
        run.handle_field_error(error, kind, field.details, path)
        return None


async def gathered(answer: Any, late: list[Any]) -> Any:
    """An object or list, once what it waits for is there; all at once, so that loaders see a batch."""
    if len(late) == 1:
        answer[late[0]] = await answer[late[0]]
    else:
        for key, value in zip(late, await gather_with_cancel(*(answer[key] for key in late)), strict=True):
            answer[key] = value
    return answer


def abandon(run: Run, waiting: list[Any] | None) -> None:
    """An object broke: what its fields wait for is settled in the background."""
    if waiting:
        run.settle_in_background(waiting)


def abandon_list(run: Run, out: list[Any], late: Late, rest: Iterator[Any]) -> None:
    waiting = [out[index] for index in late or ()]
    waiting.extend(item for item in rest if run.is_awaitable(item))
    if waiting:
        run.settle_in_background(waiting)


__all__ = [
    "abandon",
    "abandon_list",
    "broke",
    "broke_item",
    "call",
    "gathered",
    "later",
    "later_item",
    "odd",
    "odd_item",
]
