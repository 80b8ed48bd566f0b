"""Which web sites' pages may call from a browser. Other programs send no `Origin`, and are not asked for one.

By HTTP the browser asks (CORS) and keeps answers from pages of other sites. On a WebSocket it asks nothing and only
says where the page is from: there the server itself turns others away. Nothing here is what protects an account: a
call needs a token, which no browser adds by itself.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.settings import Environment, Settings

OPEN_PATHS = ("/graphql", "/exports/")
METHODS = ("GET", "POST")
HEADERS = (
    "Authorization",
    "Content-Type",
    "GraphQL-Client-Name",
    "GraphQL-Client-Version",
    "apollographql-client-name",
    "apollographql-client-version",
)
EXPOSED = ("Retry-After", "Content-Disposition")
ASK_AGAIN_SECONDS = 600


class Origins:
    def __init__(self, settings: Settings) -> None:
        self.allowed = frozenset(settings.allowed_origins)
        self._public = _origin_of(settings.public_url) if settings.public_url else None
        self._is_local = settings.env is Environment.LOCAL

    def admits(self, connection: HTTPConnection) -> bool:
        """Whether its page is one of an allowed site, or of this server's own, or it comes from no page."""
        origin = connection.headers.get("origin", "").lower()
        if not origin or origin in self.allowed or origin == self._public:
            return True
        return self._believes(connection.headers.get("host", "")) and origin in _own(connection)

    def _believes(self, host: str) -> bool:
        """Any name can be made to lead here, so none tells whose page it is once it is known how the server is reached.
        A local run is also reached by addresses and as localhost, which lead nowhere else."""
        return self._public is None or (self._is_local and _is_address(host))


def _origin_of(url: str) -> str:
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc}".removesuffix({"http": ":80", "https": ":443"}[parts.scheme])


def _is_address(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name != "localhost":
            ip_address(name)
    except ValueError:
        return False
    return True


def _own(connection: HTTPConnection) -> set[str]:
    """As the caller reached it. A proxy may have taken off the TLS without telling."""
    host = connection.headers.get("host", "").lower()
    is_safe = connection.scope["scheme"] in {"https", "wss"}
    return {f"https://{host}"} if is_safe else {f"https://{host}", f"http://{host}"}


class Cors:
    """Middleware: the CORS headers for allowed origins, without credentials, where pages have something to fetch.

    Whoever is not allowed is answered as if there were no CORS; so is everybody while no origin is allowed.
    """

    def __init__(self, app: ASGIApp, allowed: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed
        self._cors = CORSMiddleware(
            app,
            allow_origins=allowed,
            allow_methods=METHODS,
            allow_headers=HEADERS,
            expose_headers=EXPOSED,
            max_age=ASK_AGAIN_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._allowed or scope["type"] != "http" or not scope["path"].startswith(OPEN_PATHS):
            await self._app(scope, receive, send)
        elif Headers(scope=scope).get("origin", "") in self._allowed:
            await self._cors(scope, receive, send)
        else:
            await self._app(scope, receive, _varying(send))


def _varying(send: Send) -> Send:
    """No cache may hand one site's answer to another."""

    async def send_with_vary(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).add_vary_header("Origin")
        await send(message)

    return send_with_vary
