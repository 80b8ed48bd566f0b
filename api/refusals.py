"""The ways in which a request ends before anything is executed, each with its status and code.

A refusal is always a GraphQL error body, also where the status alone would do: a client parses one thing.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson
from starlette.responses import Response

from api.negotiation import JSON


class Code(StrEnum):
    """`extensions.code` of every top-level error."""

    GRAPHQL_PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    GRAPHQL_VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    THROTTLED = "THROTTLED"
    TIMEOUT = "TIMEOUT"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    INTERNAL_SERVER_ERROR = "INTERNAL_SERVER_ERROR"


class Refused(Exception):
    """The request is answered with errors alone.

    `is_well_formed`: HTTP and JSON were right and only the GraphQL in it was not; then a caller who reads
    `application/json` is answered 200. `extensions`: what is told beside the errors.
    """

    def __init__(
        self,
        status: int,
        errors: Sequence[Mapping[str, Any]],
        *,
        headers: Mapping[str, str] | None = None,
        is_well_formed: bool = False,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status)
        self.status = status
        self.errors = errors
        self.headers = headers
        self.is_well_formed = is_well_formed
        self.extensions = extensions or {}

    @property
    def lone_errors(self) -> Sequence[Mapping[str, Any]]:
        """For where nothing can stand beside them: the first of them tells the extensions too."""
        if not self.extensions:
            return self.errors
        first, *others = self.errors
        return [{**first, "extensions": {**first["extensions"], **self.extensions}}, *others]

    def response(self, media_type: str) -> Response:
        status = 200 if self.is_well_formed and media_type == JSON else self.status
        body = {"errors": self.errors} | ({"extensions": self.extensions} if self.extensions else {})
        return json_response(body, media_type, status=status, headers=self.headers)


def refusal(
    status: int,
    message: str,
    code: Code = Code.BAD_REQUEST,
    *,
    headers: Mapping[str, str] | None = None,
    is_well_formed: bool = False,
) -> Refused:
    """A refusal for one reason, which no place in the document is to blame for."""
    error = {"message": message, "extensions": {"code": code}}
    return Refused(status, [error], headers=headers, is_well_formed=is_well_formed)


def json_response(
    body: Mapping[str, Any], media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Raises orjson.JSONEncodeError when the body is nested deeper than JSON is written here (254 levels)."""
    return raw_response(orjson.dumps(body), media_type, status=status, headers=headers)


def raw_response(
    body: bytes, media_type: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`body` is JSON already."""
    response = Response(body, status, headers)
    response.headers["content-type"] = f"{media_type}; charset=utf-8"
    return response
