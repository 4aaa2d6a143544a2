"""The buses that the contract is for, opened as so many processes would."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from robosure.platform.streams.bus import EventBus
from robosure.platform.streams.kafka_bus import Kafka, KafkaBus
from robosure.platform.streams.redis_bus import RedisBus
from tests.integration.platform.streams.outage import Gate

LEASE_SECONDS: Final = 0.6
_ROOT: Final = Path(__file__).parents[4]


def open_bus(url: str, stack: AsyncExitStack) -> EventBus:
    """Open a bus that notices soon who is gone; the stack closes it."""
    if url.startswith("kafka"):
        kafka = Kafka.from_url(url, session_seconds=LEASE_SECONDS, patience_seconds=5.0)
        in_kafka = KafkaBus(kafka)
        stack.push_async_callback(in_kafka.close)
        return in_kafka
    # Repeats what it asks, as the product's client does.
    retry = Retry(ConstantBackoff(0.01), 3)
    redis = Redis.from_url(url, retry=retry, retry_on_error=[RedisConnectionError])
    stack.push_async_callback(redis.aclose)
    bus = RedisBus(redis, lease_seconds=LEASE_SECONDS)
    stack.push_async_callback(bus.close)
    return bus


@dataclass
class Buses:
    """One server, and this test's processes on it.

    Attributes:
        url: of the server.
        gate: on the way to the server, for a test that shuts it.
        gate_turn: locked by the one test that may use the gate, if all share it.
        stream: of this test's own.
    """

    kind: str
    url: str
    gate: Gate
    gated_url: str
    stream: str
    gate_turn: Path | None = None
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    held: ExitStack = field(default_factory=ExitStack)

    async def open_gate(self) -> Gate:
        """Open it, when no other test uses it, until all is closed."""
        if self.gate_turn is not None:
            turn = self.held.enter_context(self.gate_turn.open("w"))
            await asyncio.to_thread(fcntl.flock, turn, fcntl.LOCK_EX)
        await self.gate.open()
        return self.gate

    def open(self, *, gated: bool = False) -> EventBus:
        """Return a bus, as a further process would have it."""
        return open_bus(self.gated_url if gated else self.url, self.opened)

    async def close(self) -> None:
        await self.opened.aclose()
        await self.gate.shut()
        self.held.close()


@contextmanager
def worker_process(
    buses: Buses, *, database_url: str, partitions: int = 1, name: str = "there"
) -> Iterator[subprocess.Popen[str]]:
    """Run a worker that is started again when it dies; it is stopped at the end."""
    arguments = {
        "database_url": database_url,
        "bus_url": buses.url,
        "stream": buses.stream,
        "partitions": partitions,
        "name": name,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", f"{__package__}.worker", orjson.dumps(arguments)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a worker for good, and whatever it started."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
