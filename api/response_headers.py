"""Headers that every answer carries: nothing here is for a shared cache, a frame, or the pages of other sites.

`Cross-Origin-Resource-Policy` speaks of images, scripts and the like that a page embeds without asking. A page of an
allowed origin asks, so the strictest value holds for it too.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}
UNLESS_SAID = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
HTTPS_ONLY = "max-age=31536000"
"""A year, in seconds: browsers come by https, whatever a link says."""

STARTS = frozenset({"http.response.start", "websocket.http.response.start"})
"""The second is the answer to a handshake that is refused."""


class SafeHeaders:
    """Middleware. What a route says itself about caching, content and referrers stands."""

    def __init__(self, app: ASGIApp, *, is_https: bool = False) -> None:
        self._app = app
        self._always = ALWAYS | ({"strict-transport-security": HTTPS_ONLY} if is_https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in STARTS:
                headers = MutableHeaders(scope=message)
                headers.update(self._always)
                for name, value in UNLESS_SAID.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send if scope["type"] == "lifespan" else send_with_headers)
