"""One linear pass counts what an operation would become; no document is too deep or too dense for it."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest
from graphql import (
    FieldNode,
    FragmentSpreadNode,
    SelectionSetNode,
    get_introspection_query,
    parse,
    print_ast,
)
from graphql.utilities import separate_operations
from hypothesis import given, settings
from hypothesis import strategies as st

from api.document import Document
from api.document_reader import DocumentReader, excess_of
from api.measure import UNCOUNTED, Measure
from api.refusals import Refused
from schema.mutation import MOVES_MONEY, MOVES_NO_MONEY
from schema.root import schema
from tests.api.edge import make_settings

ROOT = Path(__file__).parents[2]
PROPOSAL = ROOT.parent / "shared" / "proposal" / "operations.graphql"
LIMITS = make_settings()


def measured(text: str) -> Measure:
    document = Document.of(parse(text))
    return document.measure(document.operations[0])


# ---------- what is counted ----------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a }", Measure(depth=1, root_fields=1, fields=1)),
        ("{ a { b { c } } d }", Measure(depth=3, root_fields=2, fields=4)),
        ("{ x: a { y: b } }", Measure(depth=2, root_fields=1, fields=2, aliases=2)),
        ("{ ... { a ... on Query { b } } }", Measure(depth=1, root_fields=2, fields=2)),
        ("{ ...F ...F } fragment F on Query { x: a { b } }", Measure(2, 0, 2, 4, 2)),
        ("{ a { ...F } } fragment F on A { b { ...G } } fragment G on B { c }", Measure(3, 0, 1, 3)),
        ("query ($v: Int @d) @d { a @d ... @d { b } ...F @d } fragment F on Q @d { c @d }", Measure(1, 0, 3, 3, 0, 7)),
        ("{ __schema { types { name } } }", Measure(1, 3, 1, 3)),
        ('{ __type(name: "A") { ...T } a { b } } fragment T on __Type { ofType { name } }', Measure(2, 3, 2, 5)),
        ("{ a { __typename } }", Measure(depth=2, root_fields=1, fields=2)),
        ("{ ...Nobody }", Measure()),
        ("{ a(l: [1, 2]) b(i: { m: [[1, 2, 3], []] }) }", Measure(1, 0, 2, 2, 0, 0, 0, 3, "m", 1, "i")),
        ("query ($v: [Int] = [1]) { a @d(l: [[], []]) }", Measure(1, 0, 1, 1, 0, 1, 0, 2, "l")),
        ("query { recordUsage }", Measure(depth=1, root_fields=1, fields=1)),
        ("mutation { recordUsage { recordUsage } }", Measure(2, 0, 1, 2, money_mutations=1)),
        ("mutation { a: recordUsage ...F } fragment F on M { b: recordUsage change }", Measure(1, 0, 3, 3, 2, 0, 2)),
    ],
)
def test_what_is_counted(text: str, expected: Measure) -> None:
    assert measured(text) == expected


def test_only_the_chosen_operation_is_measured() -> None:
    document = Document.of(parse("query A { a } query B { b { c { d } ...F } } fragment F on B { x: e }"))

    first = document.measure(document.select("A"))
    assert first == Measure(depth=1, root_fields=1, fields=1)
    assert document.measure(document.select("A")) is first
    assert document.measure(document.select("B")).depth == 3


NAMES = ("a", "b", "x: a", "__schema")


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Operations with fragments, each of which spreads only later ones."""
    count = draw(st.integers(0, 4))

    def selections(first: int, depth: int) -> str:
        parts = draw(st.lists(st.sampled_from((*NAMES, "...", "spread")), min_size=1, max_size=4))
        told = []
        for part in parts:
            if part == "spread":
                told.append(f"...F{draw(st.integers(first, count - 1))}" if first < count else "a")
            elif depth == 0:
                told.append("a" if part == "..." else part)
            else:
                told.append(f"{part} {selections(first, depth - 1)}")
        return "{ " + " ".join(told) + " }"

    fragments = [f"fragment F{n} on Q {selections(n + 1, draw(st.integers(0, 2)))}" for n in range(count)]
    return "\n".join([f"query {selections(0, draw(st.integers(0, 3)))}", *fragments])


