"""What operations cost, in points: before, as `@cost` and `@listSize` say it; afterwards, by what was answered.

The contract is read once, into tables. An operation is then one pass, however its fragments are spread: what a fragment
costs is remembered for each type it is spread on. What a price depends on besides are the variables that say how long a
list gets and what is skipped; prices are remembered by those too. Fields that two fragments select alike count twice
before, and once afterwards.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from weakref import ref

from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    value_from_ast_untyped,
)

from api.cost_table import FieldCost, TypeCost, read_costs

MAX_PRICES = 64
"""Remembered of one operation."""

Fragments = Mapping[str, FragmentDefinitionNode]


class Costs:
    """The prices of one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._types = read_costs(schema)
        self._roots = {
            kind: self._types[root.name]
            for kind in ("query", "mutation", "subscription")
            if (root := getattr(schema, f"{kind}_type"))
        }
        self._known: dict[int, tuple[ref[OperationDefinitionNode], Price]] = {}

    def of(self, operation: OperationDefinitionNode, fragments: Fragments) -> "Price":
        """Of a valid operation. Remembered for as long as the operation is."""
        place = id(operation)
        known = self._known.get(place)
        if known is None or known[0]() is not operation:
            price = Price(operation, fragments, self._types, self._roots[operation.operation.value])
            known = self._known[place] = ref(operation, lambda _: self._known.pop(place, None)), price
        return known[1]


class Price:
    """Of one operation."""

    def __init__(
        self, operation: OperationDefinitionNode, fragments: Fragments, types: Mapping[str, TypeCost], root: TypeCost
    ) -> None:
        self._selections = operation.selection_set
        self._defaults = {
            definition.variable.name.value: (
                Undefined if definition.default_value is None else value_from_ast_untyped(definition.default_value)
            )
            for definition in operation.variable_definitions or ()
        }
        self._fragments = fragments
        self._types = types
        self._root = root
        self._prices: dict[tuple[object, ...], int] = {}
        self._shape: Shape | None = None

    def requested(self, variables: Mapping[str, Any]) -> int:
        """The most it may come to, as long as no list is longer than was assumed."""
        given = {name: variables.get(name, default) for name, default in self._defaults.items()}
        key = tuple(map(_matter, given.values()))
        price = self._prices.get(key)
        if price is None:
            if len(self._prices) >= MAX_PRICES:
                self._prices.clear()
            own, _ = _Estimate(self._fragments, self._types, given).selected(self._selections, self._root, frozenset())
            price = self._prices[key] = own
        return price

    def actual(self, data: Mapping[str, Any] | None) -> int:
        """What the answer holds."""
        if data is None:
            return 0
        if self._shape is None:
            self._shape = _Shapes(self._fragments, self._types).of((self._selections,), (self._root,))
        return _count([data], self._shape)


# ---------- before ----------


class _Parts(NamedTuple):
    """What a selection costs: by itself, and for each item of the list that the field above it sizes."""

    own: int
    each: int


class _Estimate:
    """One pass, for one set of variables."""

    def __init__(self, fragments: Fragments, types: Mapping[str, TypeCost], variables: Mapping[str, Any]) -> None:
        self._fragments = fragments
        self._types = types
        self._variables = variables
        self._known: dict[tuple[int, str, frozenset[str]], _Parts] = {}

    def selected(self, selections: SelectionSetNode, on: TypeCost, sized: frozenset[str]) -> _Parts:
        key = (id(selections), on.name, sized)
        known = self._known.get(key)
        if known is not None:
            return known
        own = each = 0
        for selection in selections.selections:
            if selection.directives and self._is_left_out(selection.directives):
                continue
            if isinstance(selection, FieldNode):
                name = selection.name.value
                if name in on.fields:
                    points = self._field(selection, on.fields[name], is_sized=name in sized)
                    own, each = (own, each + points) if name in sized else (own + points, each)
                continue
            part = _part(selection, self._fragments, self._types, on)
            if part is not None:
                inner = self.selected(part, on, sized)
                own, each = own + inner.own, each + inner.each
        known = self._known[key] = _Parts(own, each)
        return known

    def _field(self, node: FieldNode, field: FieldCost, *, is_sized: bool) -> int:
        if field.of is None or node.selection_set is None:
            return field.weight or 0
        size = self._size(node, field)
        dearest = 0
        for type_ in field.of.possible:
            below = self.selected(node.selection_set, type_, field.sized)
            weight = type_.weight if field.weight is None else field.weight
            dearest = max(dearest, weight + below.own + below.each * size)
        return dearest * size if field.is_list and not is_sized else dearest

    def _size(self, node: FieldNode, field: FieldCost) -> int:
        sizes = []
        for name, default in field.slicing:
            value = default
            for argument in node.arguments or ():
                if argument.name.value == name:
                    value = self._value(argument.value, default)
            sizes += [size] if (size := _as_size(value)) is not None else []
        return max(sizes, default=field.assumed_size)

    def _is_left_out(self, directives: Sequence[DirectiveNode]) -> bool:
        for directive in directives:
            for argument in directive.arguments or ():
                value = self._value(argument.value, None)
                if (directive.name.value, value) in {("skip", True), ("include", False)} and type(value) is bool:
                    return True
        return False

    def _value(self, node: ValueNode, default: Any) -> Any:
        match node:
            case VariableNode():
                value = self._variables.get(node.name.value, Undefined)
                return default if value is Undefined else value
            case IntValueNode():
                return int(node.value)
            case BooleanValueNode():
                return node.value
            case ListValueNode():
                return node.values
        return None


