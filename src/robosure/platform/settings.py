"""Settings, from the environment, a ``.env`` file, and wherever secrets are kept.

This is the only place that reads them. What is nearer wins: an argument, the
environment, ``.env``, files of secrets, Azure Key Vault, Google Secret Manager.
``DATABASE_URL``, ``REDIS_URL``, ``LOG_LEVEL`` and ``ENVIRONMENT`` keep the names that
every host knows; the rest begins with ``ROBOSURE_``.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    FilePath,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from robosure.platform.needs import Process, is_needed
from robosure.platform.tls.services import Service, unprotected
from robosure.platform.vaults import sources_of

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Network = IPv4Network | IPv6Network
T = TypeVar("T")
_LOCAL_ISSUER: Final = "https://robosure.local"
_ORIGIN: Final = re.compile(
    r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?"
)
_HOST: Final = re.compile(r"\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9a-f:]+\]")
_SHORTEST_KEY: Final = 32
_KNOWN_PASSWORDS: Final = frozenset(
    {"", "admin", "changeme", "password", "postgres", "robosure", "secret"}
)


def _with_driver(url: Any) -> Any:
    """Take a URL as hosts give it, ``postgres://``, and name our driver in it."""
    if isinstance(url, str):
        return re.sub(r"^postgres(ql)?://", "postgresql+asyncpg://", url)
    return url


