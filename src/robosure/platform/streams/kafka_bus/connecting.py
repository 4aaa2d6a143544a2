"""Reaching Kafka: where it is, how to be known there, and when it is away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

from aiokafka import (  # type: ignore[import-untyped]  # has no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
)
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # has no types
from aiokafka.coordinator.assignors.roundrobin import (  # type: ignore[import-untyped]  # has no types
    RoundRobinPartitionAssignor,
)
from aiokafka.errors import (  # type: ignore[import-untyped]  # has no types
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)

from robosure.platform.streams.bus import BusAwayError
from robosure.platform.tls.trust import trusting

LARGEST: Final = 16 * 1024 * 1024
"""Bytes of an entry; a body and what is added to it are smaller."""
_PERMANENT: Final = (
    GroupAuthorizationFailedError,
    InvalidTopicError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)
AWAY: Final = (ConsumerStoppedError, KafkaError, OSError)
"""What asking Kafka may fail on; nearly all of it passes."""
_AGAIN_MS: Final = 200
_DEFAULT_PORT: Final = 9092


def topic_of(stream: str) -> str:
    """Return the topic that a stream is; Kafka allows fewer characters."""
    return "robosure." + re.sub(r"[^A-Za-z0-9._-]", "-", stream)


def group_of(stream: str, group: str) -> str:
    """Return the name of a group on one stream: each is balanced by itself."""
    return f"{topic_of(stream)}.{group}"


def brokers_of(url: str) -> list[str]:
    """Return the brokers that a URL names, as host:port, without who asks them."""
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    return [host if ":" in host else f"{host}:{_DEFAULT_PORT}" for host in hosts]


def away(error: Exception) -> BusAwayError:
    """Return what the port says for that."""
    return BusAwayError(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class Kafka:
    """Brokers, and how long to wait for them.

    Attributes:
        servers: host:port of some of the brokers.
        security: what is needed to connect, as aiokafka takes it.
        session_seconds: after so much silence a group gives a process up.
        patience_seconds: after so long without an answer Kafka is away.
    """

    servers: list[str]
    security: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    session_seconds: float = 10.0
    patience_seconds: float = 10.0

    @classmethod
    def from_url(
        cls, url: str, *, ca_file: Path | None = None, **changes: float
    ) -> Kafka:
        """Read ``kafka://[user:password@]host[:port][,host[:port]]``.

        ``kafkas`` means TLS, by certificates that the system or ``ca_file`` trusts. A
        user means SASL, ``?mechanism=`` SCRAM-SHA-512 unless it says otherwise.

        Raises:
            ValueError: it is no such URL.
        """
        parts = urlsplit(url)
        credentials, _, hosts = parts.netloc.rpartition("@")
        if parts.scheme not in {"kafka", "kafkas"} or not hosts:
            raise ValueError("expected kafka://host:port[,host:port]")
        secure = parts.scheme == "kafkas"
        security: dict[str, Any] = {}
        if secure:
            security["ssl_context"] = trusting(ca_file)
        if credentials:
            user, _, password = credentials.partition(":")
            mechanism = parse_qs(parts.query).get("mechanism", ["SCRAM-SHA-512"])[0]
            security["sasl_mechanism"] = mechanism
            security["sasl_plain_username"] = unquote(user)
            security["sasl_plain_password"] = unquote(password)
        protocol = "SASL_" if credentials else ""
        protocol += "SSL" if secure else "PLAINTEXT"
        settings = {"security_protocol": protocol, **security}
        return cls(brokers_of(url), settings, **changes)

    def producer(self) -> Any:
        """Return a producer that has an answer only when every replica in sync has it.

        A batch that is repeated is known by its number, and so neither doubled nor
        out of order.
        """
        return AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            max_batch_size=1024 * 1024,
            max_request_size=LARGEST,
            **self._common(),
        )

    def consumer(self, group: str | None = None, *, fetch_wait_ms: int = 500) -> Any:
        """Return a consumer that commits only what it is told to."""
        session = round(self.session_seconds * 1000)
        return AIOKafkaConsumer(
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            session_timeout_ms=session,
            heartbeat_interval_ms=max(100, session // 4),
            # Members have what is in hand to finish before partitions move on.
            rebalance_timeout_ms=max(60_000, session),
            max_partition_fetch_bytes=LARGEST,
            fetch_max_wait_ms=fetch_wait_ms,
            consumer_timeout_ms=100,
            **self._common(),
        )

    def admin(self) -> Any:
        """Return a client that makes and describes topics."""
        return AIOKafkaAdminClient(**self._common())

    @asynccontextmanager
    async def reaching(self) -> AsyncIterator[None]:
        """Say so where no answer can be had, or not soon.

        Raises:
            BusAwayError: trying again as it is may help.
        """
        try:
            async with asyncio.timeout(self.patience_seconds):
                yield
        except _PERMANENT:
            raise
        except AWAY as error:
            raise away(error) from error

    def _common(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.servers,
            "client_id": "robosure",
            "request_timeout_ms": round(self.patience_seconds * 1000),
            "retry_backoff_ms": _AGAIN_MS,
            **self.security,
        }
