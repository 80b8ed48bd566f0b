"""Who gets in: one test for each way in which a token can be wrong (R40)."""

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
from starlette.testclient import TestClient

from api.auth import AuthenticationError, Authenticator, KeySetError, issue_token
from api.claims import read_claims
from api.published_keys import PublishedKeys
from api.settings import Settings
from domain.access import PartnerScope, Role
from tests.api.edge import NOW, SECRET, make_app, make_claims, make_client, make_settings, make_token, resolve

LATER = NOW + timedelta(hours=1)
PAYLOAD: dict[str, Any] = {
    "sub": "u-1",
    "name": "Ada",
    "company": "acme",
    "role": "company_admin",
    "exp": int(LATER.timestamp()),
}


def signed(payload: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers=headers)


def enter(token: str | None, settings: Settings | None = None, keys: PublishedKeys | None = None) -> Any:
    authenticator = Authenticator(settings or make_settings(), resolve, keys=keys)
    header = None if token is None else f"Bearer {token}"
    return asyncio.run(authenticator.viewer(header, now=NOW))


def refused(token: str, settings: Settings | None = None, keys: PublishedKeys | None = None) -> str:
    with pytest.raises(AuthenticationError) as caught:
        enter(token, settings, keys)
    assert token not in str(caught.value)
    return str(caught.value)


def test_what_is_issued_is_read_back() -> None:
    settings = make_settings(token_issuer="https://id.example", token_audience="farebox", claim_role="job")
    claims = make_claims(
        role=Role.PARTNER,
        offices=("berlin", "lima"),
        has_billing=True,
        scopes=frozenset({PartnerScope.USAGE_WRITE, PartnerScope.WALLETS_READ}),
        expires_at=LATER,
    )
    token = issue_token(settings, claims, now=NOW)
    payload = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False}, audience="farebox")

    assert payload["job"] == "partner"
    assert payload["offices"] == ["berlin", "lima"]
    assert read_claims(settings, payload, now=NOW) == claims
    assert enter(token, settings).subject == "u-1"


def test_without_a_token_nothing_is_answered() -> None:
    response = TestClient(make_app()).post("/graphql", json={"query": "{ __typename }"})

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert "data" not in response.json()


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic dTpw", "bearer x", "Bearer x.y.z", "Bearer " + "x" * 9_000, "ä"]
)
def test_a_header_that_is_no_token_is_refused(header: str) -> None:
    response = TestClient(make_app()).post(
        "/graphql", json={"query": "{ hello }"}, headers={"Authorization": header.encode("latin-1")}
    )

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_scheme_may_be_written_in_any_case() -> None:
    client = TestClient(make_app(), headers={"Authorization": f"bEARER {make_token()}"})

    assert client.post("/graphql", json={"query": "{ hello }"}).json() == {"data": {"hello": "Hello, Ada"}}


def test_a_token_of_an_unknown_company_is_refused() -> None:
    assert "not known here" in refused(signed(PAYLOAD | {"company": "elsewhere"}))


def test_a_token_signed_with_another_key_is_refused() -> None:
    assert "signature" in refused(signed(PAYLOAD, "another key that is long enough for this algorithm"))


def test_an_altered_token_is_refused() -> None:
    head, body, signature = signed(PAYLOAD).split(".")
    other = signed(PAYLOAD | {"role": "operator"}).split(".")[1]

    assert refused(f"{head}.{other}.{signature}")
    assert refused(f"{head}.{body}.{signature[:-4]}")
    assert refused(f"{head}.{body}.")


def test_a_token_without_a_signature_is_refused() -> None:
    for algorithm in ["none", "None", "NONE", ""]:
        head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).rstrip(b"=")
        body = base64.urlsafe_b64encode(json.dumps(PAYLOAD).encode()).rstrip(b"=")
        assert refused(f"{head.decode()}.{body.decode()}.")


def test_only_the_three_algorithms_are_accepted() -> None:
    for algorithm in ["HS384", "HS512"]:
        assert "not accepted" in refused(signed(PAYLOAD, SECRET * 2, algorithm))


@pytest.mark.parametrize(
    ("change", "blamed"),
    [
        ({"exp": int(NOW.timestamp())}, "expired"),
        ({"exp": int(NOW.timestamp()) - 1}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 10**30}, "exp"),
        ({"nbf": int(LATER.timestamp())}, "not valid yet"),
        ({"nbf": "x"}, "nbf"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": 5}, "sub"),
        ({"sub": "x" * 256}, "sub"),
        ({"name": []}, "name"),
        ({"company": None}, "company"),
        ({"company": 5}, "company"),
        ({"role": None}, "role"),
        ({"role": "COMPANY_ADMIN"}, "role"),
        ({"role": "root"}, "role"),
        ({"role": ["operator"]}, "role"),
        ({"role": "office_admin"}, "offices"),
        ({"offices": "berlin"}, "offices"),
        ({"offices": [5]}, "offices"),
        ({"offices": ["x"] * 1_001}, "offices"),
        ({"billing": "yes"}, "billing"),
        ({"scopes": 5}, "scopes"),
        ({"scopes": [None]}, "scopes"),
    ],
    ids=str,
)
def test_a_claim_that_cannot_be_used_is_named(change: dict[str, Any], blamed: str) -> None:
    assert blamed in refused(signed(PAYLOAD | change))


def test_a_token_must_expire() -> None:
    payload = {name: value for name, value in PAYLOAD.items() if name != "exp"}

    assert "exp" in refused(signed(payload))


def test_an_issuer_whose_clock_runs_a_little_ahead_is_believed() -> None:
    assert enter(signed(PAYLOAD | {"nbf": int(NOW.timestamp()) + 30, "iat": int(NOW.timestamp()) + 30}))


def test_an_operator_needs_no_company() -> None:
    claims = read_claims(make_settings(), {**PAYLOAD, "role": "operator", "company": None}, now=NOW)

    assert claims.company is None


def test_scopes_of_others_are_none_of_ours() -> None:
    payload = PAYLOAD | {"role": "partner", "scopes": "openid usage:write"}

    assert read_claims(make_settings(), payload, now=NOW).scopes == {PartnerScope.USAGE_WRITE}


def test_issuer_and_audience_are_asked_for_when_set() -> None:
    settings = make_settings(token_issuer="https://id.example", token_audience="farebox")
    right = {"iss": "https://id.example", "aud": ["other", "farebox"]}

    assert enter(signed(PAYLOAD | right), settings)
    assert "iss" in refused(signed(PAYLOAD | {"aud": "farebox"}), settings)
    assert "aud" in refused(signed(PAYLOAD | {"iss": "https://id.example"}), settings)
    assert "issuer" in refused(signed(PAYLOAD | right | {"iss": "https://evil.example"}), settings)
    assert "audience" in refused(signed(PAYLOAD | right | {"aud": "other"}), settings)
    assert enter(signed(PAYLOAD | right))


def test_a_token_with_a_critical_extension_is_refused() -> None:
    assert refused(signed(PAYLOAD, crit=["pay"], pay=1))


# --- keys that an identity provider publishes


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

    assert response.json() == {"data": {"hello": "Hello, Ada"}}
