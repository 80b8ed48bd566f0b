"""GraphQL documents, parsed and validated once and then remembered by their text.

A client sends the same few documents over and over. What is kept is bounded by the length of all texts
together, because a tree weighs some fifty times its text.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.error_answers import request_error
from api.refusals import MAX_ERRORS, Code, Refused, refusal

MAX_DOCUMENT_CHARACTERS = 20_000
MAX_DOCUMENT_TOKENS = 2_000
MAX_LARGE_DOCUMENT_TOKENS = 10_000
MAX_KEPT_CHARACTERS = 1_000_000

LARGE_FIELDS = frozenset({"recordUsage", "syncDirectory"})
"""Mutations that carry a batch, in the variables or written out in the document."""


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document."""

    tree: DocumentNode
    operations: tuple[OperationDefinitionNode, ...]
    fragments: Mapping[str, FragmentDefinitionNode]

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

    def is_batch(self, operation: OperationDefinitionNode) -> bool:
        """Whether this operation carries a batch and does nothing else. Asked before validation too."""
        if operation.operation is not OperationType.MUTATION:
            return False
        return all(field.name.value in LARGE_FIELDS for field in self._root_fields(operation.selection_set, set()))

    def root_key(self, operation: OperationDefinitionNode) -> str:
        """The name under which the first root field is answered; a subscription has no other."""
        field = next(self._root_fields(operation.selection_set, set()))
        return (field.alias or field.name).value

    def _root_fields(self, selections: SelectionSetNode, seen: set[str]) -> Iterator[FieldNode]:
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments.get(selection.name.value)
                if fragment is not None and fragment.name.value not in seen:
                    seen.add(fragment.name.value)
                    yield from self._root_fields(fragment.selection_set, seen)
            else:
                yield from self._root_fields(selection.selection_set, seen)  # type: ignore[attr-defined]


class Documents:
    """The documents of one schema."""

    def __init__(self, schema: strawberry.Schema, *, has_introspection: bool) -> None:
        self._schema = schema._schema  # the graphql-core schema has no public name
        rules = [*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule]
        self._rules = rules if has_introspection else [*rules, NoSchemaIntrospectionCustomRule]
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._kept_characters = 0

    def find(self, text: str) -> Document:
        """The document, parsed and validated. Raises Refused with what is wrong with it."""
        document = self._kept.get(text)
        if document is not None:
            self._kept.move_to_end(text)
            return document
        document = self._read(text)
        if len(text) <= MAX_DOCUMENT_CHARACTERS:
            self._keep(text, document)
        return document

    def _keep(self, text: str, document: Document) -> None:
        self._kept[text] = document
        self._kept_characters += len(text)
        while self._kept_characters > MAX_KEPT_CHARACTERS:
            oldest, _ = self._kept.popitem(last=False)
            self._kept_characters -= len(oldest)

    def _read(self, text: str) -> Document:
        # A first look at the words, so that no long text is parsed that could not be run in the end.
        names_batch = any(field in text for field in LARGE_FIELDS)
        if len(text) > MAX_DOCUMENT_CHARACTERS and not names_batch:
            raise _too_long()
        document = _parse(text, MAX_LARGE_DOCUMENT_TOKENS if names_batch else MAX_DOCUMENT_TOKENS)
        is_long = len(text) > MAX_DOCUMENT_CHARACTERS or _token_count(document.tree) > MAX_DOCUMENT_TOKENS
        if is_long and not all(document.is_batch(operation) for operation in document.operations):
            raise _too_long()
        try:
            errors = validate(self._schema, document.tree, self._rules, max_errors=MAX_ERRORS, hide_suggestions=True)
        except RecursionError:
            raise _too_deep(Code.GRAPHQL_VALIDATION_FAILED) from None
        if errors:
            raise _refused(errors, Code.GRAPHQL_VALIDATION_FAILED)
        return document


def _parse(text: str, max_tokens: int) -> Document:
    try:
        tree = parse(text, max_tokens=max_tokens)
    except GraphQLError as error:
        raise _refused([error], Code.GRAPHQL_PARSE_FAILED) from None
    except RecursionError:
        raise _too_deep(Code.GRAPHQL_PARSE_FAILED) from None
    return Document(
        tree,
        tuple(part for part in tree.definitions if isinstance(part, OperationDefinitionNode)),
        {part.name.value: part for part in tree.definitions if isinstance(part, FragmentDefinitionNode)},
    )


def _token_count(tree: DocumentNode) -> int:
    count, token = 0, tree.loc.start_token if tree.loc else None
    while token is not None:
        count, token = count + 1, token.next
    return count


def _too_deep(code: Code) -> Refused:
    return refusal(400, "The document is nested too deeply.", code, is_well_formed=True)


def _too_long() -> Refused:
    return refusal(
        413,
        f"The document is longer than {MAX_DOCUMENT_CHARACTERS} characters or {MAX_DOCUMENT_TOKENS} tokens;"
        " put data into variables.",
    )


def _refused(errors: list[GraphQLError], code: Code) -> Refused:
    return Refused(400, [request_error(error, code) for error in errors], is_well_formed=True)
