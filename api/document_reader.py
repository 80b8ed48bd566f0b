"""From a text to a document that may run: short enough, parsed, measured, and then validated against the schema.

In this order, because each step costs more than the one before it. Docs: docs/security.md.
"""

import re

import strawberry
from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    MaxIntrospectionDepthRule,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.rules import overlapping_fields_can_be_merged
from graphql.validation.validate import ValidationAbortedError
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api.document import BATCH_FIELDS, Document
from api.error_answers import request_error
from api.limits import Limits
from api.measure import UNCOUNTED, Measure
from api.refusals import Code, Refused, refusal

MERGE_WORK = 20_000
"""What validation may spend on fields that are selected twice, in graphql-core's units: some 50 ms. Its own default is
twenty-five times that; all operations of the product page together need 326."""
overlapping_fields_can_be_merged.MAX_COMPLEXITY_BUDGET = MERGE_WORK

MAX_OPERATIONS = 50
MAX_FRAGMENTS = 100
"""Validation follows the fragments of every operation. The product page has 26 operations, in as many documents."""
MAX_LONG_DOCUMENT_FRAGMENTS = 10
"""A batch that is written out selects little."""
MAX_MEMBERS = 100
"""Of an object in the document: of each that is unknown validation makes an error, and throws nearly all away. No input
of the schema has half as many."""
MAX_VARIABLE_USES = 2_000
"""Over all operations, each as often as its fragment is spread: some 5 ms of validation."""

BATCH_WITHIN_CHARACTERS = 2_000
"""Comments apart: so soon a long document says that it is a batch. Before it no text in quotes may stand."""
COMMENTED_CHARACTERS = 10_000
_COMMENT = re.compile(r"#[^\r\n]*")
_BATCH = re.compile(rf'[\s,\ufeff]*mutation\b[^"{{]*\{{[^"]*?\b(?:{"|".join(sorted(BATCH_FIELDS))})\b')


