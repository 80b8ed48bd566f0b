"""Generated variables and arguments: what resolvers are given, and what is refused, is what graphql-core and Strawberry
make of them."""

import asyncio
import json
import random
from copy import deepcopy
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLError,
    Undefined,
    execute,
    get_named_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    parse,
    parse_type,
    type_from_ast,
    validate,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiled import Prepared, compiled_executor
from tests.compiled.questions import schema
from tests.compiled.test_differential import EXAMPLES, _bare

CORE = schema._schema
COMPILED = compiled_executor(schema.execution_context_class)
ODD: list[Any] = [
    None, True, 0, -1, 3, 2**31, 10**30, 1.0, 1.5, float("nan"), float("inf"), "", "text", "RED", "VERT", "PURPLE",
    "2026-03-01", "2026-03-01T00:00:00Z", "1.50", [], [None], [[1]], {}, {"count": 1}, {"nothing": 1}, (1, 2), b"bytes",
    {"count": Undefined}, Undefined, {1: 2},
]  # fmt: skip
GOOD: dict[str, list[Any]] = {
    "Int": [0, -1, 7, 2**31 - 1],
    "Float": [
        0,
        1,
        1.5,
        -0.0,
    ],
    "Boolean": [True, False],
    "ID": ["an id", 7, ""],
    "String": ["", "text", "\u00e9"],
    "Date": ["2026-03-01"],
    "DateTime": ["2026-03-01T00:00:00+00:00"],
    "Decimal": ["1.50"],
    "Even": [2, 4],
    "Json": [1, "x", [1], {"a": [1]}],
    "GlobalID": ["QTox"],
}


def _value(asked: random.Random, kind: Any, oddness: float, depth: int = 0, *, is_sure: bool = False) -> Any:
    """JSON that is mostly of the type."""
    if asked.random() < oddness:
        return asked.choice(ODD)
    if is_non_null_type(kind):
        return _value(asked, kind.of_type, oddness / 2, depth, is_sure=True)
    if not is_sure and asked.random() < 0.1:
        return None
    if is_list_type(kind):
        if asked.random() < 0.1:
            return _value(asked, kind.of_type, oddness, depth + 1)
        return [_value(asked, kind.of_type, oddness, depth + 1) for _ in range(asked.randrange(3))]
    if is_enum_type(kind):
        return asked.choice([*kind.values])
    if is_leaf_type(kind):
        return asked.choice(GOOD[kind.name])
    definition = kind.extensions["strawberry-definition"]
    is_one_of = definition.is_one_of and asked.random() >= oddness
    names = asked.sample([*kind.fields], 1 if is_one_of else len(kind.fields))
    made = {}
    for name in names:
        field = kind.fields[name]
        may_lack = not is_non_null_type(field.type) or field.default is not None
        if (may_lack and not is_one_of and (depth > 2 or asked.random() < 0.5)) or asked.random() < oddness:
            continue
        made[name] = _value(asked, field.type, oddness, depth + 1, is_sure=is_one_of)
    if asked.random() < oddness:
        made["nothing"] = 1
    return made


def _literal(asked: random.Random, value: Any, kind: Any, variables: dict[str, str]) -> str:
    """The same, written into the document."""
    named = get_named_type(kind)
    if asked.random() < 0.1:
        name = f"v{len(variables)}"
        variables[name] = str(kind)
        return f"${name}"
    if isinstance(value, dict) and is_input_object_type(named):
        return (
            "{"
            + ", ".join(
                f"{key}: {_literal(asked, one, named.fields[key].type if key in named.fields else kind, variables)}"
                for key, one in value.items()
                if isinstance(key, str)
            )
            + "}"
        )
    if isinstance(value, list | tuple):
        inner = kind.of_type if is_non_null_type(kind) else kind
        inner = inner.of_type if is_list_type(inner) else inner
        return "[" + ", ".join(_literal(asked, one, inner, variables) for one in value) + "]"
    if is_enum_type(named) and isinstance(value, str) and value.isidentifier():
        return value
    if value is None or value is Undefined or value != value or value in (float("inf"),) or isinstance(value, bytes):
        return "null"
    return "{}" if isinstance(value, dict) else json.dumps(value)


