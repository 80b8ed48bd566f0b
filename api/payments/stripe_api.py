"""Stripe's API through its official SDK, off the event loop, with the one distinction that matters here.

Whatever leaves open what became of a request is ProcessorUnavailable: no connection, no answer in time, 5xx, 409, 429,
and keys that Stripe does not take. What Stripe did answer (a declined card, a request it refuses) stays its own error.
"""

import asyncio
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

    async def call(self, function: Callable[..., T], *given: Any, **named: Any) -> T:
        """Raises ProcessorUnavailable, stripe.CardError, stripe.InvalidRequestError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, partial(function, *given, **named))
        except (stripe.CardError, stripe.InvalidRequestError):
            raise
        except (stripe.AuthenticationError, stripe.PermissionError) as error:
            logger.error("Stripe does not take this API key for what is asked (%s).", error.http_status)
            raise ProcessorUnavailable("Stripe does not take the API key.") from error
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

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()
