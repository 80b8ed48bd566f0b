"""A GraphQL document that was read: its operations, and which of them carries a batch."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from api.limits import Limits
from api.measure import Measure, measure
from api.refusals import refusal
from compiled import Prepared

BATCH_FIELDS = frozenset({"recordUsage", "syncDirectory"})
"""Mutations that carry a batch, in the variables or written out in the document."""

KEPT_FROM = 2
"""From which run on what is compiled stays: it takes three times as much memory as the document alone. Made again it
takes no longer than to validate the document did."""


@dataclass(frozen=True, slots=True)
class Document:
    """Not necessarily a valid one."""

    tree: DocumentNode
    operations: tuple[OperationDefinitionNode, ...]
    fragments: Mapping[str, FragmentDefinitionNode]
    _measures: dict[int, Measure] = field(default_factory=dict, compare=False, repr=False)
    """Of operations, each taken once: by the id of the node, which lives as long as this."""
    _fragments: dict[str, Measure] = field(default_factory=dict, compare=False, repr=False)
    """Those that were measured, from where they are spread."""
    _prepared: dict[int, Prepared] = field(default_factory=dict, compare=False, repr=False)
    """Of operations that were run, as for the measures."""
    _runs: Counter[int] = field(default_factory=Counter, compare=False, repr=False)
    """Of operations of which nothing is kept yet."""

    @classmethod
    def of(cls, tree: DocumentNode) -> "Document":
        return cls(
            tree,
            tuple(part for part in tree.definitions if isinstance(part, OperationDefinitionNode)),
            {part.name.value: part for part in tree.definitions if isinstance(part, FragmentDefinitionNode)},
        )

    def select(self, name: str | None) -> OperationDefinitionNode:
        """The operation to run. Raises Refused: nothing is run by guessing."""
        if name is None and len(self.operations) == 1:
            return self.operations[0]
        for operation in self.operations:
            if name is not None and operation.name is not None and operation.name.value == name:
                return operation
        if not self.operations:
            raise refusal(400, "The document has no operation.", is_well_formed=True)
        if name is None:
            raise refusal(
                400, "The document has several operations; say which in `operationName`.", is_well_formed=True
            )
        raise refusal(400, "The document has no operation of the name `operationName`.", is_well_formed=True)

    def measure(self, operation: OperationDefinitionNode) -> Measure:
        found = self._measures.get(id(operation))
        if found is None:
            found = self._measures[id(operation)] = measure(operation, self.fragments, self._fragments)
        return found

    def prepared(self, operation: OperationDefinitionNode) -> Prepared:
        """What is compiled for it, kept as long as the document once it came again."""
        found = self._prepared.get(id(operation))
        if found is None:
            found = Prepared(operation)
            self._runs[id(operation)] += 1
            if self._runs[id(operation)] >= KEPT_FROM:
                self._prepared[id(operation)] = found
        return found

    def parts(self) -> Iterator[Measure]:
        """Of all operations, and of the fragments that none of them reaches."""
        for operation in self.operations:
            yield self.measure(operation)
        for name, fragment in self.fragments.items():
            if name not in self._fragments:
                yield measure(fragment, self.fragments, self._fragments)

    def token_count(self) -> int:
        count, token = 0, self.tree.loc.start_token if self.tree.loc else None
        while token is not None:
            count, token = count + 1, token.next
        return count

    def is_batch(self, operation: OperationDefinitionNode) -> bool:
        """Whether this operation carries a batch and does nothing else."""
        return self._batch_fields(operation) is not None

    def longest_list(self, operation: OperationDefinitionNode, limits: Limits) -> int:
        """How many entries its lists may have, of variables and written out."""
        names = self._batch_fields(operation)
        if names is None:
            return limits.max_list_items
        return limits.max_directory_items if "syncDirectory" in names else limits.max_batch_items

    def root_key(self, operation: OperationDefinitionNode) -> str:
        """The name under which the first root field is answered; a subscription has no other."""
        field = next(self._root_fields(operation))
        return (field.alias or field.name).value

    def root_names(self, operation: OperationDefinitionNode) -> frozenset[str]:
        """Of its root fields, without aliases."""
        return frozenset(field.name.value for field in self._root_fields(operation))

    def _batch_fields(self, operation: OperationDefinitionNode) -> frozenset[str] | None:
        """The names of its root fields, when all of them carry a batch."""
        if operation.operation is not OperationType.MUTATION:
            return None
        names = self.root_names(operation)
        return names if names <= BATCH_FIELDS else None

    def _root_fields(self, operation: OperationDefinitionNode) -> Iterator[FieldNode]:
        seen: set[str] = set()
        waiting: list[SelectionSetNode] = [operation.selection_set]
        while waiting:
            inner: list[SelectionSetNode] = []
            for selection in waiting.pop().selections:
                if isinstance(selection, FieldNode):
                    yield selection
                elif not isinstance(selection, FragmentSpreadNode):
                    inner.append(selection.selection_set)  # type: ignore[attr-defined]
                elif selection.name.value in self.fragments and selection.name.value not in seen:
                    seen.add(selection.name.value)
                    inner.append(self.fragments[selection.name.value].selection_set)
            waiting.extend(reversed(inner))