@settings(max_examples=60)
@given(documents())
def test_it_counts_what_writing_everything_out_would(text: str) -> None:
    document = Document.of(parse(text))
    fields = list(_written_out(document, document.operations[0].selection_set, (), set()))
    expected = Measure(
        depth=max(_outside(path) for path, _ in fields),
        introspection_depth=max(len(path) - _outside(path) + 1 if "__schema" in path else 0 for path, _ in fields),
        root_fields=sum(len(path) == 1 for path, _ in fields),
        fields=len(fields),
        aliases=sum(has_alias for _, has_alias in fields),
    )

    found = measured(text)
    if any("__schema" in path[1:] for path, _ in fields):  # it may stand at the root only
        found.depth = expected.depth = found.introspection_depth = expected.introspection_depth = 0
    assert found == expected


def _outside(path: tuple[str, ...]) -> int:
    return path.index("__schema") + 1 if "__schema" in path else len(path)


def _written_out(
    document: Document, selections: SelectionSetNode, path: tuple[str, ...], seen: set[str]
) -> Iterator[tuple[tuple[str, ...], bool]]:
    for selection in selections.selections:
        if isinstance(selection, FragmentSpreadNode):
            yield from _written_out(document, document.fragments[selection.name.value].selection_set, path, seen)
        elif isinstance(selection, FieldNode):
            below = (*path, selection.name.value)
            yield below, selection.alias is not None
            if selection.selection_set:
                yield from _written_out(document, selection.selection_set, below, seen)
        else:
            yield from _written_out(document, selection.selection_set, path, seen)  # type: ignore[attr-defined]


# ---------- what is hostile ----------


def fan_out(levels: int) -> str:
    spreads = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(levels))
    return f"{{ ...F0 }} {spreads} fragment F{levels} on Query {{ __typename }}"


def test_a_fan_out_of_a_kilobyte_is_refused_in_a_moment() -> None:
    """As it comes: parsed, measured and refused. A pass that forgets what it has seen takes seconds."""
    reader = DocumentReader(schema, limits=LIMITS, has_introspection=False)
    took = []
    for _ in range(5):
        begin = perf_counter()
        with pytest.raises(Refused) as caught:
            reader.read(fan_out(20), None)
        took.append(perf_counter() - begin)

    assert caught.value.errors[0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert len(fan_out(20)) < 842
    assert min(took) < 0.009


def test_counts_end_somewhere() -> None:
    assert measured(fan_out(200)).fields == UNCOUNTED


def test_a_circle_ends() -> None:
    """Validation says that it is one."""
    assert measured("{ ...A } fragment A on Q { ...B a } fragment B on Q { ...A b { ...B } }").fields < 10


def test_no_depth_is_too_much() -> None:
    chain = "".join(f"fragment F{n} on Query {{ a {{ ...F{n + 1} }} }} " for n in range(1_500))

    assert measured("{ ...F0 } " + chain).depth == 1_500


class Counted(dict[str, object]):
    looks = 0

    def __getitem__(self, key: str) -> object:
        Counted.looks += 1
        return super().__getitem__(key)


def test_the_work_grows_with_the_document_only() -> None:
    """Twice as long takes twice as long, and not four times: by what is looked at, not by a clock."""

    looks = []
    for levels in (50, 100):
        document = Document.of(parse(fan_out(levels)))
        Counted.looks = 0
        object.__setattr__(document, "fragments", Counted(document.fragments))
        document.measure(document.operations[0])
        looks.append(Counted.looks)
    assert looks == [51, 101]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a(i: {a: 1, b: {c: 2, d: 3, e: $v}}) @d(x: $v) }", ("b", 3, 2)),
        ("query ($v: I = {a: 1}) { ...F ...F } fragment F on Q { b(v: [$v, $v]) }", ("$v", 1, 4)),
        ("{ ...F } fragment F on Q { b(i: {a: 1}) }", ("i", 1, 0)),
    ],
)
def test_members_and_uses_of_variables_are_counted(text: str, expected: tuple[str, int, int]) -> None:
    found = measured(text)

    assert (found.object_name, found.most_members, found.variables) == expected


def refused(text: str, operation_name: str | None = "Z") -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        DocumentReader(schema, limits=LIMITS, has_introspection=False).read(text, operation_name)
    error = caught.value.errors[0]
    return error["extensions"]["code"], error["message"]


