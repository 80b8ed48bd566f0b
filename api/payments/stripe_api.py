"""Stripe's API through its official SDK, off the event loop, with the one distinction that matters here.

Whatever leaves open what became of a request is ProcessorUnavailable: no connection, no answer in time, 5xx, 409, 429.
So is what only the operator can mend: a key that Stripe does not take, an account that is not activated. What Stripe
did answer (a declined card, a request it refuses) stays its own error.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import requests
import stripe
from requests.adapters import HTTPAdapter

from domain.payments import ProcessorUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

THREADS = 8
"""Calls at a time: a Stripe that hangs holds these and nothing else."""
_OF_THE_OPERATOR = frozenset(
    {"api_key_expired", "livemode_mismatch", "platform_api_key_expired", "secret_key_required", "testmode_charges_only"}
)
"""Codes of errors (https://docs.stripe.com/error-codes) that are about our key or account, not about what is asked."""
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0


class StripeApi:
    """`base`: where the API is reached; None: at Stripe."""

    def __init__(self, api_key: str, *, base: str | None, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._is_elsewhere = base is not None
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=THREADS))
        self.client = stripe.StripeClient(
            api_key,
            base_addresses={"api": base} if base else {},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, answer_seconds), session=self._session),
        )
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="stripe")
        self._told: set[int | None] = set()

    async def call(self, function: Callable[..., T], *given: Any, **named: Any) -> T:
        """Raises ProcessorUnavailable, stripe.CardError, stripe.InvalidRequestError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, partial(function, *given, **named))
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            if error.code not in _OF_THE_OPERATOR:
                raise
            raise self._not_taken(error) from error
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            raise self._not_taken(error) from error
        except stripe.StripeError as error:
            logger.warning("Stripe did not answer: %s, HTTP %s.", type(error).__name__, error.http_status)
            raise ProcessorUnavailable("Stripe did not answer.") from error

    async def call_knowing(self, function: Callable[..., T], *given: Any, params: Any, more: Any, **named: Any) -> T:
        """With `more` parameters, or without them where they are not known: at a look-alike of Stripe.

        Nothing was done when a parameter is refused, so the request may be sent again. Stripe itself knows them all.
        """
        try:
            return await self.call(function, *given, params={**params, **more}, **named)
        except stripe.InvalidRequestError as error:
            if not more or not self._is_elsewhere or not str(error.user_message or "").startswith("Unexpected "):
                raise
            return await self.call(function, *given, params=params, **named)

    def _not_taken(self, error: stripe.StripeError) -> ProcessorUnavailable:
        """Told once a status: until somebody mends it, every top-up in flight comes by here again and again."""
        if error.http_status not in self._told:
            self._told.add(error.http_status)
            logger.error("Stripe does not take this API key for what is asked (%s).", error.http_status)
        return ProcessorUnavailable("Stripe does not take the API key.")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()


def key_of(mark: str, *params: dict[str, Any]) -> str:
    """An idempotency key for these parameters only: Stripe refuses one that comes back with others, and an office may
    be renamed between a request and its repeat."""
    text = json.dumps(params, sort_keys=True)
    return f"{mark}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
