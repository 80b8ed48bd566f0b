"""How uvicorn is told to serve: with our two protocols, which keep every peer within bounds and know the line to it.

uvicorn itself waits for every open answer before it stops, and closing a connection waits until the peer has
read what was sent: both could last for ever.
"""

import resource
from functools import partial
from typing import Any

from api.http_line import RESERVED_CONNECTIONS, HttpLine
from api.limits import Limits
from api.put_off import PutOff
from api.socket_line import SocketLine

TOLERANCE = 2
"""A message of a socket that is larger than allowed is refused with a sentence; from so many times that on, without."""
STOP_SECONDS = 30
"""For requests that are being answered when the server is told to stop."""
SPARE_FILES = 100 + RESERVED_CONNECTIONS
"""For the database, downloads and logs."""


def options(limits: Limits) -> dict[str, Any]:
    """For uvicorn. Each process may open as many files as that takes, or takes fewer connections."""
    most = min(limits.max_connections, max(open_files(limits.max_connections + SPARE_FILES) - SPARE_FILES, 1))
    seconds = limits.request_seconds
    return {
        "http": partial(HttpLine, request_seconds=seconds, max_connections=most, put_off=PutOff()),
        "ws": partial(SocketLine, request_seconds=seconds),
        "ws_max_size": TOLERANCE * limits.max_message_bytes,
        "ws_per_message_deflate": False,  # 50 kB a socket, for messages of a few hundred bytes
        "ws_ping_interval": None,  # sockets ping in the words of their protocol
        "timeout_graceful_shutdown": STOP_SECONDS,
        "server_header": False,
    }


def open_files(wanted: int) -> int:
    """How many this process may have open, raised as far as `wanted` where that is allowed; its children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
