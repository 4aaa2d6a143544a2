"""The stream worker: the relay, every consumer group, and telemetry ingestion."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from robosure.entrypoints.registry import load, stored_events
from robosure.platform.context import Context
from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.database.rights import excess
from robosure.platform.events import context_of
from robosure.platform.jobs import celery_app, celery_sender, install_sender
from robosure.platform.log_export import exporting_logs
from robosure.platform.logging import LoggerMixin, get_logger
from robosure.platform.metrics import STREAM_LANES
from robosure.platform.runtime import Runtime, open_runtime, settle
from robosure.platform.settings import Settings
from robosure.platform.streams import Postman, Reader, Relay, subscriptions
from robosure.platform.streams.bus import events_of
from robosure.platform.streams.projections import Replayer
from robosure.platform.tracing import configure_tracing

Running = Callable[[asyncio.Event], Awaitable[None]]

_INGEST_ATTEMPTS: Final = 3
_UPKEEP_SECONDS: Final = 5.0
_LAST_SECONDS: Final = 30.0


class Streams(LoggerMixin):
    """Everything that reads or writes streams for some contexts."""

    def __init__(self, runtime: Runtime, contexts: Sequence[Context]) -> None:
        settings = runtime.settings
        self._bus = runtime.bus
        self._database = runtime.database
        self._in_production = settings.environment == "production"
        self.relay = Relay(
            runtime.database, runtime.bus, listen_url=settings.sync_database_url
        )
        self.readers = [
            Reader(
                runtime.bus,
                runtime.database,
                effects,
                attempts=settings.event_attempts,
                clock=runtime.clock,
            )
            for effects in subscriptions(
                [consumer for context in contexts for consumer in context.consumers]
            )
        ]
        handlers = [h for context in load() for h in context.batch_handlers]
        self.readers += [
            Reader(
                runtime.bus,
                runtime.database,
                context.processor(handlers),
                attempts=_INGEST_ATTEMPTS,
                partitions=settings.event_partitions,
                clock=runtime.clock,
            )
            for context in contexts
            if context.processor
        ]
        self.postman = Postman(
            runtime.database,
            [reader.effects for reader in self.readers],
            clock=runtime.clock,
        )
        self.replayer = Replayer(
            runtime.database,
            [each for context in contexts for each in context.projections],
            stored=stored_events(load()),
            inbox_kept=timedelta(days=settings.inbox_retention_days),
            clock=runtime.clock,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run until stopped; what is at hand is finished first."""
        with on_behalf_of(PLATFORM):
            await self._run(stop)

    async def _run(self, stop: asyncio.Event) -> None:
        for reader in self.readers:
            # Shown as 0 until there is one: who waits for lanes is a worker too.
            STREAM_LANES.labels(reader.effects.stream, reader.effects.group)
        while not stop.is_set():
            try:
                await self._declare()
                await self._warn()
                break
            except (OSError, SQLAlchemyError) as error:
                reason = str(error)[:300]
                self.logger.warning("platform.worker.start_postponed", reason=reason)
                await asyncio.sleep(1)
        running: list[Running] = [
            self.relay.run,
            self.postman.run,
            self.replayer.run,
            self._keep_up,
            *(reader.run for reader in self.readers),
        ]
        async with asyncio.TaskGroup() as tasks:
            for run in running:
                tasks.create_task(_fulfil(run, stop))

    async def _declare(self) -> None:
        """Declare every context's groups, also of those that work elsewhere.

        A stream is trimmed to what its groups still need; a group that came later
        would miss what was trimmed before.
        """
        for context in load():
            for consumer in context.consumers:
                stream = events_of(context_of(consumer.event))
                await self._bus.declare(stream, consumer.group)
        for reader in self.readers:
            await reader.declare()

    async def _warn(self) -> None:
        """Say in the log how accepted events could be lost, and of needless rights."""
        for weakness in await self._bus.weaknesses():
            self.logger.warning("platform.worker.events_not_durable", reason=weakness)
        if self._in_production:
            async with self._database.read() as session:
                for right in await excess(session):
                    self.logger.error("platform.worker.login_may_too_much", right=right)

    async def _keep_up(self, stop: asyncio.Event) -> None:
        """On a timer: drop what nobody needs any more, and measure what waits."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _UPKEEP_SECONDS)
            try:
                for reader in self.readers:
                    await reader.keep_up()
            except OSError as error:
                reason = str(error)[:300]
                self.logger.warning("platform.worker.upkeep_postponed", reason=reason)

    async def drain(self) -> int:
        """Relay and handle until nothing is left; return how much was handled."""
        handled = 0
        with on_behalf_of(PLATFORM):
            while moved := await self._round():
                handled += moved
        return handled

    async def _round(self) -> int:
        moved = 0
        while relayed := await self.relay.relay():
            moved += relayed
        for reader in await self.waiting():
            moved += await reader.drain()
        moved += await self.postman.deliver()
        return moved + await self.replayer.drain()

    async def waiting(self) -> Sequence[Reader]:
        """Return the readers for whom there may be something to handle."""
        return self.readers


async def _fulfil(run: Running, stop: asyncio.Event) -> None:
    try:
        await run(stop)
    except BaseException:
        # Without one of its parts the worker is to end, and be started again.
        stop.set()
        raise


async def _leave(stop: asyncio.Event) -> None:
    """End the process when it was told to stop and something in it does not."""
    await stop.wait()
    await asyncio.sleep(_LAST_SECONDS)
    get_logger().critical("platform.worker.stop_abandoned")
    os._exit(os.EX_SOFTWARE)


async def work(settings: Settings, names: Sequence[str] = ()) -> None:
    """Work until SIGINT or SIGTERM, for the named contexts or for all."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    configure_tracing(settings, service="robosure-worker")
    install_sender(celery_sender(celery_app(settings)))
    with exporting_logs(settings, service="robosure-worker"):
        async with open_runtime(settings) as runtime:
            streams = Streams(runtime, load(names))
            get_logger().info(
                "platform.worker.start_completed", groups=len(streams.readers)
            )
            settle()
            leaving = asyncio.create_task(_leave(stop))
            await streams.run(stop)
            leaving.cancel()
        get_logger().info("platform.worker.stop_completed")
