"""How large an operation is, before anything costly is done with it: one linear pass over its own words.

Each fragment that it reaches is walked once, however often it is spread, and its numbers are then put in for every
spread. A document of a kilobyte can ask for millions of fields that way; to count them takes as long as to read it.
Nothing here needs a valid document: fragments that are unknown, or spread themselves, count nothing more.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from graphql import (
    ArgumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from schema.mutation import MOVES_MONEY

UNCOUNTED = 1_000_000
"""Counts end here: what is larger is refused by any limit."""
INTROSPECTION = frozenset({"__schema", "__type"})


@dataclass(slots=True)
class Measure:
    """Of an operation, or of a fragment from where it is spread. Counts are as often as a fragment is spread."""

    depth: int = 0
    """Of fields: a root field is 1. What is asked of the schema is not in it."""
    introspection_depth: int = 0
    """Of `__schema` or `__type`, which are 1."""
    root_fields: int = 0
    """Of a fragment: fields beside its spread."""
    fields: int = 0
    aliases: int = 0
    directives: int = 0
    money_mutations: int = 0
    longest_list: int = 0
    """Entries, of a list that is written in the document."""
    list_name: str = ""
    """Of the argument or variable that holds it."""
    most_members: int = 0
    """Of an object that is written in the document."""
    object_name: str = ""
    variables: int = 0
    """How often any is used. Validation looks at each use anew for every operation that reaches it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a selection stands, counted from the operation or fragment it is written in."""

    depth: int = 0
    introspection_depth: int = 0
    """0: not below `__schema` or `__type`."""


@dataclass(slots=True)
class _Part:
    """An operation or a fragment, without what it spreads."""

    own: Measure = field(default_factory=Measure)
    spreads: list[tuple[str, _Place]] = field(default_factory=list)


def measure(
    definition: OperationDefinitionNode | FragmentDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    known: dict[str, Measure],
) -> Measure:
    """Never recurses, so that no depth is too much for it. `known`: fragments that were measured before; gets more."""
    parts: dict[str, _Part] = {}
    whole = _walk(definition)
    for name in _innermost_first(whole, parts, fragments, known):
        known[name] = _total(parts[name], known)
    total = _total(whole, known)
    if isinstance(definition, OperationDefinitionNode) and definition.operation is not OperationType.MUTATION:
        total.money_mutations = 0
    return total


def _walk(definition: OperationDefinitionNode | FragmentDefinitionNode) -> _Part:
    part = _Part()
    own = part.own
    _note_directives(own, definition)
    for variable in definition.variable_definitions or ():
        _note_directives(own, variable)
        if variable.default_value is not None:
            _note_value(own, f"${variable.variable.name.value}", variable.default_value)
    waiting: list[tuple[SelectionSetNode, _Place]] = [(definition.selection_set, _Place())]
    while waiting:
        selections, place = waiting.pop()
        for selection in selections.selections:
            _note_directives(own, selection)
            if isinstance(selection, FragmentSpreadNode):
                part.spreads.append((selection.name.value, place))
                continue
            below = _note_field(own, selection, place) if isinstance(selection, FieldNode) else place
            inner: SelectionSetNode | None = selection.selection_set  # type: ignore[attr-defined]
            if inner is not None:
                waiting.append((inner, below))
    return part


def _note_field(own: Measure, node: FieldNode, place: _Place) -> _Place:
    """Gives the place of what the field selects."""
    own.fields += 1
    own.aliases += node.alias is not None
    _note_arguments(own, node.arguments)
    if place.depth == 0:
        own.root_fields += 1
        own.money_mutations += node.name.value in MOVES_MONEY
    if place.introspection_depth or node.name.value in INTROSPECTION:
        place = _Place(max(place.depth, 1), place.introspection_depth + 1)
    else:
        place = _Place(place.depth + 1)
    own.depth = max(own.depth, place.depth)
    own.introspection_depth = max(own.introspection_depth, place.introspection_depth)
    return place


def _note_directives(own: Measure, node: object) -> None:
    for directive in getattr(node, "directives", None) or ():
        own.directives += 1
        _note_arguments(own, directive.arguments)


def _note_arguments(own: Measure, arguments: Iterable[ArgumentNode] | None) -> None:
    for argument in arguments or ():
        if isinstance(argument.value, VariableNode):
            own.variables += 1
        elif isinstance(argument.value, ListValueNode | ObjectValueNode):
            _note_value(own, argument.name.value, argument.value)


def _note_value(own: Measure, name: str, value: ValueNode) -> None:
    waiting = [(name, value)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, ListValueNode):
            if len(value.values) > own.longest_list:
                own.longest_list, own.list_name = len(value.values), name
            waiting.extend((name, entry) for entry in value.values)
        elif isinstance(value, VariableNode):
            own.variables += 1
        elif isinstance(value, ObjectValueNode):
            if len(value.fields) > own.most_members:
                own.most_members, own.object_name = len(value.fields), name
            waiting.extend((member.name.value, member.value) for member in value.fields)


def _innermost_first(
    whole: _Part,
    parts: dict[str, _Part],
    fragments: Mapping[str, FragmentDefinitionNode],
    known: Mapping[str, Measure],
) -> Iterator[str]:
    """The names of the fragments that are reached, each once and after those that it spreads; fills `parts`. Not those
    that are known."""
    path: list[tuple[str | None, Iterator[tuple[str, _Place]]]] = [(None, iter(whole.spreads))]
    while path:
        name, spreads = path[-1]
        for spread, _place in spreads:
            if spread in fragments and spread not in parts and spread not in known:
                parts[spread] = _walk(fragments[spread])
                path.append((spread, iter(parts[spread].spreads)))
                break
        else:
            path.pop()
            if name is not None:
                yield name


def _total(part: _Part, totals: Mapping[str, Measure]) -> Measure:
    total = part.own
    for name, place in part.spreads:
        spread = totals.get(name)
        if spread is not None:
            _add(total, spread, place)
    return total


def _add(total: Measure, spread: Measure, place: _Place) -> None:
    if place.introspection_depth:
        deep = place.introspection_depth + max(spread.depth, spread.introspection_depth)
        total.introspection_depth = max(total.introspection_depth, deep)
    else:
        total.depth = max(total.depth, place.depth + spread.depth)
        total.introspection_depth = max(total.introspection_depth, spread.introspection_depth)
    if place.depth == 0:
        total.root_fields = min(total.root_fields + spread.root_fields, UNCOUNTED)
        total.money_mutations = min(total.money_mutations + spread.money_mutations, UNCOUNTED)
    total.fields = min(total.fields + spread.fields, UNCOUNTED)
    total.aliases = min(total.aliases + spread.aliases, UNCOUNTED)
    total.directives = min(total.directives + spread.directives, UNCOUNTED)
    if spread.longest_list > total.longest_list:
        total.longest_list, total.list_name = spread.longest_list, spread.list_name
    if spread.most_members > total.most_members:
        total.most_members, total.object_name = spread.most_members, spread.object_name
    total.variables = min(total.variables + spread.variables, UNCOUNTED)
