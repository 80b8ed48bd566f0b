"""Errors of all addresses but `/graphql`, which has a form of its own: JSON with `status` and `reason`.

None of them shows what went wrong inside: the log has it under the number that is told.
"""

import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.error_answers import Incident
from persistence.outages import MAY_BE_OUTAGES, is_outage, told_briefly

logger = logging.getLogger(__name__)


async def _nothing_here(_request: Request, error: HTTPException) -> Response:
    """Where there is no route, or none for this method."""
    reason = "There is nothing at this address." if error.status_code == 404 else f"{error.detail}."
    return JSONResponse({"status": error.detail.lower(), "reason": reason}, error.status_code, error.headers)


async def _broken(_request: Request, error: Exception) -> Response:
    return JSONResponse({"status": "broken", "reason": Incident().tell(error)["message"]}, 500)


async def _unavailable(request: Request, error: Exception) -> Response:
    """Of a page or a webhook while the database cannot be used; whoever called may come again."""
    if not is_outage(error):
        raise error
    logger.error("%s %s: %s", request.method, request.url.path.rpartition("/")[0], told_briefly(error))
    reason = "The database cannot be used right now."
    return JSONResponse({"status": "unavailable", "reason": reason}, 503, {"Retry-After": "5"})


HANDLERS: dict[Any, Any] = {
    **dict.fromkeys(MAY_BE_OUTAGES, _unavailable),
    HTTPException: _nothing_here,
    Exception: _broken,
}
