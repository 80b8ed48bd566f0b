"""Nothing inside is reached by a webhook: neither by what is written nor by where a name leads."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.clock import utc_now
from api.webhook_address import check_url, is_public, resolve
from api.webhook_sender import Message, Outcome, Sender
from domain.errors import InvalidInput
from tests.partners import new_secret
from tests.receiver import Answer, Receiver, receiving

PUBLIC = "93.184.216.34"
NOT_PUBLIC = "The name leads to an address that is not public."

REFUSED = """
http://partner.example/hook
ftp://partner.example/hook
//partner.example/hook
partner.example/hook
https://
https:///hook
https://user@partner.example/
https://user:password@partner.example/
https://@partner.example/
https://partner.example/#part
https://partner.example/#
https://partner.example:0/
https://partner.example:port/
https://partner.example:99999/
https://partner.example\\@127.0.0.1/
https://127.0.0.1/
https://127.1/
https://127.0.1/
https://2130706433/
https://0x7f000001/
https://0x7f.0.0.1/
https://0177.0.0.1/
https://127.0.0.0x1/
https://0/
https://0.0.0.0/
https://10.0.0.1/
https://172.16.0.1/
https://192.168.1.1/
https://169.254.169.254/latest/meta-data/
https://100.64.0.1/
https://192.0.0.8/
https://192.88.99.1/
https://198.18.0.1/
https://203.0.113.5/
https://224.0.0.1/
https://240.0.0.1/
https://255.255.255.255/
https://[::]/
https://[::1]/
https://[::127.0.0.1]/
https://[::ffff:127.0.0.1]/
https://[::ffff:10.0.0.1]/
https://[::ffff:7f00:1]/
https://[64:ff9b::127.0.0.1]/
https://[64:ff9b::a9fe:a9fe]/
https://[64:ff9b:1::1]/
https://[2002:7f00:1::]/
https://[2002:0a00:0001::1]/
https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/
https://[2001:db8::1]/
https://[3fff::1]/
https://[5f00::1]/
https://[100::1]/
https://[fc00::1]/
https://[fd12:3456::1]/
https://[fe80::1]/
https://[fe80::1%25eth0]/
https://[2606:2800:220:1::1%25eth0]/
https://[fec0::1]/
https://[ff02::1]/
https://[v1.fe80::1]/
https://[partner.example]/
https://localhost/
https://localhost./
https://LOCALHOST/
https://api.localhost/
https://partner.example./
https://intranet/
https://db.internal/
https://printer.local/
https://nas.lan/
https://router.home.arpa/
https://127%2e0%2e0%2e1/
https://%6c%6f%63%61%6c%68%6f%73%74/
https://１２７.0.0.1/
https://partner..example/
https://-partner.example/
https://partner.example /
"""

TAKEN = f"""
https://partner.example/hook
https://partner.example
https://PARTNER.example/Hook?key=a%20b
https://partner.example:8443/hook
https://hooks.partner-site.example/a/b/c;d=e
https://xn--bcher-kva.example/
https://{PUBLIC}/hook
https://{PUBLIC}:8443/
https://[2606:2800:220:1:248:1893:25c8:1946]/hook
https://[64:ff9b::5db8:d822]/hook
https://local.example/
"""


@pytest.mark.parametrize("url", REFUSED.strip().splitlines())
def test_no_endpoint_may_be_at(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_url(url, allows_private=False)
    assert caught.value.field == ("url",)


@pytest.mark.parametrize("url", TAKEN.strip().splitlines())
def test_an_endpoint_may_be_at(url: str) -> None:
    check_url(url, allows_private=False)


def test_an_address_is_not_longer_than_it_may_be() -> None:
    url = "https://partner.example/" + "a" * 1_976
    check_url(url, allows_private=False)
    with pytest.raises(InvalidInput, match="2000 characters"):
        check_url(f"{url}a", allows_private=False)


@pytest.mark.parametrize("url", ["http://localhost:9000/", "http://127.0.0.1/", "https://10.0.0.1/", "http://[::1]:1/"])
def test_the_operator_may_allow_what_is_inside(url: str) -> None:
    check_url(url, allows_private=True)


@pytest.mark.parametrize(
    "url", ["http://u@localhost/", "http://localhost/#a", "gopher://localhost/", "http://0x7f.1/", "http://a b/"]
)
def test_but_never_what_can_be_read_in_two_ways(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_url(url, allows_private=True)


@pytest.mark.parametrize("text", ["8.8.8.8", PUBLIC, "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses(text: str) -> None:
    assert is_public(ip_address(text))


# ---------- where a name leads ----------


def leads_to(*addresses: Sequence[str]) -> "Names":
    return Names(addresses)


class Names:
    """A name server of our own; asked again, it gives its next answer, and the last one from then on."""

    def __init__(self, answers: Sequence[Sequence[str]]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@asynccontextmanager
async def sender(names: Names | None = None, **given: object) -> AsyncIterator[Sender]:
    sender = Sender(names or resolve, **{"allows_private": False, "attempt_seconds": 5, **given})  # type: ignore[arg-type]
    yield sender
    await sender.close()


async def post(sender: Sender, url: str) -> Outcome:
    return await sender.send(Message(UUID(int=1), "{}", url, [new_secret()]), utc_now())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("::1",), ("::ffff:127.0.0.1",), ("169.254.169.254",), ("10.1.2.3",), (PUBLIC, "127.0.0.1")],
    ids=str,
)
async def test_a_name_with_an_address_inside_is_never_connected_to(
    receiver: Receiver, addresses: tuple[str, ...]
) -> None:
    async with sender(leads_to(addresses)) as it:
        outcome = await post(it, f"http://partner.example:{receiver.port}/hook")
    assert outcome == Outcome(None, NOT_PUBLIC)
    assert receiver.received == []


async def test_an_address_inside_that_came_into_the_database_anyhow_is_not_connected_to(receiver: Receiver) -> None:
    async with sender() as it:
        for url in (receiver.url(), f"http://localhost:{receiver.port}/", f"http://2130706433:{receiver.port}/"):
            assert await post(it, url) == Outcome(None, NOT_PUBLIC)
    assert receiver.received == []


async def test_a_name_is_asked_for_once_and_the_answer_that_was_checked_is_connected_to(receiver: Receiver) -> None:
    """A name server that first gives an allowed address and then another one gains nothing."""
    names = leads_to(["127.0.0.1"], ["127.0.0.2"])
    async with sender(names, allows_private=True) as it:
        assert await post(it, f"http://partner.example:{receiver.port}/hook") == Outcome(200, None)
    assert names.asked == [("partner.example", receiver.port)]
    [received] = receiver.received
    assert received.headers["host"] == f"partner.example:{receiver.port}"


async def test_every_attempt_checks_anew(receiver: Receiver) -> None:
    names = leads_to(["127.0.0.2"], ["127.0.0.1"])
    async with sender(names, allows_private=True) as it:
        first = await post(it, f"http://partner.example:{receiver.port}/hook")
        assert first.problem == "No connection could be made."
        assert await post(it, f"http://partner.example:{receiver.port}/hook") == Outcome(200, None)
    assert len(names.asked) == 2


async def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Receiver) -> None:
    async with sender(leads_to(["::1", "127.0.0.1"]), allows_private=True) as it:
        assert await post(it, f"http://partner.example:{receiver.port}/") == Outcome(200, None)


async def test_redirects_lead_nowhere(receiver: Receiver) -> None:
    receiver.will_answer(*(Answer(status, {"location": receiver.url("/inside")}) for status in (301, 302, 307, 308)))
    async with sender(allows_private=True) as it:
        for status in (301, 302, 307, 308):
            outcome = await post(it, receiver.url())
            assert outcome == Outcome(status, f"Answered with {status}: redirects are not followed.")
    assert set(receiver.paths) == {"/hook"}


async def test_proxies_of_the_environment_are_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with sender(allows_private=True) as it:
        assert (await post(it, receiver.url())).status == 200


async def test_a_name_that_does_not_resolve_and_a_port_where_nobody_listens() -> None:
    async def nobody(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    async with sender(allows_private=True) as it:
        assert (await post(it, "http://127.0.0.1:9/")).problem == "No connection could be made."
    unknown = Sender(nobody, allows_private=True)
    assert (await post(unknown, "http://partner.example/")).problem == "The name does not resolve."


async def test_the_system_s_resolver_gives_every_address_once() -> None:
    found = await resolve("localhost", 80)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(set(found)) == len(found) > 0


# ---------- certificates ----------


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server with this name, and one that trusts nothing else."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate"
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
    path.write_bytes(made.public_bytes(encoding) + private)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    return serving, ssl.create_default_context(cadata=made.public_bytes(encoding).decode())


@asynccontextmanager
async def tls_receiver(serving: ssl.SSLContext) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_the_certificate_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    serving, trusting = certificate(tmp_path, "partner.example")
    names = leads_to(["127.0.0.1"])
    async with tls_receiver(serving) as port, sender(names, allows_private=True, verifies_with=trusting) as it:
        assert await post(it, f"https://partner.example:{port}/") == Outcome(204, None)
        outcome = await post(it, f"https://impostor.example:{port}/")
        assert outcome.status is None
        assert outcome.problem is not None
        assert outcome.problem.startswith("The certificate is not trusted: Hostname mismatch")
    async with tls_receiver(serving) as port, sender(names, allows_private=True) as it:
        outcome = await post(it, f"https://partner.example:{port}/")
        assert outcome.problem == "The certificate is not trusted: self-signed certificate."
