"""Lists whose items are written straight from the rows of a database: no object is made of them.

A schema tells in a `Book` which columns make which field. For what an operation selects, one function is generated that
turns rows into what is answered. What is not in the book, and a row that is not as it should be, are left to objects.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import collect_subfields
from graphql.pyutils import Path

MAX_PLANS = 64
"""Of one plan of an operation: its root fields."""


class Leaf(NamedTuple):
    """A field that is made of columns: `text` is Python with `{0}`, `{1}` for their values."""

    columns: tuple[str, ...]
    text: str = "{0}"


class Inner(NamedTuple):
    """An object within. `when`: the condition, in Python, that it is there; without one it always is."""

    fields: "Book"
    when: Leaf | None = None


Book = Mapping[str, Leaf | Inner]
"""By the fields' names in the contract. None of them takes arguments."""


class Lists(NamedTuple):
    """What a connection has of its items."""

    books: Mapping[str, Book]
    """By the name of the connection's field: `nodes`, `edges`."""
    names: Mapping[str, Any]
    """What the texts of the books use. `own` is what each request gives."""
    always: tuple[str, ...]
    """Columns that come first, whatever is selected."""
    nullable: frozenset[str]
    """Columns that may be null: none of them alone makes a field that may not."""


class RowPlan(NamedTuple):
    columns: tuple[str, ...]
    """To be selected, in this order."""
    writes: Mapping[str, Callable[[Sequence[Any], Any], list[Any]]]
    """Of each list that is selected, by its name in the answer: from the rows, and `own`."""

    def written(self, rows: Sequence[Any], own: Any = None) -> "Written":
        """Raises what a row brings about that is not as the book says."""
        return Written({key: write(rows, own) for key, write in self.writes.items()})


class Written:
    """Stands in the place of a list whose items are answered as they are."""

    __slots__ = ("answers",)

    def __init__(self, answers: Mapping[str, list[Any]]) -> None:
        self.answers = answers


class _Run(Protocol):
    plan: Any


class PlannedInfo(GraphQLResolveInfo[Any]):
    """Of a root field whose operation is compiled."""

    run: Any


class WritesRows:
    """The part of an executor that knows `Written`, in front of graphql-core's."""

    plan: Any

    def build_resolve_info(
        self, definition: GraphQLField, nodes: Any, parent: GraphQLObjectType, path: Path
    ) -> GraphQLResolveInfo[Any]:
        info: GraphQLResolveInfo[Any] = super().build_resolve_info(definition, nodes, parent, path)  # type: ignore[misc]
        if path.prev is not None or self.plan is None:
            return info
        planned: PlannedInfo = tuple.__new__(PlannedInfo, info)
        planned.run = self
        return planned

    def complete_list_value(self, kind: Any, details: Any, info: Any, path: Path, result: Any, context: Any) -> Any:
        if result.__class__ is Written:
            return result.answers[str(path.key)]
        return super().complete_list_value(kind, details, info, path, result, context)  # type: ignore[misc]


_KEPT: "WeakKeyDictionary[Any, dict[Any, RowPlan | None]]" = WeakKeyDictionary()


def row_plan(info: GraphQLResolveInfo[Any], lists: Lists) -> RowPlan | None:
    """For the connection that this root field answers with. None: it has to be made of objects."""
    if info.__class__ is not PlannedInfo:
        return None
    plans = _KEPT.setdefault(info.run.plan, {})
    key = (info.path.key, id(lists))
    if key not in plans:
        if len(plans) >= MAX_PLANS:
            return None
        plans[key] = _planned(info.run, info, lists)
    return plans[key]


class _NotInBook(Exception):
    pass


def _planned(run: Executor[Any], info: Any, lists: Lists) -> RowPlan | None:
    kind = get_named_type(info.return_type)
    details = run.plan.root_fields.get(info.path.key)  # type: ignore[attr-defined]
    if details is None or not is_object_type(kind):
        return None
    writer = _Writer(run, lists)
    texts: dict[str, str] = {}
    try:
        for key, inner in writer.subfields(kind, details).items():
            name = inner[0].node.name.value
            if name in lists.books:
                listed = kind.fields[name].type
                assert any(is_list_type(one) for one in (listed, getattr(listed, "of_type", None)))
                texts[key] = writer.written(get_named_type(listed), inner, lists.books[name])
    except _NotInBook:
        return None
    places = "".join(f"{place}, " for place in writer.columns.values())
    return RowPlan(tuple(writer.columns), {key: _function(text, places, lists) for key, text in texts.items()})


def _function(text: str, places: str, lists: Lists) -> Callable[..., list[Any]]:
    given = dict(lists.names)
    source = f"def written(rows, own):\n return [{text} for ({places}) in rows]"
    exec(compile(source, "<written rows>", "exec"), given)  # noqa: S102
    made: Callable[..., list[Any]] = given["written"]
    return made


class _Writer:
    def __init__(self, run: Executor[Any], lists: Lists) -> None:
        self._run = run
        self._nullable = lists.nullable
        self.columns = {column: f"c{at}" for at, column in enumerate(lists.always)}

    def subfields(self, kind: GraphQLObjectType, details: Any) -> Mapping[str, Any]:
        run = self._run
        return collect_subfields(
            run.schema, run.fragments, run.variable_values, run.operation, kind, details, run.hide_suggestions
        ).grouped_field_set

    def written(self, kind: Any, details: Any, book: Book, there: tuple[str, ...] = ()) -> str:
        """The Python text of one object. `there`: columns that are not null where it is."""
        if not is_object_type(kind):
            raise _NotInBook
        parts = []
        for key, inner in self.subfields(kind, details).items():
            node = inner[0].node
            name = node.name.value
            if name == "__typename":
                parts.append(f"{key!r}: {kind.name!r}")
                continue
            entry = book.get(name)
            if entry is None or node.arguments:
                raise _NotInBook
            wanted = kind.fields[name].type
            if isinstance(entry, Leaf):
                if is_non_null_type(wanted) and self._may_be_null(entry, there):
                    raise _NotInBook
                parts.append(f"{key!r}: {self._leaf(entry)}")
                continue
            if is_non_null_type(wanted) and entry.when:
                raise _NotInBook
            within = (*there, *(entry.when.columns if entry.when else ()))
            text = self.written(get_named_type(wanted), inner, entry.fields, within)
            condition = f"{text} if {self._leaf(entry.when)} else None" if entry.when else text
            parts.append(f"{key!r}: {condition}")
        return f"{{{', '.join(parts)}}}"

    def _may_be_null(self, leaf: Leaf, there: tuple[str, ...]) -> bool:
        return leaf.text == "{0}" and leaf.columns[0] in self._nullable and leaf.columns[0] not in there

    def _leaf(self, leaf: Leaf) -> str:
        names = [self.columns.setdefault(column, f"c{len(self.columns)}") for column in leaf.columns]
        return leaf.text.format(*names)