def question(asked: random.Random, oddness: float) -> tuple[str, dict[str, Any]]:
    """A document and its variables."""
    is_mutation = asked.random() < 0.3
    root = CORE.mutation_type if is_mutation else CORE.query_type
    assert root is not None
    declared: dict[str, str] = {}
    fields = [
        _asked_field(asked, name, root.fields[name], oddness, declared, f"a{number}: ") + "{ "
        + " ".join(
            _asked_field(asked, one, CORE.type_map["Answer"].fields[one], oddness, declared, f"b{at}: ")  # type: ignore[attr-defined]
            for at, one in enumerate(asked.choices(["seen", "again", "plain", "loud"], k=2))
        )
        + " }"
        for number, name in enumerate(asked.choices([*root.fields], k=asked.choice([1, 1, 2])))
    ]  # fmt: skip
    variables = {}
    written = []
    for name, kind in declared.items():
        parsed = _type(kind)
        default = ""
        if asked.random() < 0.3:
            default = " = " + _literal(asked, _value(asked, parsed, 0.0), parsed, {})
            default = "" if "$" in default else default
        if default and asked.random() < 0.3:
            kind = kind.rstrip("!")
        written.append(f"${name}: {kind}{default}")
        if asked.random() < 0.9:
            variables[name] = _value(asked, parsed, oddness)
    head = f"({', '.join(written)})" if written else ""
    return f"{'mutation' if is_mutation else 'query'} Q{head} {{ {' '.join(fields)} }}", variables


def _asked_field(
    asked: random.Random, name: str, field: Any, oddness: float, declared: dict[str, str], alias: str
) -> str:
    arguments = []
    for key, argument in field.args.items():
        may_lack = not is_non_null_type(argument.type) or argument.default is not None
        if may_lack and asked.random() < 0.5:
            continue
        if asked.random() < 0.7:
            variable = f"v{len(declared)}"
            declared[variable] = str(argument.type)
            arguments.append(f"{key}: ${variable}")
        else:
            told = _literal(asked, _value(asked, argument.type, oddness / 4), argument.type, declared)
            arguments.append(f"{key}: {told}")
    return f"{alias}{name}" + (f"({', '.join(arguments)})" if arguments else "")


def _type(told: str) -> Any:
    return type_from_ast(CORE, parse_type(told))


async def _run(document: Any, variables: Any, executor_class: Any, most: int, **options: Any) -> tuple[Any, ...]:
    try:
        found = execute(
            CORE,
            document,
            variable_values=deepcopy(variables),  # a resolver may write into what it is given
            executor_class=executor_class,
            max_coercion_errors=most,
            hide_suggestions=most == 1,
            root_value="the root",
            **options,
        )
        result = found if isinstance(found, ExecutionResult) else await found
    except Exception as error:
        return type(error), str(error)
    return result.data, [(error.formatted, type(error.original_error)) for error in result.errors or ()]


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(seed=st.integers(0, 2**32))
def test_what_is_given_is_what_graphql_core_and_strawberry_make_of_it(seed: int) -> None:
    compare(seed)


def compare(seed: int) -> int:
    """How many of some questions were valid and compared."""
    asked = random.Random(seed)
    oddness = asked.choice([0.0, 0.0, 0.02, 0.1, 0.4])
    compared = 0
    for _ in range(4):
        text, variables = question(asked, oddness)
        try:
            document = parse(text)
        except GraphQLError:
            continue
        if validate(CORE, document) and asked.random() < 0.9:
            continue
        compared += 1
        prepared = Prepared(document.definitions[0])  # type: ignore[arg-type]
        most = asked.choice([1, 50])
        for turn in range(3):  # what is kept of the first run is used by the others
            expected = asyncio.run(_run(document, variables, schema.execution_context_class, most))
            found = asyncio.run(_run(document, variables, COMPILED, most, prepared=prepared))
            assert _bare(found) == _bare(expected), (turn, text, variables)
            if turn == 1:
                variables = {
                    name: _value(asked, CORE.type_map["Leaf"], oddness) if asked.random() < 0.2 else value
                    for name, value in variables.items()
                }
    return compared