class DocumentReader:
    """Reads for one schema."""

    def __init__(self, schema: strawberry.Schema, *, limits: Limits, has_introspection: bool) -> None:
        self._schema = schema._schema  # the graphql-core schema has no public name
        self._limits = limits
        rules = [*specified_rules, MaxIntrospectionDepthRule, MaybeNullValidationRule, OneOfInputValidationRule]
        self._rules = rules if has_introspection else [*rules, NoSchemaIntrospectionCustomRule]

    def read(self, text: str, operation_name: str | None) -> tuple[Document, OperationDefinitionNode]:
        """A valid document, and the operation of it that may run. Raises Refused with what is wrong with it."""
        document = self._parse(text)
        operation = self.select(document, operation_name)
        self._refuse_mass(document)
        self._validate(document)
        return document, operation

    def read_all(self, text: str) -> Document:
        """A valid document all of whose operations may run. Raises Refused."""
        document = self._parse(text)
        for operation in document.operations:
            self._refuse_excess(document, operation)
        self._refuse_mass(document)
        self._validate(document)
        return document

    def select(self, document: Document, operation_name: str | None) -> OperationDefinitionNode:
        """The operation to run, if it is not too large. Raises Refused."""
        operation = document.select(operation_name)
        self._refuse_excess(document, operation)
        return operation

    def _parse(self, text: str) -> Document:
        limits = self._limits
        may_be_long = _begins_with_batch(text)
        if len(text) > limits.max_document_characters and not may_be_long:
            raise self._too_long()
        try:
            tree = parse(
                text, max_tokens=limits.max_batch_document_tokens if may_be_long else limits.max_document_tokens
            )
        except GraphQLError as error:
            raise self._refused([error], Code.GRAPHQL_PARSE_FAILED) from None
        except RecursionError:
            raise _too_deep(Code.GRAPHQL_PARSE_FAILED) from None
        document = Document.of(tree)
        is_long = len(text) > limits.max_document_characters or document.token_count() > limits.max_document_tokens
        if is_long and not all(document.is_batch(operation) for operation in document.operations):
            raise self._too_long()
        _refuse_many("operations", len(document.operations), MAX_OPERATIONS)
        fragments = sum(isinstance(part, FragmentDefinitionNode) for part in tree.definitions)
        _refuse_many("fragments", fragments, MAX_LONG_DOCUMENT_FRAGMENTS if is_long else MAX_FRAGMENTS)
        return document

    def _refuse_excess(self, document: Document, operation: OperationDefinitionNode) -> None:
        found = document.measure(operation)
        excess = excess_of(found, self._limits)
        if excess is not None:
            raise refusal(400, excess, Code.QUERY_TOO_COMPLEX, is_well_formed=True)
        most = document.longest_list(operation, self._limits)
        if found.longest_list > most:
            told = f"`{found.list_name}` has {found.longest_list:,} entries in the document; {_allowed(most)}."
            raise refusal(400, told, Code.BAD_USER_INPUT, is_well_formed=True)

    def _refuse_mass(self, document: Document) -> None:
        """What is not asked for is validated too."""
        fields = variables = 0
        for part in document.parts():
            fields, variables = fields + part.fields, variables + part.variables
            if part.most_members > MAX_MEMBERS:
                told = (
                    f"`{part.object_name}` has {part.most_members:,} members in the document; {_allowed(MAX_MEMBERS)}."
                )
                raise refusal(400, told, Code.BAD_USER_INPUT, is_well_formed=True)
        _refuse_many("fields in all its operations", fields, self._limits.max_fields)
        _refuse_many("uses of variables in all its operations", variables, MAX_VARIABLE_USES)

    def _validate(self, document: Document) -> None:
        try:
            errors = validate(
                self._schema,
                document.tree,
                self._rules,
                max_errors=self._limits.max_errors,
                hide_suggestions=True,
            )
        except RecursionError:
            raise _too_deep(Code.GRAPHQL_VALIDATION_FAILED) from None
        if any(isinstance(error, ValidationAbortedError) for error in errors[:1]):
            told = "The document selects the same fields too often, or nests them too deeply."
            raise refusal(400, told, Code.QUERY_TOO_COMPLEX, is_well_formed=True)
        if errors:
            raise self._refused(errors, Code.GRAPHQL_VALIDATION_FAILED)

    def _refused(self, errors: list[GraphQLError], code: Code) -> Refused:
        told = [request_error(error, code) for error in errors[: self._limits.max_errors]]
        return Refused(400, told, is_well_formed=True)

    def _too_long(self) -> Refused:
        characters, tokens = self._limits.max_document_characters, self._limits.max_document_tokens
        return refusal(
            413, f"The document is longer than {characters} characters or {tokens} tokens; put data into variables."
        )


def excess_of(found: Measure, limits: Limits) -> str | None:
    """The first limit that an operation breaks, in a sentence."""
    for number, most, told in (
        (found.depth, limits.max_depth, "is {} deep"),
        (found.introspection_depth, limits.max_introspection_depth, "asks {} deep for the schema"),
        (found.root_fields, limits.max_root_fields, "has {} root fields"),
        (found.aliases, limits.max_aliases, "has {} aliases"),
        (found.directives, limits.max_directives, "has {} directives"),
        (found.fields, limits.max_fields, "selects {} fields, each as often as its fragment is spread"),
        (found.money_mutations, 1, "has {} mutations that move money"),
    ):
        if number > most:
            counted = f"{UNCOUNTED:,} or more" if number >= UNCOUNTED else f"{number:,}"
            allowed = f"{most:,} is allowed" if "deep" in told else _allowed(most)
            return f"The operation {told.format(counted)}; {allowed}."
    return None


def _allowed(most: int) -> str:
    return "1 is allowed" if most == 1 else f"{most:,} are allowed"


def _begins_with_batch(text: str) -> bool:
    """A first look at the words, so that hardly any long text is parsed that could not be run in the end."""
    return _BATCH.match(_COMMENT.sub("", text[:COMMENTED_CHARACTERS])[:BATCH_WITHIN_CHARACTERS]) is not None


def _refuse_many(what: str, number: int, most: int) -> None:
    if number > most:
        counted = f"{UNCOUNTED:,} or more" if number >= UNCOUNTED else f"{number:,}"
        told = f"The document has {counted} {what}; {_allowed(most)}."
        raise refusal(400, told, Code.QUERY_TOO_COMPLEX, is_well_formed=True)


def _too_deep(code: Code) -> Refused:
    return refusal(400, "The document is nested too deeply.", code, is_well_formed=True)