ASKED = "query Z { viewer { name } } "
OTHERS = " ".join(f"query A{n}($x: ID!) {{ ...F }}" for n in range(49))
WIDE = "(input: {" + " ".join(f"f{n}: 1" for n in range(101)) + "})"


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        (ASKED + OTHERS + " query B { viewer { name } }", "QUERY_TOO_COMPLEX", "51 operations; 50"),
        (ASKED + "fragment F on Query { viewer { name } } " * 101, "QUERY_TOO_COMPLEX", "101 fragments; 100"),
        (
            ASKED + OTHERS + " fragment F on Query { nodes(ids: [" + "$x " * 41 + "]) { id } }",
            "QUERY_TOO_COMPLEX",
            "2,009 uses of variables",
        ),
        (
            ASKED + OTHERS + " fragment F on Query { viewer {" + "name " * 40 + "} }",
            "QUERY_TOO_COMPLEX",
            "2,011 fields in all its operations; 2,000",
        ),
        (ASKED + f"query B {{ viewer {WIDE} {{ name }} }}", "BAD_USER_INPUT", "`input` has 101 members"),
        (ASKED + f"fragment F on Query {{ viewer {WIDE} {{ name }} }}", "BAD_USER_INPUT", "`input` has 101 members"),
    ],
    ids=["operations", "fragments", "variables", "fields", "members", "members of a fragment nobody spreads"],
)
def test_what_is_not_asked_for_counts_too(text: str, code: str, told: str) -> None:
    """It is validated as well."""
    found = refused(text)

    assert found[0] == code
    assert told in found[1]


def test_a_long_document_has_few_fragments() -> None:
    text = "mutation Z { recordUsage(input: {events: [" + "{} " * 990 + "]}) { ...F } }"
    fragments = " fragment F on RecordUsagePayload { __typename }" * 11

    assert "11 fragments; 10 are allowed" in refused(text + fragments)[1]


def test_each_fragment_is_measured_once_for_all_operations() -> None:
    """Operations that all spread a long fragment take no longer than one."""
    document = Document.of(parse("{ ...F } " * 3 + "fragment F on Q { a ...G } fragment G on Q { b }"))
    Counted.looks = 0
    object.__setattr__(document, "fragments", Counted(document.fragments))

    assert [part.fields for part in document.parts()] == [2, 2, 2]
    assert Counted.looks == 2


# ---------- what has to pass ----------


def operations() -> Iterator[tuple[str, str, bool]]:
    """Name, text, and whether it has to be valid: the proposal names what was never built."""
    for path in sorted((ROOT / "api" / "examples").glob("*.graphql")):
        yield path.name, path.read_text(), True
    for path in [PROPOSAL] if PROPOSAL.exists() else []:
        for name, tree in separate_operations(parse(path.read_text())).items():
            yield f"{path.name}: {name}", print_ast(tree), False
    yield "introspection", get_introspection_query(), True
    with_all = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        one_of=True,
    )
    yield "introspection with all", with_all, True


def test_every_screen_and_every_tool_is_served() -> None:
    """Those of examples/operations and examples/partner: tests/test_client_kits.py."""
    reader = DocumentReader(schema, limits=LIMITS, has_introspection=True)
    for name, text, is_valid in operations():
        document = Document.of(parse(text))
        for operation in document.operations:
            assert excess_of(document.measure(operation), LIMITS) is None, name
        if is_valid:
            reader.read_all(text)


def test_nobody_walks_the_schema_in_circles() -> None:
    """Within the depth that GraphiQL needs, a list in a list in a list of all types would be an answer of gigabytes."""
    reader = DocumentReader(schema, limits=LIMITS, has_introspection=True)
    circle = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"

    with pytest.raises(Refused) as caught:
        reader.read(circle, None)
    assert caught.value.errors[0]["message"] == "Maximum introspection depth exceeded"


def test_every_mutation_is_said_to_move_money_or_not() -> None:
    fields = schema._schema.mutation_type.fields  # type: ignore[union-attr]

    assert set(fields) == MOVES_MONEY | MOVES_NO_MONEY
    assert not MOVES_MONEY & MOVES_NO_MONEY
