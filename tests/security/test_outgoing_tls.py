"""Who is believed to be PostgreSQL, Redis, Kafka, the mail server and the collector."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from kombu.exceptions import OperationalError
from pydantic import SecretStr, ValidationError
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text
from sqlalchemy.engine import make_url
from structlog.testing import capture_logs

from robosure.entrypoints.stack.ports import choose_port
from robosure.kernel.errors import Unavailable
from robosure.platform.database.connecting import connect
from robosure.platform.database.migrations import refuse_newer_schema
from robosure.platform.database.session import Database
from robosure.platform.jobs import celery_app
from robosure.platform.mail import Message, SmtpMailer
from robosure.platform.runtime import connect_redis, warn_of_unprotected
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import BusAwayError
from robosure.platform.streams.kafka_bus import Kafka
from tests.tls import LOOPBACK, Authority, PostgresFront, in_front

MESSAGE = Message("alice@example.com", "Bound", "It is.", None, "tls-1")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def strangers(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def trusting(authority: Authority | None, **values: Any) -> Settings:
    ca_file = None if authority is None else authority.ca_file
    return Settings(_env_file=None, ca_file=ca_file, **values)


# --- PostgreSQL -----------------------------------------------------------------------


def through(database_url: str, port: int, said: str = "?sslmode=verify-full") -> str:
    url = make_url(database_url).set(host=LOOPBACK, port=port)
    return url.render_as_string(hide_password=False) + said


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


async def selected(settings: Settings) -> int:
    database = Database.from_settings(settings)
    try:
        async with database.engine.connect() as connection:
            found: int = (await connection.execute(text("SELECT 1"))).scalar_one()
            return found
    finally:
        await database.close()


async def test_postgresql_is_believed_with_a_certificate_of_ours_and_its_name(
    database_url: str, ours: Authority
) -> None:
    behind = port_of(database_url)
    async with in_front(ours.context(), behind, kind=PostgresFront) as front:
        url = through(database_url, front.port)
        settings = trusting(ours, database_url=url)
        # the pool's connections, those that listen, and those of migrations
        assert await selected(settings) == 1
        listening = await connect(settings.sync_database_url)
        assert await listening.fetchval("SELECT 1") == 1
        await listening.close()
        await refuse_newer_schema(settings.database_url.get_secret_value())
    assert b"robosure" in front.taken


@pytest.mark.parametrize("whose", ["a stranger's", "another name's", "nobody asked"])
async def test_postgresql_is_not_believed_with(
    database_url: str, ours: Authority, strangers: Authority, whose: str
) -> None:
    context = {
        "a stranger's": strangers.context(),
        "another name's": ours.context("db.example"),
        "nobody asked": ours.context(),
    }[whose]
    settings_of = None if whose == "nobody asked" else ours
    behind = port_of(database_url)
    async with in_front(context, behind, kind=PostgresFront) as front:
        settings = trusting(settings_of, database_url=through(database_url, front.port))
        with pytest.raises(ssl.SSLCertVerificationError):
            await selected(settings)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(settings.sync_database_url)
        with pytest.raises(ssl.SSLCertVerificationError):
            await refuse_newer_schema(settings.database_url.get_secret_value())
    # and nothing was said to it
    assert front.taken == b""


async def test_a_server_without_tls_is_not_taken_for_one_with(
    database_url: str, ours: Authority
) -> None:
    # given the wheel's PostgreSQL, which answers that it has none
    settings = trusting(ours, database_url=f"{database_url}?sslmode=verify-full")
    with pytest.raises(ConnectionError, match="SSL"):
        await selected(settings)


# --- Redis, for the cache and for jobs ------------------------------------------------


async def test_redis_is_believed_with_a_certificate_of_ours(
    redis_url: str, ours: Authority
) -> None:
    async with in_front(ours.context(), port_of(redis_url)) as front:
        settings = trusting(ours, redis_url=secure(redis_url, front.port))
        redis = connect_redis(settings)
        assert await redis.ping()
        await redis.aclose()
        await asyncio.to_thread(reach_broker, settings)
    assert b"PING" in front.taken


@pytest.mark.parametrize("whose", ["a stranger's", "another name's"])
async def test_redis_is_not_believed_with(
    redis_url: str, ours: Authority, strangers: Authority, whose: str
) -> None:
    strange = whose == "a stranger's"
    context = strangers.context() if strange else ours.context("redis.example")
    async with in_front(context, port_of(redis_url)) as front:
        settings = trusting(ours, redis_url=secure(redis_url, front.port))
        redis = connect_redis(settings)
        with pytest.raises(RedisConnectionError, match="certificate verify failed"):
            await redis.ping()
        await redis.aclose()
        with pytest.raises(OperationalError, match="certificate verify failed"):
            await asyncio.to_thread(reach_broker, settings)
    assert front.taken == b""


def secure(redis_url: str, port: int) -> SecretStr:
    parts = urlsplit(redis_url)
    credentials = parts.netloc.rpartition("@")[0]
    return SecretStr(f"rediss://{credentials}@{LOOPBACK}:{port}{parts.path}")


def reach_broker(settings: Settings) -> None:
    app = celery_app(settings)
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
        channel: Any = connection.default_channel
        channel.client.ping()


# --- Kafka ----------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["ours", "a stranger's"])
async def test_kafka_hears_of_us_only_with_a_certificate_of_ours(
    ours: Authority, strangers: Authority, whose: str
) -> None:
    authority = ours if whose == "ours" else strangers
    async with in_front(authority.context()) as front:
        url = f"kafkas://{LOOPBACK}:{front.port}"
        kafka = Kafka.from_url(url, ca_file=ours.ca_file, patience_seconds=2.0)
        client = kafka.admin()
        with pytest.raises(BusAwayError):  # there is no broker behind it
            async with kafka.reaching():
                await client.start()
        await client.close()
    # what is written first, to a server that is believed, is who asks
    assert (b"robosure" in front.taken) is (whose == "ours")


# --- mail -----------------------------------------------------------------------------


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    started: list[Controller] = []

    def start(security: str, context: ssl.SSLContext) -> Controller:
        tls: dict[str, Any] = {"tls_context": context, "require_starttls": True}
        if security == "tls":
            tls = {"ssl_context": context}
        # Port 0 would do, but for the controller, which asks it whether it is up.
        controller = Controller(Sink(), hostname=LOOPBACK, port=choose_port(), **tls)
        controller.start()
        started.append(controller)
        return controller

    yield start
    for controller in started:
        controller.stop()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_is_handed_to_who_has_a_certificate_of_ours(
    ours: Authority, server: Any, security: str
) -> None:
    port = server(security, ours.context()).port
    await SmtpMailer(mail_at(port, security, ours)).send(MESSAGE)


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("whose", ["a stranger's", "another name's"])
async def test_mail_is_not_handed_to_who_has(
    ours: Authority, strangers: Authority, server: Any, security: str, whose: str
) -> None:
    strange = whose == "a stranger's"
    context = strangers.context() if strange else ours.context("mail.example")
    port = server(security, context).port
    with pytest.raises(Unavailable, match="certificate"):
        await SmtpMailer(mail_at(port, security, ours)).send(MESSAGE)


def mail_at(port: int, security: str, authority: Authority) -> Settings:
    return trusting(
        authority,
        smtp_host=LOOPBACK,
        smtp_port=port,
        smtp_security=security,
        outgoing_timeout_seconds=5,
    )


# --- what production insists on -------------------------------------------------------

PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "signing_key_files": "key.pem",
    "issuer": "https://insurer.example",
    "processor_secret": "x",
    "encryption_key": "y" * 32,
    "clamav_url": "off",
    "database_url": "postgresql://robosure:9f2b@db/robosure?sslmode=verify-full",
    "redis_url": "rediss://:9f2b@cache:6379/0",
}
PLAIN = [
    ("postgresql", {"database_url": "postgresql://robosure:9f2b@db/robosure"}),
    ("postgresql", {"database_url": "postgresql://a:9f2b@db/x?sslmode=require"}),
    ("postgresql", {"database_url": "postgresql://a:9f2b@db/x?ssl=verify-ca"}),
    ("postgresql", {"database_url": "postgresql://a:9f2b@/x?host=db"}),
    ("postgresql", {"database_url": "postgresql://a:9f2b@127.0.0.1,db/x"}),
    ("redis", {"redis_url": "redis://cache:6379/0"}),
    ("redis", {"redis_url": "rediss://cache:6379/0?ssl_cert_reqs=none"}),
    ("redis", {"redis_url": "rediss://cache:6379/0?ssl_check_hostname=false"}),
    ("kafka", {"event_bus": "kafka://127.0.0.1,broker:9092"}),
    ("smtp", {"smtp_host": "mail.example", "smtp_security": "none"}),
    ("otlp", {"otlp_endpoint": "http://collector:4318"}),
]


@pytest.mark.parametrize(("service", "said"), PLAIN)
def test_production_does_not_start_where_a_service_is_not_protected(
    service: str, said: dict[str, Any]
) -> None:
    values = {**PRODUCTION, **said}
    with pytest.raises(ValidationError, match=f"needs TLS to {service}"):
        Settings(_env_file=None, **values)
    # unless it is told that this one's network is nobody else's; then it says so
    for others in ("postgresql", "redis", "kafka", "smtp", "otlp"):
        told = {**values, "unprotected_services": others}
        if others != service:
            with pytest.raises(ValidationError, match=f"needs TLS to {service}"):
                Settings(_env_file=None, **told)
            continue
        settings = Settings(_env_file=None, **told)
        with capture_logs() as logs:
            warn_of_unprotected(settings)
        assert [(each["log_level"], each["service"]) for each in logs] == [
            ("warning", service)
        ]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"database_url": "postgresql://robosure:9f2b@127.0.0.1/x"},
        {"database_url": "postgresql://robosure:9f2b@[::1]:5432/x"},
        {"database_url": "postgresql://robosure@/x?host=/var/run/postgresql"},
        {"redis_url": "unix:///run/redis.sock"},
        {"redis_url": "redis://localhost:6379/0"},
        {"event_bus": "kafkas://broker"},
        {"event_bus": "kafka://localhost:9092,127.0.0.2"},
        {"smtp_host": "mail.example"},
        {"smtp_host": "localhost", "smtp_security": "none"},
        {"otlp_endpoint": "https://collector:4318"},
        {"otlp_endpoint": "http://127.0.0.1:4318"},
    ],
)
def test_production_starts_with_what_is_protected_or_stays_on_the_machine(
    said: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGHOST", raising=False)
    settings = Settings(_env_file=None, **{**PRODUCTION, **said})
    with capture_logs() as logs:
        warn_of_unprotected(settings)
    assert logs == []


def test_a_host_that_only_the_environment_names_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    values = {**PRODUCTION, "database_url": "postgresql://robosure@/x"}
    with pytest.raises(ValidationError, match="needs TLS to postgresql"):
        Settings(_env_file=None, **values)


def test_only_services_that_there_are_can_be_excepted() -> None:
    with pytest.raises(ValidationError, match="unprotected_services"):
        Settings(_env_file=None, **{**PRODUCTION, "unprotected_services": "all"})
