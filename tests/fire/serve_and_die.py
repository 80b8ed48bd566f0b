"""`farebox serve` that kills itself at a chosen moment: when it comes to one side of a step for one amount of money.

    FIRE_DIES="charge after 1100" python -m tests.fire.serve_and_die --port 8000

Steps: `prepare`, `charge`, `refund`, each `before` or `after` the processor does it, of a payment or refund of so many
cents; `answer before KEY`: what has this idempotency key is done and committed, and nobody is told. The product knows
nothing of all this.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import wiring
from api.cli import app
from api.payments.sandbox import SandboxProcessor


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around(step: Callable[..., Awaitable[Any]], side: str, amount_minor: int) -> Callable[..., Awaitable[Any]]:
    async def dangerous(processor: SandboxProcessor, order: Any, *given: Any) -> Any:
        is_chosen = order.amount_minor == amount_minor
        if is_chosen and side == "before":
            die()
        try:
            return await step(processor, order, *given)
        finally:
            if is_chosen:
                die()

    return dangerous


def unheard(application: ASGIApp, key: bytes) -> ASGIApp:
    """Dies where the answer to a request would leave."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        asked = bytearray()

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and key in asked:
                die()
            await send(message)

        await application(scope, hear, tell)

    return serve


def main() -> None:
    step, side, which = os.environ["FIRE_DIES"].split()
    if step == "answer":
        serve_app = wiring.serve_app
        wiring.serve_app = lambda: unheard(serve_app(), which.encode())  # type: ignore[assignment,misc]
    else:
        setattr(SandboxProcessor, step, around(getattr(SandboxProcessor, step), side, int(which)))
    sys.argv[1:1] = ["serve"]
    app()


if __name__ == "__main__":
    main()
