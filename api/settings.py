"""What an operator can set: `FAREBOX_*` variables, or lines of `.env`.

A setting that cannot be used stops the start and says which variable it is and what to write instead; the
value itself is never repeated, because it may be a secret.
"""

import os
import re
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from api.database_url import DEFAULT_DATABASE_URL, normalise_database_url
from api.limits import Limits
from api.secret_key import MIN_KEY_BYTES, KeyFileError, kept_secret_key

PREFIX = "FAREBOX_"
VAR = Path("var")
"""Where a local run keeps what it makes: the database file and the secret key."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ORIGIN = re.compile(r"(https?)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SYSTEMD_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_CONTAINER_SECRETS = Path("/run/secrets")


class Environment(StrEnum):
    LOCAL = "local"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Payments(StrEnum):
    SANDBOX = "sandbox"
    STRIPE = "stripe"


class SettingsError(Exception):
    """One line for each variable that cannot be used: its name, and what to write."""


class Settings(Limits):
    """Read with `load_settings`, which also sees to the secret key."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    env: Environment = Environment.LOCAL
    database_url: str = DEFAULT_DATABASE_URL
    secret_key: SecretStr | None = None
    """Signs HS256 tokens. At least 32 bytes."""
    previous_secret_key: SecretStr | None = None
    """What it signed and sealed is still good: while keys are changed."""
    public_url: str | None = None
    """How callers reach this server, without a slash at the end."""
    drain_seconds: float = Field(default=0, ge=0, le=600)
    """After SIGTERM: so long /readyz says no while requests are still taken."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    """Addresses or networks whose X-Forwarded-* headers are believed."""

    jwks_url: str | None = None
    """Where an identity provider publishes the keys of RS256 and ES256 tokens."""
    token_issuer: str | None = None
    """Asked for in every token when set: `iss`."""
    token_audience: str | None = None
    """Asked for in every token when set: `aud`."""
    claim_subject: str = Field(default="sub", min_length=1)
    claim_name: str = Field(default="name", min_length=1)
    claim_company: str = Field(default="company", min_length=1)
    claim_role: str = Field(default="role", min_length=1)
    claim_offices: str = Field(default="offices", min_length=1)
    claim_billing: str = Field(default="billing", min_length=1)
    claim_scopes: str = Field(default="scopes", min_length=1)

    worker: bool = True
    """Whether this process also collects top-ups, and does what time makes due."""

    compiled_execution: bool = True
    """Whether operations run as functions that are made for them; their answers are the same."""

    graphiql: bool | None = None
    """Whether a browser gets GraphiQL at /graphql; by default in local runs only."""
    introspection: bool | None = None
    """Whether callers may ask for the schema; by default in local runs only, as for the next."""
    get_queries: bool | None = None
    """Whether queries may come by GET."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Web sites whose pages may call from a browser, besides the server's own."""
    trusted_documents: Path | None = None
    """A manifest of documents that can be asked for by their id."""
    trusted_documents_only: bool = False
    """Whether people's tokens run those alone. API keys, partners and operators run any."""
    demo_token: SecretStr | None = None
    """Filled into GraphiQL's headers. Given by `farebox serve --demo`, and to local runs only."""

    log_format: LogFormat | None = None
    """By default for people to read in local runs, JSON otherwise."""
    log_level: LogLevel = LogLevel.INFO
    metrics_token: SecretStr | None = None
    """The bearer that may read /metrics. Without one it is there in local runs only."""
    otlp_endpoint: str | None = None
    """Where OpenTelemetry traces are sent, by HTTP; None: nowhere."""

    tenant_role: str | None = None
    """The role of PostgreSQL that callers' statements run under, with row-level security; None: without."""
    replica_url: str | None = None
    """A read-only copy of the PostgreSQL database, for usage history and charts."""

    webhooks_allow_private: bool = False
    """Whether partners' endpoints may lie in private networks, or on this machine."""

    payments: Payments | None = None
    """Where new cards are saved. By default Stripe when it has a key, else the sandbox in local runs, else nowhere."""
    stripe_api_key: SecretStr | None = None
    stripe_api_base: str | None = None
    """Where Stripe's API is reached, without a slash at the end; None: at Stripe."""
    stripe_publishable_key: str | None = None
    """Handed to front ends with a payment or a card to be confirmed."""
    stripe_webhook_secret: SecretStr | None = None

    @field_validator("database_url", "replica_url")
    @classmethod
    def _one_spelling(cls, value: str | None) -> str | None:
        return value and normalise_database_url(value)

    @field_validator("secret_key", "previous_secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < MIN_KEY_BYTES:
            raise ValueError(f"write at least {MIN_KEY_BYTES} bytes; `openssl rand -base64 48` makes a good one")
        return value

    @field_validator("public_url")
    @classmethod
    def _plain_address(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            is_plain = parts.netloc.isascii() and "@" not in parts.netloc and not (parts.query or parts.fragment)
            if parts.scheme not in {"http", "https"} or not parts.netloc or not is_plain:
                raise ValueError("write an address such as https://billing.example.com")
        return value and value.rstrip("/")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        origins = [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        origins = [origin.lower() for origin in origins]
        for origin in origins:
            found = _ORIGIN.fullmatch(origin)
            if found is None:
                raise ValueError(
                    "write origins with commas, each in full, as a browser sends it, without wildcards, paths and"
                    " users, and xn--… for letters beyond ASCII: https://app.example.com, https://b.example"
                )
            if found[2] == _DEFAULT_PORTS[found[1]]:
                raise ValueError(f"write {found[1]} origins without :{found[2]}, which browsers do not send")
        return tuple(origins)

    @field_validator("tenant_role")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch("[a-z_][a-z0-9_]{0,62}", value):
            raise ValueError("write a role's name in small letters, digits and _: farebox_tenant")
        return value

    @field_validator("stripe_api_base")
    @classmethod
    def _secrets_travel_unread(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            is_near = parts.scheme == "http" and parts.hostname in _LOOPBACK
            if not parts.hostname or not (parts.scheme == "https" or is_near):
                raise ValueError("write an https:// address (http:// on this machine works too)")
        return value and value.rstrip("/")

    @field_validator("stripe_api_key")
    @classmethod
    def _not_the_published_one(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("sk_", "rk_")):
            raise ValueError("write a secret key (sk_…) or a restricted one (rk_…)")
        return value

    @field_validator("stripe_publishable_key")
    @classmethod
    def _not_the_secret_one(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("pk_"):
            raise ValueError("write the publishable key (pk_…): every front end is shown it")
        return value

    @field_validator("jwks_url")
    @classmethod
    def _keys_arrive_unaltered(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            trusted = parts.scheme == "https" or parts.scheme == "file"
            if not trusted and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
                raise ValueError("write an https:// address (file:// and http:// on this machine work too)")
        return value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_at_commas(cls, value: Any) -> Any:
        proxies = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        try:
            networks = [ip_network(proxy, strict=False) for proxy in proxies]
        except ValueError:
            raise ValueError("write addresses or networks with commas: 10.0.0.4, 10.1.0.0/16") from None
        # Whoever meant 10.1.0.0/16 and wrote 10.1.0.4/16 would else be believed nowhere: the server wants it exact.
        return tuple(str(network) if "/" in proxy else proxy for network, proxy in zip(networks, proxies, strict=True))

    @property
    def serves_graphiql(self) -> bool:
        return self.env is Environment.LOCAL if self.graphiql is None else self.graphiql

    @property
    def serves_introspection(self) -> bool:
        return self.env is Environment.LOCAL if self.introspection is None else self.introspection

    @property
    def serves_get(self) -> bool:
        return self.env is Environment.LOCAL if self.get_queries is None else self.get_queries

    @property
    def logs_as(self) -> LogFormat:
        if self.log_format is not None:
            return self.log_format
        return LogFormat.CONSOLE if self.env is Environment.LOCAL else LogFormat.JSON

    @property
    def pays_with(self) -> Payments | None:
        """Where new cards are saved. None: nowhere, because a production start takes no play money by itself."""
        if self.payments is not None:
            return self.payments
        if self.stripe_api_key is not None:
            return Payments.STRIPE
        return Payments.SANDBOX if self.env is Environment.LOCAL else None

    @property
    def signing_key(self) -> str:
        """The key itself. Only `load_settings` makes sure that there is one."""
        if self.secret_key is None:
            raise SettingsError(f"{PREFIX}SECRET_KEY: write a key of at least {MIN_KEY_BYTES} bytes.")
        return self.secret_key.get_secret_value()

    @property
    def signing_keys(self) -> tuple[str, ...]:
        """The first signs and seals; what was made with another is still good."""
        previous = self.previous_secret_key
        return (self.signing_key,) if previous is None else (self.signing_key, previous.get_secret_value())


def load_settings(*, var: Path = VAR, signs: bool = True, **given: Any) -> Settings:
    """Settings from the environment, `.env`, and files of secrets that systemd or a container brings, each named like
    its variable; `given` wins over all, and the former over the latter. Raises SettingsError.

    Whoever signs nothing says so: then no key is made, and there may be none.
    """
    try:
        settings = Settings(_secrets_dir=_secret_folders() or None, **given)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaint(dict(detail)) for detail in error.errors())) from None
    _refuse_half_of_stripe(settings)
    _refuse_one_key_twice(settings)
    if settings.secret_key is not None:
        return settings
    if settings.env is Environment.PRODUCTION:
        raise SettingsError(
            f"{PREFIX}SECRET_KEY: a production start needs one. Write at least {MIN_KEY_BYTES} bytes;"
            " `openssl rand -base64 48` makes a good one. Every process must be given the same."
        )
    if not signs:
        return settings
    try:
        return settings.model_copy(update={"secret_key": SecretStr(kept_secret_key(var / "secret_key"))})
    except KeyFileError as error:
        raise SettingsError(f"{PREFIX}SECRET_KEY: {error}.") from None


def _secret_folders() -> list[Path]:
    named = os.environ.get(_SYSTEMD_CREDENTIALS)
    return [folder for folder in ([Path(named)] if named else []) + [_CONTAINER_SECRETS] if folder.is_dir()]


def _refuse_one_key_twice(settings: Settings) -> None:
    """Whoever did so would take the key for changed."""
    if settings.previous_secret_key is not None and settings.previous_secret_key == settings.secret_key:
        raise SettingsError(
            f"{PREFIX}PREVIOUS_SECRET_KEY: it is the key of {PREFIX}SECRET_KEY. Write the one before, or take it out."
        )


def _refuse_half_of_stripe(settings: Settings) -> None:
    if settings.stripe_api_key is None:
        if settings.payments is Payments.STRIPE:
            raise SettingsError(f"{PREFIX}STRIPE_API_KEY: FAREBOX_PAYMENTS=stripe needs Stripe's secret key, sk_….")
        for name in ("stripe_api_base", "stripe_publishable_key", "stripe_webhook_secret"):
            if getattr(settings, name) is not None:
                told = f"{PREFIX}{name.upper()} is set, and Stripe needs its secret key too: sk_…. Or take that out."
                raise SettingsError(f"{PREFIX}STRIPE_API_KEY: {told}")
    elif settings.env is Environment.PRODUCTION and settings.stripe_webhook_secret is None:
        raise SettingsError(
            f"{PREFIX}STRIPE_WEBHOOK_SECRET: a production start with Stripe needs the signing secret of the webhook"
            " endpoint (whsec_…), or nobody hears of disputes and of refunds made at Stripe."
        )


def _complaint(detail: dict[str, Any]) -> str:
    """`FAREBOX_ENV: Input should be 'local' or 'production'.` — never the value."""
    name = PREFIX + "_".join(str(part) for part in detail["loc"]).upper()
    return f"{name}: {str(detail['msg']).removeprefix('Value error, ')}."
