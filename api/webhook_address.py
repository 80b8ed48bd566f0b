"""Where webhooks may be delivered: nowhere inside (no server-side request forgery), unless the operator allows it.

An address is checked twice. When an endpoint is made, by what is written: `https`, no user, no fragment, no address
or name that can only be inside. At every delivery, by where it leads: the name is resolved here, every address of it
must be public, and the connection goes to one that was checked. Nobody resolves it a second time.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import httpcore2

from domain.errors import InvalidInput

MAX_URL_CHARACTERS = 2_000
_FIELD = ("url",)
_PRINTABLE = re.compile(r"[!-~]+")
_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_INSIDE = ("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa")
"""Ends of names that are nobody's on the internet."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL = tuple(ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20"))
"""Of protocols, not of machines: Teredo and 6to4 lead to whatever IPv4 address is written into them. Not all of these
are special to every Python."""

_LOOKUPS = ThreadPoolExecutor(8, "farebox-names")
"""A look-up blocks its thread for as long as a name server is silent: nobody else waits for these threads."""
CONNECT_SECONDS = 5.0

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, as texts. Raises OSError."""


class PrivateAddress(Exception):
    """The name leads to an address that is not public."""


def check_url(url: str, *, allows_private: bool) -> None:
    """Raises InvalidInput where no endpoint may be; an address inside is only told by what is written."""
    if len(url) > MAX_URL_CHARACTERS or not _PRINTABLE.fullmatch(url):
        raise InvalidInput(f"Write an address of at most {MAX_URL_CHARACTERS} characters.", field=_FIELD)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_port = parts.port != 0
    except ValueError:  # a port or a bracketed host that is none
        raise InvalidInput("This is no address of the web.", field=_FIELD) from None
    if parts.scheme != "https" and not (allows_private and parts.scheme == "http"):
        raise InvalidInput("Messages are sent to https:// addresses only.", field=_FIELD)
    if "@" in parts.netloc or "#" in url or "\\" in url or not is_port:
        raise InvalidInput("Write an address without a user, a password or a fragment.", field=_FIELD)
    _check_host(host, parts, allows_private=allows_private)


def _check_host(host: str, parts: SplitResult, *, allows_private: bool) -> None:
    literal = _literal(host)
    is_bracketed = parts.netloc.startswith("[")
    if literal is None and (is_bracketed or not _NAME.fullmatch(host) or _looks_like_number(host)):
        raise InvalidInput("Name a host, as in https://partner.example/farebox.", field=_FIELD)
    if allows_private:
        return
    if literal is not None and not is_public(literal):
        raise InvalidInput("This address is not public: messages are sent to public ones only.", field=_FIELD)
    if literal is None and ("." not in host or any(f".{host}".endswith(f".{end}") for end in _INSIDE)):
        raise InvalidInput("This name is not public: messages are sent to public ones only.", field=_FIELD)


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _looks_like_number(host: str) -> bool:
    """Whether a resolver may read an IPv4 address into it: 2130706433, 0x7f.1, 0177.0.0.1."""
    return re.fullmatch(r"[0-9]+|0x[0-9a-f]*", host.rpartition(".")[2]) is not None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """On the internet, for everybody, and one machine's; of IPv6, also by the IPv4 address written into it."""
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(address.packed[-4:]))
        if address not in _GLOBAL_UNICAST:
            return False
    is_special = address.is_multicast or address.is_reserved or any(address in network for network in _SPECIAL)
    return address.is_global and not is_special


async def resolve(host: str, port: int) -> Sequence[str]:
    """By the system's resolver, in the order in which it would have them tried."""
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_LOOKUPS, look_up)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to public addresses only. What is above it (TLS, certificates, HTTP) knows the name alone."""

    def __init__(self, resolve: Resolve, *, allows_private: bool) -> None:
        self._resolve = resolve
        self._allows_private = allows_private
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the protocol's own
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises PrivateAddress, OSError where the name does not resolve, what httpcore2 raises else."""
        failure: Exception = httpcore2.ConnectError("The name has no address.")
        for address in await self._addresses(host, port):
            try:
                return await self._network.connect_tcp(address, port, CONNECT_SECONDS, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        """One address that is not public is one too many: the name is not to be trusted."""
        found = [host] if _literal(host) else await self._resolve(host, port)
        if not self._allows_private and not all(is_public(ip_address(address)) for address in found):
            raise PrivateAddress
        return found

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the protocol's own
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise PrivateAddress

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)
