"""Tokens signed with the keys that an identity provider publishes."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.auth import Authenticator, KeySetError
from api.published_keys import PublishedKeys
from tests.api.edge import NOW, make_client, make_settings, resolve, without_cost
from tests.api.test_tokens import PAYLOAD, enter, refused, signed


class Issuer:
    """An identity provider whose key set is a file, and which counts who comes to read it."""

    def __init__(self) -> None:
        self.rsa = rsa.generate_private_key(65_537, 2_048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.visits = 0
        self.now = 0.0
        self.is_down = False
        self.keys = [self.public("rsa-1", self.rsa), self.public("ec-1", self.ec)]

    @staticmethod
    def public(kid: str | None, key: Any) -> dict[str, Any]:
        algorithm: Any = jwt.algorithms.RSAAlgorithm
        if isinstance(key, ec.EllipticCurvePrivateKey):
            algorithm = jwt.algorithms.ECAlgorithm
        found: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
        return found | {"use": "sig"} | ({"kid": kid} if kid else {})

    def fetch(self, _url: str) -> bytes:
        self.visits += 1
        if self.is_down:
            raise OSError("no route to host")
        return json.dumps({"keys": [*self.keys, {"kty": "unheard of"}, "nonsense"]}).encode()

    def published(self) -> PublishedKeys:
        return PublishedKeys("https://id.example/keys", fetch=self.fetch, clock=lambda: self.now)


@pytest.fixture(scope="module")
def keys() -> Issuer:
    return Issuer()


@pytest.fixture
def issuer(keys: Issuer) -> Issuer:
    keys.visits, keys.now, keys.is_down = 0, 0.0, False
    keys.keys = [keys.public("rsa-1", keys.rsa), keys.public("ec-1", keys.ec)]
    return keys


def test_tokens_with_published_keys_are_accepted(issuer: Issuer) -> None:
    assert enter(signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-1"), keys=issuer.published())
    assert enter(signed(PAYLOAD, issuer.ec, "ES256", kid="ec-1"), keys=issuer.published())
    assert enter(signed(PAYLOAD, issuer.rsa, "RS256"), keys=issuer.published())


def test_the_own_key_goes_on_serving_beside_published_ones(issuer: Issuer) -> None:
    assert enter(signed(PAYLOAD), keys=issuer.published())
    assert issuer.visits == 0


def test_a_published_key_is_no_secret(issuer: Issuer) -> None:
    """The confusion of algorithms: HS256 with the public key as the secret."""
    public = issuer.rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"rsa-1"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(PAYLOAD).encode()).rstrip(b"=")
    mac = hmac.new(public, head + b"." + body, hashlib.sha256).digest()
    token = b".".join([head, body, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()

    assert "signature" in refused(token, keys=issuer.published())


def test_a_key_serves_its_own_algorithm_alone(issuer: Issuer) -> None:
    assert "does not publish" in refused(signed(PAYLOAD, issuer.rsa, "RS256", kid="ec-1"), keys=issuer.published())
    assert "not accepted" in refused(signed(PAYLOAD, issuer.rsa, "RS512", kid="rsa-1"), keys=issuer.published())
    assert "not accepted" in refused(signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-1"))


def test_a_symmetric_or_an_encryption_key_in_the_set_is_not_used(issuer: Issuer) -> None:
    secret = base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")
    issuer.keys = [
        {"kty": "oct", "k": secret, "kid": "oct-1", "alg": "RS256"},
        issuer.public("rsa-1", issuer.rsa) | {"use": "enc"},
    ]

    assert refused(signed(PAYLOAD, "x" * 32, "HS256", kid="oct-1"), keys=issuer.published())
    assert refused(signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-1"), keys=issuer.published())


def test_a_new_key_is_found_and_made_up_ones_cost_one_visit_a_minute(issuer: Issuer) -> None:
    published = issuer.published()
    token = signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-2")
    for _ in range(20):
        refused(token, keys=published)
    assert issuer.visits == 1

    issuer.keys.append(issuer.public("rsa-2", issuer.rsa))
    issuer.now = 61.0
    assert enter(token, keys=published)
    assert issuer.visits == 2


def test_keys_are_kept_and_read_again_after_a_while(issuer: Issuer) -> None:
    published = issuer.published()
    token = signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-1")
    for now in [0.0, 1.0, 599.0]:
        issuer.now = now
        assert enter(token, keys=published)
    assert issuer.visits == 1

    issuer.now, issuer.keys = 601.0, []
    assert refused(token, keys=published)
    assert issuer.visits == 2


def test_the_last_keys_serve_while_the_issuer_is_away(issuer: Issuer) -> None:
    published = issuer.published()
    token = signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-1")
    assert enter(token, keys=published)

    issuer.is_down, issuer.now = True, 700.0
    assert enter(token, keys=published)


def test_without_any_keys_the_token_is_not_judged(issuer: Issuer) -> None:
    issuer.is_down = True
    with pytest.raises(KeySetError):
        enter(signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-1"), keys=issuer.published())


def test_many_callers_at_once_fetch_the_keys_once(issuer: Issuer) -> None:
    async def all_at_once() -> list[Any]:
        authenticator = Authenticator(make_settings(), resolve, keys=issuer.published())
        header = "Bearer " + signed(PAYLOAD, issuer.rsa, "RS256", kid="rsa-1")
        return await asyncio.gather(*(authenticator.viewer(header, now=NOW) for _ in range(10)))

    assert len(asyncio.run(all_at_once())) == 10
    assert issuer.visits == 1


@pytest.mark.parametrize("write", [lambda _: None, lambda path: path.write_text("nonsense")])
def test_a_key_set_that_cannot_be_read_is_answered_503(tmp_path: Path, write: Callable[[Path], Any]) -> None:
    path = tmp_path / "keys.json"
    write(path)
    client = make_client(make_settings(jwks_url=path.as_uri()))
    token = signed(PAYLOAD, rsa.generate_private_key(65_537, 2_048), "RS256", kid="rsa-1")

    response = client.post("/graphql", json={"query": "{ hello }"}, headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


def test_a_key_set_in_a_file_is_read(tmp_path: Path, issuer: Issuer) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(issuer.fetch(""))
    client = make_client(make_settings(jwks_url=path.as_uri()))
    exp = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    token = signed(PAYLOAD | {"exp": exp}, issuer.ec, "ES256", kid="ec-1")

    response = client.post("/graphql", json={"query": "{ hello }"}, headers={"Authorization": f"Bearer {token}"})

    assert without_cost(response.json()) == {"data": {"hello": "Hello, Front desk"}}
