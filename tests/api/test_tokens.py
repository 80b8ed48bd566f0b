"""Who gets in: one test for each way in which a token can be wrong (R40)."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from api.auth import AuthenticationError, Authenticator, issue_token
from api.claims import read_claims
from api.published_keys import PublishedKeys
from api.settings import Settings
from domain.access import PartnerScope, Role
from tests.api.edge import NOW, SECRET, make_app, make_claims, make_settings, make_token, resolve, without_cost

LATER = NOW + timedelta(hours=1)
PAYLOAD: dict[str, Any] = {
    "sub": "u-1",
    "name": "Front desk",
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
        "/graphql", json={"query": "{ hello }"}, headers={b"Authorization": header.encode("latin-1")}
    )

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_scheme_may_be_written_in_any_case() -> None:
    client = TestClient(make_app(), headers={"Authorization": f"bEARER {make_token()}"})

    answer = client.post("/graphql", json={"query": "{ hello }"}).json()
    assert without_cost(answer) == {"data": {"hello": "Hello, Front desk"}}


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


def test_a_token_that_was_good_is_looked_at_again() -> None:
    """Its signature is remembered, and with which key it was good; not that it was in time."""
    authenticator = Authenticator(make_settings(), resolve)
    token = signed(PAYLOAD)

    def told(token: str, now: Any = NOW) -> str:
        try:
            return asyncio.run(authenticator.viewer(f"Bearer {token}", now=now)).name
        except AuthenticationError as error:
            return str(error)

    assert [told(token), told(token)] == ["Front desk", "Front desk"]
    assert told(token, LATER) == "This token has expired."
    head, payload, signature = token.split(".")
    other = signed({**PAYLOAD, "role": "operator"}).split(".")
    assert told(f"{head}.{other[1]}.{signature}") == "This token's signature is not valid."
    assert told(f"{head}.{payload}.{other[2]}") == "This token's signature is not valid."
    assert told(token) == "Front desk"


def test_a_token_is_good_no_longer_than_its_key() -> None:
    settings = make_settings(previous_secret_key=SECRET, secret_key=SECRET[::-1])
    old = signed(PAYLOAD)
    authenticator = Authenticator(settings, resolve)
    header = f"Bearer {old}"
    assert asyncio.run(authenticator.viewer(header, now=NOW)).name == "Front desk"
    authenticator._settings = make_settings(secret_key=SECRET[::-1])
    with pytest.raises(AuthenticationError, match="signature"):
        asyncio.run(authenticator.viewer(header, now=NOW))
