"""What the generated functions call when a value is not what they expect: graphql-core, from exactly there.

The value was resolved already, and is never resolved again. Mirrors `Executor.execute_field` and
`complete_list_item_value` from the point where the resolver has answered.
"""

from collections.abc import Awaitable
from typing import Any

from graphql.execution import Executor
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path, gather_with_cancel

from compiled.field import Field
from compiled.places import Place, path_to

Run = Executor[Any]
Late = list[tuple[Any, Awaitable[Any]]]
"""What is awaited, by the name in its object or the index in its list."""


def call(run: Run, field: Field, source: object, place: Place) -> Any:
    """What the field's resolver answers, called as graphql-core does. Raises what that raises."""
    info = info_of(run, field, path_to(place, field.way)) if field.takes_info else None
    return field.resolve(source, info, **arguments(run, field))


def info_of(run: Run, field: Field, path: Path) -> Any:
    return run.build_resolve_info(field.definition, list(field.nodes), field.parent, path)


def arguments(run: Run, field: Field) -> dict[str, Any]:
    if not field.takes_arguments:
        return {}
    found = field.arguments(run.variable_values) if field.arguments else None
    if found is not None:
        return found
    return get_argument_values(field.definition, field.nodes[0], run.variable_values, None, run.hide_suggestions)


def odd(run: Run, field: Field, value: Any, place: Place, late: Late) -> Any:
    """Completed, or an awaitable of it, which is then noted."""
    path = path_to(place, field.way)
    try:
        if run.is_awaitable(value):
            completed = _awaited_value(run, field, value, path)
        else:
            completed = run.complete_value(field.type, field.details, info_of(run, field, path), path, value, None)
            if field.learns is not None:
                field.learns(run, field, value)
            if not run.is_awaitable(completed):
                return completed
            completed = _awaited(run, field, completed, path)
    except Exception as error:
        return run.handle_field_error(error, field.type, field.details, path)
    late.append((path.key, completed))
    return completed


def later(run: Run, field: Field, completed: Awaitable[Any], place: Place, late: Late) -> None:
    """An object or list of which something is awaited."""
    path = path_to(place, field.way)
    late.append((path.key, _awaited(run, field, completed, path)))


def broke(run: Run, field: Field, error: Exception, place: Place) -> None:
    """Notes the error of a field that may be null. Raises it, located, where it may not."""
    run.handle_field_error(error, field.type, field.details, path_to(place, field.way))


def _awaited_value(run: Run, field: Field, value: Awaitable[Any], path: Path) -> Awaitable[Any]:
    info = info_of(run, field, path)
    if field.is_item:
        return run.complete_awaitable_list_item_value(value, field.type, field.details, info, path, None)
    return run.complete_awaitable_value(field.type, field.details, info, path, value, None)


async def _awaited(run: Run, field: Field, completed: Awaitable[Any], path: Path) -> Any:
    try:
        return await completed
    except Exception as error:
        run.handle_field_error(error, field.type, field.details, path)
        return None


async def gathered(answer: Any, late: Late) -> Any:
    """An object or list, once what it waits for is there; all at once, so that loaders see a batch."""
    if len(late) == 1:
        [(key, awaited)] = late
        answer[key] = await awaited
    else:
        found = await gather_with_cancel(*(awaited for _, awaited in late))
        for (key, _), value in zip(late, found, strict=True):
            answer[key] = value
    return answer
