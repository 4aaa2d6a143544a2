"""The feed: up to where the store is decided, for those who follow it live.

A reader goes no further than the *horizon*: the last position below which nothing can
appear any more (:mod:`robosure.platform.database.running`). A transaction that writes
for long, whatever it writes, holds the horizon back; nothing is lost by that, and
nothing comes out of order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from robosure.kernel.errors import Unavailable
from robosure.platform.database import (
    Database,
    ReadSession,
    WriteSession,
    writers,
)
from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.database.connecting import connect
from robosure.platform.logging import LoggerMixin, get_logger
from robosure.platform.outbox import CHANNEL as FACTS_TOLD
from robosure.platform.runtime import Runtime

EVENTS_STORED: Final = "robosure_events"
FOLLOWERS: Final = 100
"""How many may follow in one process."""
_POLL_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.05
"""Between two looks, at least."""
_RING_SECONDS: Final = 0.05

_TAKEN: Final = text(
    "SELECT CASE WHEN b.is_called THEN b.last_value ELSE 0 END, "
    "CASE WHEN f.is_called THEN f.last_value ELSE 0 END, clock_timestamp() "
    "FROM eventflow.batch_positions b, platform.outbox_position_seq f"
)


class Horizon(NamedTuple):
    """The last decided positions, and when they were the last taken."""

    batches: int
    facts: int
    at: datetime


class _Mark(NamedTuple):
    """Positions that are decided once none of the writers is running."""

    taken: Horizon
    writers: frozenset[str]


class Feed(LoggerMixin):
    """Watches the horizon for all followers of a process, as long as there are any."""

    def __init__(self, database: Database, *, listen_url: str) -> None:
        self._database = database
        self._listen_url = listen_url
        self._marks: deque[_Mark] = deque()
        self._horizon: Horizon | None = None
        self._moved = asyncio.Event()
        self._woken = asyncio.Event()
        self._followers = 0
        self._watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[Feed]:
        """Follow; the first one begins to watch, and the last one ends it.

        Raises:
            Unavailable: enough follow already.
        """
        self.admit()
        self._followers += 1
        if self._watching is None:
            with on_behalf_of(PLATFORM):  # not of who happens to be the first
                self._watching = asyncio.create_task(self._watch())
        try:
            yield self
        finally:
            self._followers -= 1
            if not self._followers:
                await self._stop()

    def admit(self) -> None:
        """Refuse one more than can be served.

        Raises:
            Unavailable: enough follow already.
        """
        if self._followers >= FOLLOWERS:
            raise Unavailable("too_many_streams", limit=FOLLOWERS)

    async def beyond(self, seen: Horizon | None, *, wait: float) -> Horizon | None:
        """Return the horizon once it is another than the one seen.

        Args:
            seen: the last one; None for any.
            wait: seconds; None is returned after these.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while self._horizon is None or self._same_as(seen):
                    await self._moved.wait()
                return self._horizon
        return None

    async def taken(self) -> Horizon:
        """Return the last positions that were taken, decided or not."""
        async with self._database.read() as session:
            return await self._taken(session)

    async def _taken(self, session: ReadSession) -> Horizon:
        return Horizon(*(await session.execute(_TAKEN)).one())

    def _same_as(self, seen: Horizon | None) -> bool:
        return (
            seen is not None
            and self._horizon is not None
            and (self._horizon[:2] == seen[:2])
        )

    async def _watch(self) -> None:
        listening = asyncio.create_task(self._listen())
        try:
            while True:
                self._woken.clear()
                try:
                    await self._look()
                except (SQLAlchemyError, OSError) as error:
                    reason = str(error)[:300]
                    self.logger.warning("eventflow.feed.look_postponed", reason=reason)
                await asyncio.sleep(_LOOK_SECONDS)
                if not self._marks:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), _POLL_SECONDS)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _look(self) -> None:
        """Move the horizon to what is decided by now."""
        async with self._database.read() as session:
            taken = await self._taken(session)
            running = await writers(session)
        if len(self._marks) > 1:
            self._marks.pop()  # what was taken later is decided later: the newest do
        self._marks.append(_Mark(taken, running))
        decided = self._horizon
        while self._marks and self._marks[0].writers.isdisjoint(running):
            decided = self._marks.popleft().taken
        if decided is not None and decided != self._horizon:
            self._horizon = decided
            self._moved.set()
            self._moved = asyncio.Event()

    async def _listen(self) -> None:
        """Keep a connection that hears when something was stored or told."""
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await connect(
                    self._listen_url, password=self._database.password
                )
                try:
                    lost = asyncio.Event()
                    connection.add_termination_listener(_setting(lost))
                    for channel in (EVENTS_STORED, FACTS_TOLD):
                        await connection.add_listener(channel, self._wake)
                    await lost.wait()
                finally:
                    connection.terminate()
            await asyncio.sleep(_POLL_SECONDS)

    def _wake(self, *_: Any) -> None:
        self._woken.set()

    async def _stop(self) -> None:
        watching, self._watching = self._watching, None
        self._horizon = None
        self._marks.clear()
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


def _setting(event: asyncio.Event) -> Callable[..., None]:
    def heard(*_: Any) -> None:
        event.set()

    return heard


def feed_of(runtime: Runtime) -> Feed:
    """Return the process's feed of that database."""
    feed = _feeds.get(runtime.database)
    if feed is None:
        url = runtime.settings.sync_database_url
        feed = _feeds[runtime.database] = Feed(runtime.database, listen_url=url)
    return feed


_feeds: Final[WeakKeyDictionary[Database, Feed]] = WeakKeyDictionary()


def announce(session: WriteSession) -> None:
    """Wake those who follow, once the transaction is committed.

    In a transaction of its own, for PostgreSQL lets one at a time commit that notifies;
    and a few times a second at most, with the last never left out.
    """
    engine = session.bind
    if isinstance(engine, AsyncEngine):
        session.after_commit(lambda: _ring(engine))


async def _ring(engine: AsyncEngine) -> None:
    if engine not in _ringing:
        task = asyncio.create_task(_ring_later(engine))
        _ringing[engine] = task


async def _ring_later(engine: AsyncEngine) -> None:
    try:
        await asyncio.sleep(_RING_SECONDS)
    finally:
        _ringing.pop(engine, None)
    try:
        async with engine.connect() as connection:
            await connection.execute(text(f"NOTIFY {EVENTS_STORED}"))
            await connection.commit()
    except (SQLAlchemyError, OSError) as error:
        get_logger().debug("eventflow.feed.ring_failed", reason=str(error)[:300])


_ringing: Final[WeakKeyDictionary[AsyncEngine, asyncio.Task[None]]] = (
    WeakKeyDictionary()
)
