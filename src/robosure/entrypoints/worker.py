"""The stream worker: the relay, every consumer group, and telemetry ingestion."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence

from redis.exceptions import RedisError

from robosure.entrypoints.registry import load
from robosure.platform.context import Context
from robosure.platform.events import context_of
from robosure.platform.jobs import celery_app, celery_sender, install_sender
from robosure.platform.logging import LoggerMixin, get_logger
from robosure.platform.runtime import Runtime, open_runtime
from robosure.platform.settings import Settings
from robosure.platform.streams import Relay, Subscription, subscriptions
from robosure.platform.streams.ingest import IngestWorker
from robosure.platform.streams.keys import ensure_group, events_of
from robosure.platform.tracing import configure_tracing

Running = Callable[[asyncio.Event], Awaitable[None]]


class Streams(LoggerMixin):
    """Everything that reads or writes streams for some contexts."""

    def __init__(self, runtime: Runtime, contexts: Sequence[Context]) -> None:
        settings = runtime.settings
        name = socket.gethostname()
        self._redis = runtime.redis
        self.relay = Relay(
            runtime.database, runtime.redis, listen_url=settings.sync_database_url
        )
        self.subscriptions: list[Subscription] = subscriptions(
            [consumer for context in contexts for consumer in context.consumers],
            database=runtime.database,
            redis=runtime.redis,
            name=name,
            attempts=settings.event_attempts,
        )
        self.ingest: IngestWorker | None = None
        handlers = [h for context in load() for h in context.batch_handlers]
        for processor in (c.processor(handlers) for c in contexts if c.processor):
            self.ingest = IngestWorker(
                runtime.database,
                runtime.redis,
                process=processor.process,
                record_failure=processor.record_failure,
                name=name,
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until stopped; what is at hand is finished first."""
        while not stop.is_set():
            try:
                await self._ensure_groups()
                break
            except (RedisError, OSError) as error:
                reason = str(error)[:300]
                self.logger.warning("platform.worker.start_postponed", reason=reason)
                await asyncio.sleep(1)
        running: list[Running] = [self.relay.run, *(s.run for s in self.subscriptions)]
        if self.ingest is not None:
            running.append(self.ingest.run)
        async with asyncio.TaskGroup() as tasks:
            for run in running:
                tasks.create_task(_fulfil(run, stop))

    async def _ensure_groups(self) -> None:
        """Create every context's groups, also of those that work elsewhere.

        A stream is trimmed to what its groups still need; a group that came later
        would miss what was trimmed before.
        """
        for context in load():
            for consumer in context.consumers:
                stream = events_of(context_of(consumer.event))
                await ensure_group(self._redis, stream, consumer.group)

    async def drain(self) -> int:
        """Relay and handle until nothing is left; return how much was handled."""
        handled = 0
        while moved := await self._round():
            handled += moved
        return handled

    async def _round(self) -> int:
        moved = await self.ingest.drain() if self.ingest else 0
        while relayed := await self.relay.relay():
            moved += relayed
        for subscription in self.subscriptions:
            moved += await subscription.drain()
        return moved


async def _fulfil(run: Running, stop: asyncio.Event) -> None:
    await run(stop)


async def work(settings: Settings, names: Sequence[str] = ()) -> None:
    """Work until SIGINT or SIGTERM, for the named contexts or for all."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    configure_tracing(settings, service="robosure-worker")
    install_sender(celery_sender(celery_app(settings)))
    async with open_runtime(settings) as runtime:
        streams = Streams(runtime, load(names))
        get_logger().info(
            "platform.worker.start_completed", groups=len(streams.subscriptions)
        )
        await streams.run(stop)
    get_logger().info("platform.worker.stop_completed")