def _as_size(value: object) -> int | None:
    """Of a slicing argument. Whatever cannot be one is refused when the operation is run."""
    if isinstance(value, list | tuple):
        return len(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value // 1:
        return None
    return int(value)


def _matter(value: object) -> object:
    """As much of a variable as a price can depend on."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return len(value), "items"
    return value if value is None or value is Undefined or isinstance(value, int | float) else "-"


def _part(selection: Any, fragments: Fragments, types: Mapping[str, TypeCost], on: TypeCost) -> SelectionSetNode | None:
    """What a fragment selects of an object of this type; None: nothing."""
    part = fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
    condition = part.type_condition
    if condition is not None and on not in types[condition.name.value].possible:
        return None
    selected: SelectionSetNode = part.selection_set
    return selected


# ---------- afterwards ----------

Shape = Sequence[tuple[str, int, "Shape"]]
"""Keys of an answer's object that hold what has a weight, or holds what has: the key, the weight, and what is below."""


class _Shapes:
    def __init__(self, fragments: Fragments, types: Mapping[str, TypeCost]) -> None:
        self._fragments = fragments
        self._types = types
        self._known: dict[tuple[tuple[int, ...], tuple[str, ...]], Shape] = {}

    def of(self, selections: tuple[SelectionSetNode, ...], types: tuple[TypeCost, ...]) -> Shape:
        place = tuple(map(id, selections)), tuple(type_.name for type_ in types)
        known = self._known.get(place)
        if known is None:
            found: dict[str, list[tuple[FieldNode, FieldCost]]] = {}
            for type_ in types:
                for selected in selections:
                    self._collect(selected, type_, found, set())
            shape = [(key, *self._below(fields)) for key, fields in found.items()]
            known = self._known[place] = [one for one in shape if one[1] or one[2]]
        return known

    def _collect(
        self,
        selections: SelectionSetNode,
        on: TypeCost,
        found: dict[str, list[tuple[FieldNode, FieldCost]]],
        seen: set[int],
    ) -> None:
        if id(selections) in seen:
            return
        seen.add(id(selections))
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                field = on.fields.get(selection.name.value)
                if field is not None:
                    found.setdefault((selection.alias or selection.name).value, []).append((selection, field))
            elif (part := _part(selection, self._fragments, self._types, on)) is not None:
                self._collect(part, on, found, seen)

    def _below(self, fields: Sequence[tuple[FieldNode, FieldCost]]) -> tuple[int, Shape]:
        types = {type_.name: type_ for _, field in fields if field.of for type_ in field.of.possible}
        selected = {id(node.selection_set): node.selection_set for node, _ in fields if node.selection_set}
        below = self.of(tuple(selected.values()), tuple(types.values())) if types else ()
        return max(field.dearest for _, field in fields), below


def _count(objects: Sequence[Mapping[str, Any]], shape: Shape) -> int:
    """Level by level, not object by object: a page of a hundred is a few loops."""
    points = 0
    for key, weight, below in shape:
        found: list[Any] = []
        for one in objects:
            value = one.get(key)
            if isinstance(value, list):
                found += [item for item in value if item is not None]
            elif value is not None:
                found.append(value)
        points += weight * len(found)
        if below and found:
            points += _count(found, below)
    return points
