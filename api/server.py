"""uvicorn's server, stopped as an orchestrator needs it.

The first SIGTERM: `/readyz` says no, so that nobody is sent here any more; after a while the door is closed, and what
has begun is finished. The second signal ends the process at once, as `kill -9` would: the books stand that. A process
that finished what it began exits with 0.
"""

import asyncio
import os
import signal
import socket
import sys
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from api.line import STOPPING


def run(app: str, *, workers: int, drain_seconds: float, **options: Any) -> None:
    """Returns when it was told to stop. Of several processes uvicorn is the supervisor: it knows no draining, and of a
    second signal only Ctrl-C."""
    if workers > 1:
        uvicorn.run(app, workers=workers, **options)
        return
    config = uvicorn.Config(app, **options)
    config.load_app()
    server = Server(config, drain_seconds=drain_seconds)
    server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._is_drained = drain_seconds == 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike uvicorn's, keeps no note of the signal: it would raise it again at the end, and so die of it."""
        if self.should_exit:
            os._exit(128 + sig)
        self.should_exit = True
        self._is_drained |= sig == signal.SIGINT  # somebody sits there and waits

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[STOPPING] = True
        if not self._is_drained:
            await asyncio.sleep(self._drain_seconds)
        await super().shutdown(sockets)
