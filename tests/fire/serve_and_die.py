"""`farebox serve` that kills itself at a chosen moment: the nth time it comes to one side of a step.

    FIRE_DIES="charge after 2" python -m tests.fire.serve_and_die --port 8000

Steps: `prepare`, `charge`, `refund`, each `before` or `after` the processor does it; `answer before`: a mutation named
in FIRE_ANSWER is done and committed, and nobody is told. Nothing of this is known to the product.
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


class Fuse:
    """Burns down with every pass."""

    def __init__(self, length: int) -> None:
        self._left = length

    def burn(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def around(step: Callable[..., Awaitable[Any]], side: str, fuse: Fuse) -> Callable[..., Awaitable[Any]]:
    async def dangerous(*given: Any) -> Any:
        if side == "before":
            fuse.burn()
        try:
            return await step(*given)
        finally:
            if side == "after":
                fuse.burn()

    return dangerous


def unheard(application: ASGIApp, mutation: bytes, fuse: Fuse) -> ASGIApp:
    """Dies where the answer to a mutation would leave."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        asked = bytearray()

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and mutation in asked:
                fuse.burn()
            await send(message)

        await application(scope, hear, tell)

    return serve


def main() -> None:
    step, side, length = os.environ["FIRE_DIES"].split()
    fuse = Fuse(int(length))
    if step == "answer":
        mutation, serve_app = os.environ["FIRE_ANSWER"].encode(), wiring.serve_app
        wiring.serve_app = lambda: unheard(serve_app(), mutation, fuse)  # type: ignore[assignment,misc,return-value]
    else:
        setattr(SandboxProcessor, step, around(getattr(SandboxProcessor, step), side, fuse))
    sys.argv[1:1] = ["serve"]
    app()


if __name__ == "__main__":
    main()
