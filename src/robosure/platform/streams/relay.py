"""The relay: from the outbox to the bus, in order, at least once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from robosure.platform.database.connecting import connect
from robosure.platform.database.session import Database, WriteSession
from robosure.platform.events import Told, types_by_name
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import OUTBOX_DEPTH, OUTBOX_OLDEST_SECONDS
from robosure.platform.outbox import CHANNEL, backlog, mark_published, unpublished
from robosure.platform.streams.bus import EventBus, Record, events_of
from robosure.platform.streams.facts import TOLD

_BATCH: Final = 500
_POLL_SECONDS: Final = 1.0
_MEASURE_SECONDS: Final = 5.0


class Relay(LoggerMixin):
    """Appends committed facts to the stream of the context that told them.

    A crash between appending and marking appends them again; the inbox of each
    consumer makes that harmless.
    """

    def __init__(self, database: Database, bus: EventBus, *, listen_url: str) -> None:
        self._database = database
        self._bus = bus
        self._listen_url = listen_url
        self._woken = asyncio.Event()
        self._measure_at = 0.0

    async def relay(self) -> int:
        """Relay what waits, at most one batch; return how many facts."""
        async with self._database.write() as session:
            await self._measure(session)
            waiting = await unpublished(session, _BATCH)
            if not waiting:
                return 0
            about = subject_fields()
            await self._bus.append(
                *(
                    Record(
                        events_of(context),
                        TOLD.dump_json(told),
                        key=_subject(told, about),
                    )
                    for _, context, told in waiting
                )
            )
            await mark_published(session, [position for position, *_ in waiting])
            return len(waiting)

    async def _measure(self, session: WriteSession) -> None:
        """Publish the backlog, every few seconds."""
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + _MEASURE_SECONDS
        depth, oldest = await backlog(session)
        age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
        OUTBOX_DEPTH.set(depth)
        OUTBOX_OLDEST_SECONDS.set(max(0.0, age))

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until stopped: woken by NOTIFY, and polling in case none comes."""
        listening = asyncio.create_task(self._listen())
        try:
            while not stop.is_set():
                # Before looking: what is told meanwhile is looked for again.
                self._woken.clear()
                try:
                    if await self.relay() == _BATCH:
                        continue
                except (SQLAlchemyError, OSError) as error:
                    self.logger.warning(
                        "platform.relay.relay_postponed", reason=str(error)[:300]
                    )
                await self._wait(stop)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _wait(self, stop: asyncio.Event) -> None:
        waits = [
            asyncio.create_task(self._woken.wait()),
            asyncio.create_task(stop.wait()),
        ]
        await asyncio.wait(
            waits, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        for wait in waits:
            wait.cancel()

    async def _listen(self) -> None:
        """Keep a connection that hears NOTIFY; lose it and polling goes on alone."""
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await connect(
                    self._listen_url, password=self._database.password
                )
                try:
                    lost = asyncio.Event()
                    connection.add_termination_listener(_setting(lost))
                    await connection.add_listener(CHANNEL, self._wake)
                    await lost.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(_POLL_SECONDS)

    def _wake(self, *_: Any) -> None:
        self._woken.set()


def subject_fields() -> dict[str, str]:
    """Return which field says what a fact is about, by the fact's name: its first."""
    about: dict[str, str] = {}
    for name, kind in types_by_name().items():
        declared: Any = kind
        if is_dataclass(declared) and fields(declared):
            about[name] = fields(declared)[0].name
    return about


def _subject(told: Told, about: Mapping[str, str]) -> bytes | None:
    """Return the id of what a fact is about; None if its kind is told no more."""
    subject = told.payload.get(about.get(told.envelope.type, ""))
    return None if subject is None else str(subject).encode()


def _setting(event: asyncio.Event) -> Callable[..., None]:
    def heard(*_: Any) -> None:
        event.set()

    return heard
