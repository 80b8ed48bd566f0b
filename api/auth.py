"""Who is calling: a bearer token or an API key is checked here, and nowhere else.

HS256 tokens are signed with this server's own key, RS256 and ES256 tokens with a key that an identity
provider publishes. Each algorithm has its own keys, so a public key can never pass for a secret. A token says
who and where in slugs; what those are today is looked up for every request. A bearer that begins like an API key is
never read as a token.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

import jwt

from api.claims import AuthenticationError, Claims, read_claims, write_claims
from api.published_keys import KeySetError, PublishedKeys
from api.settings import Settings
from api.shared_looks import SharedLooks
from domain.access import Viewer
from domain.api_keys import SECRET_MARK

__all__ = [
    "AuthenticationError",
    "Authenticator",
    "Claims",
    "FindKey",
    "KeySetError",
    "Resolve",
    "find_no_key",
    "issue_token",
]

MAX_TOKEN_CHARACTERS = 8_192
MAX_SIGNED = 2_000
"""Tokens whose claims are kept, a few kB each."""

ANY_TIME = datetime.max.replace(tzinfo=UTC)

OWN_ALGORITHM = "HS256"
PUBLISHED_ALGORITHMS = frozenset({"RS256", "ES256"})


Resolve = Callable[[Claims], Awaitable[Viewer | None]]
"""Finds the company and the offices; None when one of them is not known. Whose token it is makes no difference."""
FindKey = Callable[[str, datetime], Awaitable[Viewer]]
"""Finds whose API key a secret is, at this moment. Raises AuthenticationError."""


async def find_no_key(_secret: str, _now: datetime) -> Viewer:
    raise AuthenticationError("There are no API keys here.")


class _Signed(NamedTuple):
    """What is known of a token that was checked."""

    header: Mapping[str, Any]
    key: Any
    """That it was checked with."""
    claims: Mapping[str, Any]


class Authenticator:
    """Makes a viewer of the `Authorization` header."""

    def __init__(
        self,
        settings: Settings,
        resolve: Resolve,
        *,
        keys: PublishedKeys | None = None,
        find_key: FindKey = find_no_key,
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._find_key = find_key
        self._looks = SharedLooks()
        self._signed: OrderedDict[bytes, _Signed] = OrderedDict()
        """By a token's hash."""
        self._keys = keys or (PublishedKeys(settings.jwks_url) if settings.jwks_url else None)

    async def viewer(self, authorization: str | None, *, now: datetime) -> Viewer:
        """The caller. Raises AuthenticationError, and KeySetError while the issuer's keys cannot be had."""
        bearer = _bearer(authorization)
        if bearer.startswith(SECRET_MARK):
            return await self._find_key(bearer, now)
        claims = read_claims(self._settings, await self._verified(bearer), now=now)
        return _known(await self._resolve(claims))

    async def viewer_again(self, authorization: str | None, *, now: datetime, within: float) -> Viewer:
        """As `viewer`, for connections that last: rows are looked up once in `within` seconds for all who have the same
        company, offices and rights, and for all who come with the same API key."""
        bearer = _bearer(authorization)
        if bearer.startswith(SECRET_MARK):
            return await self._looks.look(bearer, lambda: self._find_key(bearer, now), within=within)
        claims = read_claims(self._settings, await self._verified(bearer), now=now)
        anyone = replace(claims, subject="", name="", expires_at=ANY_TIME)
        viewer = _known(await self._looks.look(anyone, lambda: self._resolve(anyone), within=within))
        return replace(viewer, subject=claims.subject, name=claims.name, expires_at=claims.expires_at)

    async def _verified(self, token: str) -> Mapping[str, Any]:
        """The claims of a token whose signature, issuer and audience are right."""
        try:
            place = blake2b(token.encode(errors="replace"), digest_size=32).digest()
            known = self._signed.get(place)
            header = known.header if known else jwt.get_unverified_header(token)
            algorithm = header.get("alg")
            if algorithm == OWN_ALGORITHM:
                return self._decode_own(token, header, place)
            if self._keys is None or algorithm not in PUBLISHED_ALGORITHMS:
                raise AuthenticationError("This token is signed in a way that is not accepted here.")
            key = await self._keys.find(header.get("kid"), algorithm)
            if key is None:
                raise AuthenticationError("This token is signed with a key that its issuer does not publish.")
            return self._decode(token, header, place, key)
        except jwt.InvalidIssuerError:
            raise AuthenticationError("This token comes from another issuer.") from None
        except jwt.InvalidAudienceError:
            raise AuthenticationError("This token is meant for another audience.") from None
        except jwt.MissingRequiredClaimError as error:
            raise AuthenticationError(f"This token lacks the claim {error.claim}.") from None
        except jwt.InvalidSignatureError:
            raise AuthenticationError("This token's signature is not valid.") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise AuthenticationError("This token is malformed.") from None

    def _decode_own(self, token: str, header: Mapping[str, Any], place: bytes) -> Mapping[str, Any]:
        *others, last = self._settings.signing_keys
        for key in others:
            with suppress(jwt.InvalidSignatureError):
                return self._decode(token, header, place, key)
        return self._decode(token, header, place, last)

    def _decode(self, token: str, header: Mapping[str, Any], place: bytes, key: Any) -> Mapping[str, Any]:
        """What the same key has signed once needs no second look: no more than its claims' times change."""
        known = self._signed.get(place)
        if known is None or known.key != key:
            known = self._signed[place] = _Signed(header, key, self._checked(token, key, header["alg"]))
            if len(self._signed) > MAX_SIGNED:
                self._signed.popitem(last=False)
        return known.claims

    def _checked(self, token: str, key: Any, algorithm: str) -> Mapping[str, Any]:
        audience, issuer = self._settings.token_audience, self._settings.token_issuer
        required = ["exp", *(["aud"] if audience else []), *(["iss"] if issuer else [])]
        # Times are judged in `read_claims`, by the clock that is passed in.
        options: Any = {
            "require": required,
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_sub": False,
            "verify_jti": False,
            "verify_aud": audience is not None,
            "verify_iss": issuer is not None,
        }
        return jwt.decode(token, key, algorithms=[algorithm], options=options, audience=audience, issuer=issuer)


def _known(viewer: Viewer | None) -> Viewer:
    if viewer is None:
        raise AuthenticationError("The company or an office that this token names is not known here.")
    return viewer


def _bearer(authorization: str | None) -> str:
    if not authorization:
        raise AuthenticationError("Send a token: `Authorization: Bearer <token>`.")
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationError("The Authorization header must read `Bearer <token>`.")
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise AuthenticationError(f"This token is longer than {MAX_TOKEN_CHARACTERS} characters.")
    return token


def issue_token(settings: Settings, claims: Claims, *, now: datetime) -> str:
    """A token signed with this server's own key: what `farebox token` prints."""
    return jwt.encode(write_claims(settings, claims, now=now), settings.signing_key, algorithm=OWN_ALGORITHM)
