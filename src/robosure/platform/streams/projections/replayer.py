"""The replayer: builds projections anew beside the live ones, and puts them in place.

A replay is a row that says how far it is. All work is done in small transactions, each
of which moves the row on together with what it did, so a replay goes on from there
whatever is killed when, and in whichever process. The same handlers that react to
facts and events do the work, in a schema of the replay's own.

It goes through the log of facts and the log of events as far as they are decided. Once
it is there, it locks the live tables, for a moment. Then every transaction that handles
something live is either over, so that the logs show what it handled, or has not touched
the tables, and will find the new ones. So what the logs show is replayed to the last,
and the tables change places: what was handled is in the new tables once, and nothing
else is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from robosure.kernel.time import Clock, SystemClock
from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.database.session import Database
from robosure.platform.logging import LoggerMixin
from robosure.platform.outages import infrastructure_is_away, sqlstate_of
from robosure.platform.streams.letters import error_text
from robosure.platform.streams.projections.horizon import Horizon, Positions
from robosure.platform.streams.projections.projection import Projection, StoredEvents
from robosure.platform.streams.projections.replays import UNDER_WAY, change, replays
from robosure.platform.streams.projections.side import drop_side, side_of
from robosure.platform.streams.projections.work import Work

_POLL_SECONDS: Final = 0.5
_UNDECIDED_SECONDS: Final = 0.05
_REST: Final = 0.25
"""How long to leave the process to live traffic, as a part of the time worked."""
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0
_LONGEST_TAIL: Final = Positions(facts=2_000, events=500)
"""What may be undecided when the live tables are locked: it is replayed meanwhile."""
_LOCK_NOT_AVAILABLE: Final = "55P03"


class Replayer(LoggerMixin):
    """Works on the replays that were asked for."""

    def __init__(
        self,
        database: Database,
        projections: Sequence[Projection],
        *,
        stored: StoredEvents,
        inbox_kept: timedelta,
        clock: Clock | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: where everything is.
            projections: those that can be replayed here.
            stored: the log of events from outside.
            inbox_kept: how long the inbox remembers which facts were handled.
            clock: says when a replay began and ended.
        """
        self._database = database
        self._projections = {each.name: each for each in projections}
        self._stored = stored
        self._inbox_kept = inbox_kept
        self._clock = clock or SystemClock()
        self._horizon = Horizon(database, stored)
        self._next_lock_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped; what is at hand is finished first."""
        while not stop.is_set():
            started = time.monotonic()
            pause = _POLL_SECONDS
            try:
                if await self.advance():
                    pause = (time.monotonic() - started) * _REST
            except (SQLAlchemyError, OSError) as error:
                self.logger.warning(
                    "platform.replayer.advance_postponed", reason=str(error)[:300]
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def drain(self) -> int:
        """Work until no replay is under way; return in how many steps."""
        steps = 0
        while await self.advance():
            steps += 1
        return steps

    async def advance(self) -> bool:
        """Do a small part of a replay; return whether there was one to do.

        Raises:
            SQLAlchemyError, OSError: the database is away; nothing is lost.
        """
        with on_behalf_of(PLATFORM):
            replay = await self._next()
            if replay is not None:
                await self._try_to_advance(replay)
        return replay is not None

    async def _try_to_advance(self, replay: Any) -> None:
        try:
            await self._advance(replay)
        except Exception as error:
            if infrastructure_is_away(error):
                raise
            self.logger.exception(
                "platform.replayer.replay_failed",
                replay=str(replay.id),
                projection=replay.projection,
            )
            await self._fail(replay.id, error)

    async def _advance(self, replay: Any) -> None:
        decided, taken = await self._horizon.look()
        async with self._working(replay) as work:
            if work is None:
                await asyncio.sleep(_UNDECIDED_SECONDS)  # another process is at it
                return
            caught_up = await work.step(decided)
        if not caught_up:
            return
        if not work.to_be_live or work.unprepared:
            async with self._working(replay) as work:
                if work is not None:
                    await (work.prepare() if work.to_be_live else work.keep())
        elif _behind(decided, taken) or time.monotonic() < self._next_lock_at:
            await asyncio.sleep(_UNDECIDED_SECONDS)
        else:
            await self._put_in_place(replay)

    async def _put_in_place(self, replay: Any) -> None:
        try:
            async with self._working(replay) as work:
                if work is not None:
                    await work.put_in_place()
        except DBAPIError as error:
            if sqlstate_of(error) != _LOCK_NOT_AVAILABLE:
                raise
            await self._postpone(replay.id)

    async def _postpone(self, replay_id: UUID) -> None:
        """Some transaction stayed at the live tables: catch up, and try again."""
        attempts = replays.c.lock_attempts + 1
        async with self._database.write() as session:
            await change(session, replay_id, lock_attempts=attempts)
            counting = select(replays.c.lock_attempts).where(replays.c.id == replay_id)
            tried = (await session.execute(counting)).scalar_one()
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(tried, 10))
        self._next_lock_at = time.monotonic() + pause
        self.logger.warning(
            "platform.replayer.switch_postponed", replay=str(replay_id), attempts=tried
        )

    @asynccontextmanager
    async def _working(self, replay: Any) -> AsyncIterator[Work | None]:
        """Open a transaction in the replay's schema, in which only we are at it."""
        projection = self._projections[replay.projection]
        schemas = {projection.schema: side_of(replay.id)}
        async with self._database.write_beside(schemas) as session:
            statement = (
                select(replays)
                .where(replays.c.id == replay.id, replays.c.status.in_(UNDER_WAY))
                .with_for_update(skip_locked=True)
            )
            row = (await session.execute(statement)).one_or_none()
            if row is None:
                yield None
                return
            yield Work(
                session,
                row,
                projection,
                stored=self._stored,
                inbox_kept=self._inbox_kept,
                clock=self._clock,
            )

    async def _next(self) -> Any:
        statement = (
            select(replays.c.id, replays.c.projection)
            .where(
                replays.c.status.in_(UNDER_WAY),
                replays.c.projection.in_(self._projections),
            )
            .order_by(replays.c.requested_at, replays.c.id)
            .limit(1)
        )
        async with self._database.read() as session:
            return (await session.execute(statement)).one_or_none()

    async def _fail(self, replay_id: UUID, error: Exception) -> None:
        async with self._database.write() as session:
            await drop_side(session, replay_id)
            await change(
                session,
                replay_id,
                status="failed",
                phase=None,
                error=error_text(error),
                finished_at=self._clock.now(),
            )


def _behind(decided: Positions, taken: Positions) -> bool:
    return any(
        ahead - at > most
        for at, ahead, most in zip(decided, taken, _LONGEST_TAIL, strict=True)
    )
