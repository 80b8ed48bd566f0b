"""What a token says about its bearer, under the claim names that the settings give.

Checked for form alone. Whether the company and its offices exist is found out afterwards; a claim that could
widen what the bearer sees is never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from api.settings import Settings
from domain.access import PartnerScope, Role

MAX_CLAIM_CHARACTERS = 255
MAX_OFFICES = 1_000
CLOCK_SKEW = timedelta(seconds=60)
"""How far an issuer's clock may run ahead. An expiry is taken at its word."""


class AuthenticationError(Exception):
    """The caller did not prove who he is. The text never quotes the token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The bearer in slugs, as the token has him."""

    subject: str
    name: str
    company: str | None
    """A slug. None only for an operator."""
    role: Role
    offices: tuple[str, ...] | None
    """Slugs. None: the token does not narrow to offices."""
    has_billing: bool
    scopes: frozenset[PartnerScope]
    expires_at: datetime


def read_claims(settings: Settings, payload: Mapping[str, Any], *, now: datetime) -> Claims:
    """The claims under the names that the settings give them. Raises AuthenticationError."""
    expires_at = _moment(payload, "exp")
    if expires_at <= now:
        raise AuthenticationError("This token has expired.")
    if payload.get("nbf") is not None and _moment(payload, "nbf") > now + CLOCK_SKEW:
        raise AuthenticationError("This token is not valid yet.")
    subject = _text(payload, settings.claim_subject)
    role = _role(payload, settings.claim_role)
    company, offices = payload.get(settings.claim_company), payload.get(settings.claim_offices)
    if company is None and role is not Role.OPERATOR:
        raise AuthenticationError(f"This token lacks the claim {settings.claim_company}.")
    if offices is None and role is Role.OFFICE_ADMIN:
        # Without this an office admin whose offices were forgotten would see them all.
        raise AuthenticationError(f"This token lacks the claim {settings.claim_offices}.")
    has_billing = payload.get(settings.claim_billing, False)
    if not isinstance(has_billing, bool):
        raise AuthenticationError(f"The claim {settings.claim_billing} of this token must be true or false.")
    return Claims(
        subject=subject,
        name=subject if payload.get(settings.claim_name) is None else _text(payload, settings.claim_name),
        company=None if company is None else _text(payload, settings.claim_company),
        role=role,
        offices=None if offices is None else _texts(offices, settings.claim_offices),
        has_billing=has_billing,
        scopes=_scopes(payload.get(settings.claim_scopes), settings.claim_scopes),
        expires_at=expires_at,
    )


def write_claims(settings: Settings, claims: Claims, *, now: datetime) -> dict[str, Any]:
    """The payload that `read_claims` reads back."""
    payload: dict[str, Any] = {
        settings.claim_subject: claims.subject,
        settings.claim_name: claims.name,
        settings.claim_role: claims.role.value.lower(),
        settings.claim_billing: claims.has_billing,
        "iat": int(now.timestamp()),
        "exp": int(claims.expires_at.timestamp()),
    }
    optional: dict[str, Any] = {
        settings.claim_company: claims.company,
        settings.claim_offices: None if claims.offices is None else list(claims.offices),
        settings.claim_scopes: sorted(claims.scopes) or None,
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
    }
    return payload | {name: value for name, value in optional.items() if value is not None}


def _moment(payload: Mapping[str, Any], claim: str) -> datetime:
    value = payload.get(claim)
    try:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ValueError
        return datetime.fromtimestamp(value, tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise AuthenticationError(f"The claim {claim} of this token must be a time in seconds.") from None


def _text(payload: Mapping[str, Any], claim: str) -> str:
    value = payload.get(claim)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CLAIM_CHARACTERS:
        raise AuthenticationError(
            f"The claim {claim} of this token must be a text of 1 to {MAX_CLAIM_CHARACTERS} characters."
        )
    return value


def _texts(value: Any, claim: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_OFFICES:
        raise AuthenticationError(f"The claim {claim} of this token must be a list of at most {MAX_OFFICES} texts.")
    return tuple(_text({claim: part}, claim) for part in value)


def _role(payload: Mapping[str, Any], claim: str) -> Role:
    value = payload.get(claim)
    for role in Role:
        if value == role.value.lower():
            return role
    names = ", ".join(role.value.lower() for role in Role)
    raise AuthenticationError(f"The claim {claim} of this token must be one of {names}.")


def _scopes(value: Any, claim: str) -> frozenset[PartnerScope]:
    """A list, or one text with spaces as in OAuth. Scopes of others (`openid`) are none of ours."""
    if value is None:
        return frozenset()
    names = set(value.split() if isinstance(value, str) else _texts(value, claim))
    return frozenset(scope for scope in PartnerScope if scope.value in names)