LEAF = {"count": 1, "ratio": 1.5, "isOn": True, "id": "i", "colour": "RED", "day": "2026-03-01", "from": "f", "even": 2}
WHOLE: dict[str, dict[str, Any]] = {
    "Leaf": LEAF,
    "Branch": {
        "leaf": LEAF, "other": LEAF, "leaves": [LEAF], "holes": [None, LEAF], "deep": [[1]], "words": ["w", None],
        "colours": ["VERT"], "json": {"a": [1]}, "price": "1.50",
    },
    "Checked": {"leaf": LEAF},
    "Given": {"number": 3},
}  # fmt: skip
FIELDS = {"Leaf": "leaf(leaf: $it)", "Branch": "branch(branch: $it)", "Checked": "either(checked: $it)",
          "Given": "either(given: $it)"}  # fmt: skip


@pytest.mark.parametrize("name", [*WHOLE])
async def test_every_oddity_in_every_field_of_an_input(name: str) -> None:
    """What chance comes to seldom: also keys that lack, and keys that are not of the type."""
    document = parse(f"query ($it: {name}!) {{ {FIELDS[name]} {{ seen }} }}")
    prepared = Prepared(document.definitions[0])  # type: ignore[arg-type]
    whole = WHOLE[name]
    cases: list[Any] = [whole, *ODD, {**whole, "nothing": None}]
    for key in CORE.type_map[name].fields:  # type: ignore[attr-defined]
        cases.append({one: value for one, value in whole.items() if one != key})
        cases += [{**whole, key: odd} for odd in ODD]
    for case in cases:
        expected = await _run(document, {"it": case}, schema.execution_context_class, 50)
        found = await _run(document, {"it": case}, COMPILED, 50, prepared=prepared)
        assert _bare(found) == _bare(expected), case


async def test_what_a_resolver_writes_into_is_its_own() -> None:
    """Defaults of variables, literals and lists are made anew for each run."""
    document = parse("""query ($json: Json = [1], $numbers: [Int!]! = [1]) {
        a: leaves(json: $json, numbers: $numbers) { seen } b: leaves(json: [2], numbers: [2]) { seen } }""")
    prepared = Prepared(document.definitions[0])  # type: ignore[arg-type]
    runs = [await _run(document, {}, COMPILED, 50, prepared=prepared) for _ in range(3)]
    assert "written into" not in repr(runs[0])
    assert runs[0] == runs[1] == runs[2]


async def test_a_null_where_an_argument_may_not_be_null_is_refused() -> None:
    """A variable that may be null, with a default, where the argument may not."""
    document = parse("query ($times: Int = 2) { leaf(leaf: {count: 1}) { again(times: $times) } }")
    assert not validate(CORE, document)
    prepared = Prepared(document.definitions[0])  # type: ignore[arg-type]
    for variables in ({}, {"times": 3}, {"times": None}, {"times": "no"}):
        expected = await _run(document, variables, schema.execution_context_class, 50)
        assert await _run(document, variables, COMPILED, 50, prepared=prepared) == expected


async def test_an_input_with_a_say_of_its_own_has_it_when_strawberry_would_let_it() -> None:
    """An async field's input is made when its turn comes: after the fields that are not."""
    document = parse('{ own(own: [{number: -1}]) { seen } perhaps(perhaps: {node: "no id"}) { seen } }')
    prepared = Prepared(document.definitions[0])  # type: ignore[arg-type]
    expected = await _run(document, {}, schema.execution_context_class, 50)
    assert [error["path"] for error, _ in expected[1]] == [["perhaps"], ["own"]]
    assert await _run(document, {}, COMPILED, 50, prepared=prepared) == expected
