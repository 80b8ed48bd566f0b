"""Generated operations over generated data: what the compiled executor answers is what graphql-core answers.

Data and errors are compared whole, and what the resolvers saw of each other: which were called, in what order, with
what path, and in what batches.
"""

import asyncio
import os
import random
import re
from dataclasses import fields
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLObjectType,
    OverlappingFieldsCanBeMergedRule,
    execute,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    parse,
    validate,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiled import Prepared, compiled_executor
from tests.compiled.oddities import ODD, ODDNESS, Context, Leaf, leaf, schema

CORE = schema._schema
CORE_CLASS = schema.execution_context_class
COMPILED = compiled_executor(CORE_CLASS)
EXAMPLES = int(os.environ.get("FAREBOX_TEST_EXAMPLES", "20"))


def _selection(asked: random.Random, kind: Any, depth: int, fragments: list[str]) -> str:
    """Some fields of a type, under names that may meet, in fragments that may not apply."""
    parts = ["__typename"] if asked.random() < 0.3 else []
    if is_abstract_type(kind):
        parts.append("__typename")
        parts += [
            f"... on {one.name} {_selection(asked, one, depth, fragments)}"
            for one in CORE.get_possible_types(kind)
            if asked.random() < 0.8
        ]
    for name, field in getattr(kind, "fields", {}).items():
        inner = get_named_type(field.type)
        if asked.random() < 0.5 or (depth <= 0 and not is_leaf_type(inner)):
            continue
        parts += _field(asked, name, field, inner, depth, fragments)
    if not parts:
        parts.append("__typename")
    if asked.random() < 0.2 and isinstance(kind, GraphQLObjectType):
        fragments.append(f"fragment f{len(fragments)} on {kind.name} {{ {' '.join(parts)} }}")
        parts = [f"...f{len(fragments) - 1}", "... @include(if: $yes) { __typename }"]
    return "{ " + " ".join(parts) + " }"


def _field(asked: random.Random, name: str, field: Any, inner: Any, depth: int, fragments: list[str]) -> list[str]:
    alias = f"a{asked.randrange(10**6)}: " if field.args or asked.random() < 0.1 else ""
    arguments = ""
    if field.args and asked.random() < 0.7:
        first = next(iter(field.args))
        arguments = f"({first}: {asked.choice(['1', '2', '$number', '$lacking'])})"
    directive = asked.choice(["", "", "", "", " @skip(if: $no)", " @include(if: $no)", " @skip(if: $maybe)"])
    below = "" if is_leaf_type(inner) else " " + _selection(asked, inner, depth - 1, fragments)
    made = [f"{alias}{name}{arguments}{directive}{below}"]
    if below and not alias and asked.random() < 0.15:  # merged with the first
        made.append(f"{name}{arguments}{_selection(asked, inner, depth - 1, fragments)}")
    return made


def _document(asked: random.Random) -> str:
    kind = "mutation" if asked.random() < 0.25 else "query"
    root = CORE.mutation_type if kind == "mutation" else CORE.query_type
    fragments: list[str] = []
    body = _selection(asked, root, 3, fragments)
    return f"{kind} Q($yes: Boolean! = true, $no: Boolean! = false, $maybe: Boolean! = false, $number: Int! = 1," + (
        f" $lacking: Int) {body} " + " ".join(fragments)
    )


async def _run(document: Any, variables: Any, seed: int, given: Any = None, **options: Any) -> tuple[Any, Any, Any]:
    context = Context(seed, given)
    found = execute(CORE, document, context_value=context, variable_values=variables, **options)
    try:
        result = found if isinstance(found, ExecutionResult) else await found
    except asyncio.CancelledError:  # a plain loader's future, broken off with a sibling that waited for the same
        return "cancelled", [], context.told
    for _ in range(4):  # what is settled in the background
        await asyncio.sleep(0)
    return result.data, [error.formatted for error in result.errors or ()], context.told


# Of both: what is broken off before its first step.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(seed=st.integers(0, 2**32))
def test_answers_as_graphql_core_does(seed: int) -> None:
    compare(seed)


def compare(seed: int) -> bool:
    asked = random.Random(seed)
    text = _document(asked)
    document = parse(text)
    ODDNESS[0] = asked.choice([0.0, 0.02, 0.06, 0.3])
    if validate(CORE, document, [OverlappingFieldsCanBeMergedRule]):
        return False
    prepared = Prepared(document.definitions[0])  # type: ignore[arg-type]
    for turn in range(3):  # the second and third run what the first learned
        variables = {"yes": asked.random() < 0.8, "no": asked.random() < 0.2, "number": 2}
        data_seed = seed + turn % 2
        expected = asyncio.run(_run(document, variables, data_seed, executor_class=CORE_CLASS))
        found = asyncio.run(_run(document, variables, data_seed, executor_class=COMPILED, prepared=prepared))
        assert _bare(found) == _bare(expected), text
    return True


@pytest.mark.parametrize("place", ["given", "allGiven"])
async def test_every_oddity_in_every_field_of_a_leaf(place: str) -> None:
    """What chance comes to seldom; the first run teaches what the other knows."""
    names = [*CORE.type_map["Leaf"].fields]  # type: ignore[attr-defined]
    document = parse(f"{{ {place} {{ {' '.join(names)} }} }}")
    prepared = Prepared(document.definitions[0])  # type: ignore[arg-type]
    ODDNESS[0] = 0.0
    for field in fields(Leaf):
        for make in [lambda data: getattr(leaf(data), field.name), *ODD]:  # noqa: B023 - called at once
            told = []
            for options in ({"executor_class": CORE_CLASS}, {"executor_class": COMPILED, "prepared": prepared}):
                data = random.Random(7)
                given = leaf(data)
                setattr(given, field.name, make(data))
                told.append(_bare(await _run(document, {}, 0, given, **options)))
            assert told[0] == told[1], field.name


def _bare(found: object) -> str:
    """Without the addresses of objects, and told so that NaN equals itself and 1 is not 1.0."""
    return re.sub(r"0x[0-9a-f]+", "0x", repr(found), flags=re.IGNORECASE)
