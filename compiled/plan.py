"""The plan of an operation: its selection sets, each turned into a function when an object first needs it.

Which fields are selected depends on nothing but the variables of @skip and @include: there is one plan for each set
of their values. A plan keeps no other variable.
"""

from typing import Any

from graphql import (
    GraphQLError,
    GraphQLObjectType,
    get_named_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import collect_fields, collect_subfields
from graphql.execution.values import VariableValues

from compiled.field import Field, Function
from compiled.places import Way
from compiled.source import list_function, object_function
from compiled.types import concrete_of

MAX_FUNCTIONS = 2_000
"""Of one plan; what does not fit is left to graphql-core."""
MAX_CLASSES = 64
"""Of objects that one field answers with."""


class Plan:
    def __init__(self, run: Executor[Any], names: frozenset[str]) -> None:
        values = run.variable_values
        self._schema = run.schema
        self._fragments = run.fragments
        self._operation = run.operation
        self._values = VariableValues(
            {name: source for name, source in values.sources.items() if name in names},
            {name: value for name, value in values.coerced.items() if name in names},
        )
        self._hide_suggestions = run.hide_suggestions
        self._owned: dict[int, Field] = {}
        self._subfields: dict[tuple[str, int], Any] = {}
        self._objects: dict[tuple[str, int, Way], Function | None] = {}
        self._lists: dict[tuple[int, int], Function | None] = {}
        root_type = self._schema.get_root_type(self._operation.operation)
        assert root_type is not None
        collected = collect_fields(
            self._schema, self._fragments, self._values, root_type, self._operation, self._hide_suggestions
        )
        self.root_fields = dict(collected.grouped_field_set)
        self.root = self._made(root_type, self.root_fields, ())

    def own(self, field: Field) -> None:
        self._owned.setdefault(id(field.details), field)

    def field_at(self, kind: GraphQLObjectType, details: Any) -> Field | None:
        owned = self._owned.get(id(details))
        return owned if owned is not None and owned.details is details and owned.parent is kind else None

    def object_at(self, kind: GraphQLObjectType, details: Any, way: Way = ()) -> Function | None:
        """None for field lists that are not of this plan, and what is too much for it."""
        key = (kind.name, id(details), way)
        try:
            return self._objects[key]
        except KeyError:
            pass
        owned = self._owned.get(id(details))
        if owned is None or owned.details is not details:
            return None
        try:
            made = self._made(kind, self._subfields_of(kind, details), way)
        except (GraphQLError, RecursionError):  # of who asks; graphql-core says it where it belongs
            made = None
        self._objects[key] = made
        return made

    def list_at(self, item_type: Any, details: Any) -> Function | None:
        """Of a list that graphql-core comes to; its place is whole."""
        key = (id(item_type), id(details))
        try:
            return self._lists[key]
        except KeyError:
            pass
        owned = self._owned.get(id(details))
        if owned is None or owned.details is not details or self._is_full:
            return None
        made = self._lists[key] = list_function(self, owned.item(item_type))
        return made

    @property
    def _is_full(self) -> bool:
        return len(self._objects) + len(self._lists) >= MAX_FUNCTIONS

    def learn(self, run: Executor[Any], field: Field, value: Any) -> None:
        """From an object that graphql-core completed, how to complete those of its class."""
        kind = value.__class__
        if kind in field.by_class or len(field.by_class) >= MAX_CLASSES:
            return
        concrete = concrete_of(self._schema, get_named_type(field.type), value)
        if concrete is None:
            return
        made = self.object_at(concrete, field.details, field.way)
        if made is not None:
            field.by_class[kind] = made

    def _subfields_of(self, kind: GraphQLObjectType, details: Any) -> Any:
        key = (kind.name, id(details))
        found = self._subfields.get(key)
        if found is None:
            found = self._subfields[key] = dict(
                collect_subfields(
                    self._schema,
                    self._fragments,
                    self._values,
                    self._operation,
                    kind,
                    details,
                    self._hide_suggestions,
                ).grouped_field_set
            )
        return found

    def _made(self, kind: GraphQLObjectType, grouped: Any, way: Way) -> Function | None:
        if self._is_full:
            return None
        fields: dict[str, Field] = {}
        for key, details in grouped.items():
            field = Field.of(self._schema, kind, key, details, (*way, (key, kind.name)))
            if field is None:
                return None
            self.own(field)
            fields[key] = field
        return object_function(self, fields)