def _listed(value: Any) -> Any:
    """Take a list as people write one, with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Listed = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_listed)]


def _keys_in(listed: SecretStr) -> list[str]:
    keys = (key.strip() for key in listed.get_secret_value().split(","))
    return [key for key in keys if key]


def _upper_case(name: Any) -> Any:
    return name.upper() if isinstance(name, str) else name


class Settings(BaseSettings):
    """Everything that differs from one installation to the next."""

    model_config = SettingsConfigDict(
        env_file=".env", env_prefix="ROBOSURE_", extra="ignore", frozen=True,
        env_ignore_empty=True, populate_by_name=True, hide_input_in_errors=True,
    )  # fmt: skip

    # --- TLS: what is shown to who connects, and asked of whom we connect to ----------
    # Before what it concerns: the database's URL is completed by it.
    tls_certificate_file: Path | None = None
    """PEM file of the certificate, with its chain, that the API shows; renewed files
    are shown without a new start."""
    tls_key_file: Path | None = None
    """PEM file of its key."""
    tls_ends_at_proxy: bool = False
    """States that a proxy in front, one of the trusted, ends TLS for the API."""
    ca_file: FilePath | None = None
    """PEM file of authorities whose certificates PostgreSQL, Redis, Kafka, the mail
    server and the collector may show, besides those that the system trusts."""
    unprotected_services: Listed[Service] = ()
    """Services that production may reach without TLS, or without checking their
    certificates, since their network is nobody else's."""
    otlp_logs: bool = False
    """Whether lines of the log go to the collector as well."""
    # ----------------------------------------------------------------------------------

    database_url: Annotated[
        SecretStr,
        BeforeValidator(_with_driver),
        Field(validation_alias=AliasChoices("DATABASE_URL", "database_url")),
    ] = SecretStr("postgresql+asyncpg://robosure@127.0.0.1:5432/robosure")
    redis_url: Annotated[
        SecretStr, Field(validation_alias=AliasChoices("REDIS_URL", "redis_url"))
    ] = SecretStr("redis://127.0.0.1:6379/0")
    log_level: Annotated[
        LogLevel,
        BeforeValidator(_upper_case),
        Field(validation_alias=AliasChoices("LOG_LEVEL", "log_level")),
    ] = "INFO"
    environment: Annotated[
        Literal["development", "test", "production"],
        Field(validation_alias=AliasChoices("ENVIRONMENT", "environment")),
    ] = "development"

    log_format: Literal["json", "console"] = "json"
    slow_query_ms: PositiveInt = 200
    database_pool_size: PositiveInt = 10
    database_patience_seconds: PositiveFloat = 8.0
    """How long a request waits for an answer of the database before it is told 503."""

    public_url: str | None = None
    """Where people and their browsers reach this, such as ``https://api.example``; by
    default, at the issuer."""
    issuer: str = _LOCAL_ISSUER
    audience: str = "robosure"
    signing_key_files: Listed[Path] = ()
    """PEM files of Ed25519 keys. The first one signs access tokens; what any of them
    signed is good, so the others may be public keys. Without any, each process makes
    its own."""
    access_token_seconds: PositiveInt = 600
    require_second_factor: bool | None = None
    """Whether two factors are wanted, by default in production: who signs in by a
    password and has no second factor may then set one up and nothing else, and what is
    sensitive, such as approving a payout, takes one after single sign-on too. Who has
    one is always asked for it."""
    check_breached_passwords: bool | None = None
    """Whether new passwords are looked for among those found in breaches; by default,
    in production."""
    breached_passwords_url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")] = (
        "https://api.pwnedpasswords.com/range/"
    )
    """Where, by the range API of Have I Been Pwned; a mirror of one's own may do."""
    breached_passwords_seconds: PositiveFloat = 2.0
    """How long to wait for an answer, without which a password is taken."""
    session_idle_seconds: PositiveInt = 12 * 3_600
    """How long somebody stays signed in without doing anything."""
    session_seconds: PositiveInt = 7 * 24 * 3_600
    """How long at most, until they have to sign in again."""
    password_page: Annotated[str | None, Field(pattern=r"^https?://[^\s#]+$")] = None
    """The page on which people choose a password, by the ``#token=...`` that letters
    add to it; by default, letters hold the token alone."""

    admin_email: str = "admin@robosure.local"
    admin_password: SecretStr | None = None
    insurer_name: str = "Robosure Mutual"
    insurer_country: str = "GB"

    files_directory: Path = Path(".robosure/files")
    mail_directory: Path = Path(".robosure/mail")
    """Where e-mails are written as files when no SMTP server is set."""
    smtp_host: str | None = None
    smtp_port: PositiveInt = 587
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    mail_from: str = "Robosure <no-reply@robosure.local>"

    allowed_hosts: Listed[str] = ()
    """Names by which the API may be asked for, such as ``api.example`` or
    ``*.example``; any by default."""
    cors_origins: Listed[str] = ()
    """Origins whose pages may use the API from a browser; none by default."""
    expose_docs: bool | None = None
    """Whether ``/docs``, ``/redoc`` and ``/openapi.json`` are served; by default,
    except in production."""
    expose_metrics: bool | None = None
    """Whether ``/metrics`` is served; by default, except in production."""
    trusted_proxies: Listed[Network] = ()
    """Addresses and networks of the proxies whose ``X-Forwarded-For`` is believed."""

    rate_limit_sign_in: NonNegativeInt = 120
    """How many times a minute somebody may sign in from one address; as with all limits
    of requests, 0 is no limit."""
    rate_limit_telemetry: NonNegativeInt = 1_200_000
    """How many requests with telemetry a minute one user or API key may send."""
    rate_limit_write: NonNegativeInt = 6_000
    """How many other requests that change something."""
    rate_limit_read: NonNegativeInt = 12_000
    """How many that change nothing."""
    rate_limit_export: NonNegativeInt = 600
    """How many for a file or an export."""
    rate_limit_address_factor: PositiveInt = 5
    """How many times as much may come from one address, which many may share."""

    max_body_bytes: PositiveInt = 8 * 1024 * 1024
    max_body_seconds: PositiveFloat = 60.0
    """How long a request's body may take to arrive."""
    max_image_pixels: Annotated[int, Field(gt=0, le=80_000_000)] = 50_000_000
    """How many pixels a picture may have, all its frames together."""
    max_unpacked_bytes: PositiveInt = 64 * 1024 * 1024
    """How many bytes a gzip file may hold."""
    clamav_url: Annotated[
        str | None, Field(pattern=r"^(off|tcp://[^/?#\s@]+:\d{1,5}|unix:///[^?#\s]+)$")
    ] = None
    """Where ClamAV's daemon scans attached files: ``tcp://host:port`` or
    ``unix:///path``. Production does without it only if this is ``off``."""
    clamav_timeout_seconds: PositiveFloat = 30.0
    """How long the scan of one file may take."""
    processor_secret: SecretStr = SecretStr("sandbox")
    """Signs the payment processor's notifications."""
    encryption_key: SecretStr = SecretStr("development")
    """Encrypts the secrets that must be read back, such as those that sign webhooks,
    and proves refresh tokens. Several, separated by commas: the first encrypts and
    signs, what any of them did is good."""
    webhooks_to_private_networks: bool = False
    """Whether webhooks may go over plain HTTP and to addresses that are not public."""
    sign_on_from_private_networks: bool = False
    """Whether identity providers may be asked over plain HTTP and at addresses that are
    not public."""

    outgoing_timeout_seconds: PositiveFloat = 10.0
    outgoing_attempts: PositiveInt = 4
    breaker_failures: PositiveInt = 5
    breaker_reset_seconds: PositiveFloat = 30.0

    event_bus: SecretStr = SecretStr("redis")
    """What events travel on: ``redis``, or Kafka as ``kafka://host:port[,host:port]``;
    with ``kafkas`` over TLS, with ``user:password@`` by SASL."""
    event_partitions: PositiveInt = 4
    """Over how many partitions events from outside are spread, by their subject."""
    event_backlog_limit: PositiveInt = 200_000
    """How many entries may wait to be processed before events are refused."""
    event_memory_limit: Annotated[float, Field(gt=0, le=1)] = 0.9
    """How full, as a part of its limit, the bus's memory may get before that."""
    event_memory_mb: PositiveInt = 2_048
    """The limit, in MiB, of a Redis that was given none (its ``maxmemory``)."""
    event_attempts: PositiveInt = 8
    """How often a handler that fails is tried before the event is put aside."""
    inbox_retention_days: PositiveInt = 30
    """How long it is remembered, event by event, what each consumer has handled."""
    facts_retention_days: PositiveInt | None = None
    """How long facts are kept once they are handed on; for ever by default, since
    projections are rebuilt from them."""

    claims_retention_years: PositiveInt = 10
    """For how many years from the end of that in which it was decided a claim names
    whom to ask; see ``docs/privacy.md`` for this and the next two."""
    letters_retention_years: PositiveInt = 6
    """The same of e-mail about policies, payments and claims, since it was written."""
    audit_retention_years: PositiveInt = 10
    """The same of what somebody did, as it is told to whoever asks for erasure."""

    otlp_endpoint: SecretStr | None = None

    process: Process | None = None
    """What this process is there for, and so which secrets it needs; all by default."""
    migration_database_url: Annotated[
        SecretStr | None, BeforeValidator(_with_driver)
    ] = None
    """The login that owns the tables, for migrations alone; ``DATABASE_URL`` by
    default."""
    database_password_file: Path | None = None
    """A file with the password, or the token, of ``DATABASE_URL``'s login. It is read
    for each new connection, and so may change; as may the next two."""
    redis_password_file: Path | None = None
    smtp_password_file: Path | None = None
    outgoing_hosts: Listed[str] | None = None
    """Hosts that may be called because customers name them, for webhooks or to sign on:
    ``hooks.example``, ``*.example`` for all below it, or ``*`` for any. By default any;
    in production none."""

    secrets_directories: Listed[Path] = ()
    """Directories with a file for each secret, named as its variable is."""
    azure_key_vault_url: str | None = None
    google_secret_project: str | None = None
    google_secret_endpoint: str | None = None
    """Where Google's Secret Manager is asked, if not at its public address."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the places of secrets that the sources before them name."""
        nearer = (init_settings, env_settings, dotenv_settings)
        said: dict[str, Any] = {}
        for source in reversed(nearer):
            said |= source()
        return (*nearer, *sources_of(settings_cls, said), file_secret_settings)

    @field_validator("encryption_key")
    @classmethod
    def _holds_keys(cls, keys: SecretStr) -> SecretStr:
        if not _keys_in(keys):
            raise ValueError("ROBOSURE_ENCRYPTION_KEY holds no key")
        return keys

    @field_validator("allowed_hosts", "cors_origins")
    @classmethod
    def _in_lower_case(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.lower() for name in names)

    @field_validator("outgoing_hosts")
    @classmethod
    def _are_hosts(cls, hosts: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Refuse what no host is like, such as a URL."""
        for host in hosts or ():
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host} is no host such as a.example or *.example")
        return hosts and tuple(host.lower() for host in hosts)

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what a browser never sends, and would be waited for in vain."""
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is no origin such as https://a.example")
        return origins

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        """Refuse defaults that are only right on one's own machine."""
        if self.environment == "production":
            if self._takes_part(Process.API) and not self.signing_key_files:
                raise ValueError("production needs ROBOSURE_SIGNING_KEY_FILES")
            if (
                self._needs("processor_secret")
                and self.processor_secret.get_secret_value() == "sandbox"
            ):
                raise ValueError("production needs ROBOSURE_PROCESSOR_SECRET")
            if (
                self._needs("encryption_key")
                and min(map(len, self.encryption_keys)) < _SHORTEST_KEY
            ):
                raise ValueError(
                    "production needs a ROBOSURE_ENCRYPTION_KEY, each of it of "
                    f"{_SHORTEST_KEY} characters or more: openssl rand -base64 32"
                )
            if self._needs("database_url") and self._database_is_anybodys():
                raise ValueError(
                    "production needs a DATABASE_URL of its own, with no password that "
                    "everybody knows"
                )
            if not self.issuer.startswith("https://") or self.issuer == _LOCAL_ISSUER:
                raise ValueError("production needs a ROBOSURE_ISSUER with https://")
            if "*" in self.cors_origins:
                raise ValueError(
                    "production needs ROBOSURE_CORS_ORIGINS to be named, not *"
                )
            if self._takes_part(Process.API) and self.clamav_url is None:
                raise ValueError(
                    "production needs a ROBOSURE_CLAMAV_URL that scans attached files; "
                    "off, if they are not to be"
                )
        return self

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _names_authorities(
        cls, url: SecretStr | None, info: ValidationInfo
    ) -> SecretStr | None:
        """Have a database's URL say whose certificates are good, if it checks any."""
        if url is None:
            return None
        text, ca_file = url.get_secret_value(), info.data.get("ca_file")
        said = parse_qs(urlsplit(text).query)
        checks = "verify" in "".join(said.get("sslmode", []) + said.get("ssl", []))
        if ca_file is None or not checks or "sslrootcert" in said:
            return url
        return SecretStr(f"{text}&sslrootcert={quote(str(ca_file))}")

    @model_validator(mode="after")
    def _speaks_tls(self) -> Self:
        """Refuse half of a certificate, and in production what is not protected."""
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError(
                "ROBOSURE_TLS_CERTIFICATE_FILE and ROBOSURE_TLS_KEY_FILE belong "
                "together"
            )
        if self.otlp_logs and self.otlp_endpoint is None:
            raise ValueError("ROBOSURE_OTLP_LOGS needs a ROBOSURE_OTLP_ENDPOINT")
        if self.tls_ends_at_proxy and not self.trusted_proxies:
            raise ValueError(
                "ROBOSURE_TLS_ENDS_AT_PROXY needs ROBOSURE_TRUSTED_PROXIES: only "
                "their X-Forwarded-Proto is believed"
            )
        if self.environment == "production":
            for service, remedy in unprotected(self).items():
                if service not in self.unprotected_services:
                    raise ValueError(
                        f"production needs TLS to {service}, with its certificate "
                        f"checked: {remedy}; or name it in "
                        "ROBOSURE_UNPROTECTED_SERVICES, if its network is yours alone"
                    )
        return self

    def _needs(self, secret: str) -> bool:
        return is_needed(secret, self.process)

    def _takes_part(self, process: Process) -> bool:
        return self.process in {None, process}

    def _database_is_anybodys(self) -> bool:
        """Whether the URL that this process connects with is one that all know."""
        url = self.database_url
        if self.process is Process.MIGRATE and self.migration_database_url is not None:
            url = self.migration_database_url
        elif "database_url" not in self.model_fields_set:
            return True
        password = urlsplit(url.get_secret_value()).password
        return password is not None and password.lower() in _KNOWN_PASSWORDS

    @property
    def encryption_keys(self) -> list[str]:
        """The keys for secrets: the first one encrypts, each decrypts."""
        return _keys_in(self.encryption_key)

    @property
    def scanner_url(self) -> str | None:
        """Where files are scanned, if they are."""
        return None if self.clamav_url == "off" else self.clamav_url

    @property
    def needs_second_factor(self) -> bool:
        """Whether two factors are wanted."""
        said = self.require_second_factor
        return self.environment == "production" if said is None else said

    @property
    def asks_for_breached_passwords(self) -> bool:
        """Whether new passwords are looked for among those found in breaches."""
        said = self.check_breached_passwords
        return self.environment == "production" if said is None else said

    @property
    def base_url(self) -> str:
        """Where people and their browsers reach this, without a slash at the end."""
        return (self.public_url or self.issuer).rstrip("/")

    @property
    def shows_docs(self) -> bool:
        """Whether the API's documentation is served."""
        return self._unless_in_production(self.expose_docs)

    @property
    def shows_metrics(self) -> bool:
        """Whether metrics are served."""
        return self._unless_in_production(self.expose_metrics)

    def _unless_in_production(self, said: bool | None) -> bool:  # noqa: FBT001 - of two callers
        return self.environment != "production" if said is None else said

    @property
    def called_hosts(self) -> tuple[str, ...]:
        """The hosts that may be called because customers name them."""
        if self.outgoing_hosts is None:
            return () if self.environment == "production" else ("*",)
        return self.outgoing_hosts

    @property
    def owner_database_url(self) -> str:
        """The URL of the login that owns the tables, which migrates them."""
        url = self.migration_database_url or self.database_url
        return url.get_secret_value()

    @property
    def sync_database_url(self) -> str:
        """The database's URL without the driver, for tools that bring their own."""
        return self.database_url.get_secret_value().replace("+asyncpg", "")


def environment() -> dict[str, str]:
    """Return the environment as processes see it: ``.env``, then what is really set."""
    written = {key: value for key, value in dotenv_values(".env").items() if value}
    return {**written, **os.environ}


@lru_cache(maxsize=1)
def get_settings(process: Process | None = None) -> Settings:
    """Return this process's settings, without secrets that such a one does not need."""
    return Settings(process=process) if process else Settings()
