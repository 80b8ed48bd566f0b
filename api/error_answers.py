"""What a caller is told about errors of execution, and what only the log is told.

A caller reads what he can act on: his own mistakes, and refusals that the domain put into words. Everything
else is a fault of ours: he gets a number to quote, and the log the traceback under the same number. Of a database
that cannot be used right now the log gets a line, and the caller is told to come again.
"""

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from graphql import ArgumentNode, GraphQLError, ValueNode

from api.refusals import Code
from api.watch import seen
from domain.errors import FareboxError, NotPermitted
from persistence.outages import is_outage, is_overdue, told_briefly
from schema.errors import bad_input_message

logger = logging.getLogger(__name__)


OVERDUE = "The database took too long over this: ask for less at once."


class Incident:
    """The faults of one request, under one number. The number is drawn when the first of them is told."""

    def __init__(self, operation_name: str | None = None) -> None:
        self.operation_name = operation_name
        self._number: str | None = None

    def tell(self, cause: BaseException, path: Sequence[str | int] | None = None) -> dict[str, Any]:
        """Logs the cause and gives the error for the caller, which says nothing of it."""
        self._number = self._number or secrets.token_hex(6)
        place = ".".join(str(part) for part in path or ()) or "-"
        where = (self._number, self.operation_name or "-", place)
        told = {"incident": self._number, "operation": self.operation_name, "field": place}
        seen().incident = self._number
        if is_outage(cause):
            logger.error("Incident %s: operation %s, field %s: %s", *where, told_briefly(cause), extra=told)
            return {
                "message": f"This cannot be done right now: send it again in a moment. Incident {self._number}.",
                "extensions": {"code": Code.SERVICE_UNAVAILABLE, "incident": self._number},
            }
        logger.error("Incident %s: operation %s, field %s", *where, exc_info=cause, extra=told)
        return {
            "message": f"Something went wrong on our side; quote incident {self._number}.",
            "extensions": {"code": Code.INTERNAL_SERVER_ERROR, "incident": self._number},
        }


def answer_errors(errors: Sequence[GraphQLError], incident: Incident, most: int) -> list[dict[str, Any]]:
    """Errors as they leave, each with a code; those beyond `most` do not."""
    if len(errors) > most:
        logger.warning("An operation ended with %d errors; %d are answered", len(errors), most)
    return [_answer(error, incident) for error in errors[:most]]


def request_error(error: GraphQLError, code: Code) -> dict[str, Any]:
    """An error found before anything was executed: all but a few are in the words of graphql-core."""
    shown: dict[str, Any] = {
        **error.formatted,
        "message": bad_input_message(error.message),
        "extensions": {"code": code},
    }
    cause = _cause(error)
    if cause is not None and not isinstance(cause, ValueError | FareboxError):
        # A scalar stumbled over a value; the text of that exception is Python's and not for callers.
        shown["message"] = "A value in the request cannot be read."
    return shown


def _answer(error: GraphQLError, incident: Incident) -> dict[str, Any]:
    if error.path is None:
        return request_error(error, Code.BAD_USER_INPUT)
    cause = _cause(error)
    shown: dict[str, Any] = dict(error.formatted)
    if isinstance(cause, FareboxError):
        code = Code.FORBIDDEN if isinstance(cause, NotPermitted) else Code.BAD_USER_INPUT
        field = {"field": [str(part) for part in cause.field]} if cause.field else {}
        return shown | {"message": cause.message, "extensions": {"code": code, **field}}
    if cause is not None and is_overdue(cause):
        logger.warning("A statement took too long: operation %s", incident.operation_name or "-")
        return shown | {"message": OVERDUE, "extensions": {"code": Code.TIMEOUT}}
    if cause is None and "code" in (error.extensions or {}):
        return shown
    if cause is None and _blames_an_argument(error):
        return shown | {"extensions": {"code": Code.BAD_USER_INPUT}}
    return shown | incident.tell(cause or error, error.path)


def _cause(error: GraphQLError) -> Exception | None:
    """The exception that is not GraphQL's own, however often it was wrapped."""
    inner: BaseException | None = error
    while isinstance(inner, GraphQLError):
        inner = inner.original_error
    return inner if isinstance(inner, Exception) else None


def _blames_an_argument(error: GraphQLError) -> bool:
    """Whether the document's own values are at fault: such errors point at a value, others at the field."""
    return bool(error.nodes) and all(isinstance(node, ArgumentNode | ValueNode) for node in error.nodes or ())
