"""The work on a replay, in one transaction at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Row

from robosure.kernel.time import Clock
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database.session import WriteSession
from robosure.platform.events import Told, adapter, type_of
from robosure.platform.logging import LoggerMixin
from robosure.platform.outages import infrastructure_is_away
from robosure.platform.streams.ingest import StreamEvent
from robosure.platform.streams.letters import error_text
from robosure.platform.streams.projections.horizon import Positions
from robosure.platform.streams.projections.projection import (
    Projection,
    StoredEvents,
    Times,
)
from robosure.platform.streams.projections.replays import (
    KEPT,
    Status,
    change,
    replays,
)
from robosure.platform.streams.projections.side import Side, drop_side, side_of
from robosure.platform.streams.projections.told import (
    FactLog,
    Selection,
    Turn,
    skipped_facts,
)

FACTS_AT_ONCE: Final = 500
EVENTS_AT_ONCE: Final = 2_000


class ReplayError(Exception):
    """A handler refuses what it handled live; the text says what that was."""


class Work(LoggerMixin):
    """A replay's row, locked, and what can be done for it in this transaction."""

    def __init__(
        self,
        session: WriteSession,
        row: Row[Any],
        projection: Projection,
        *,
        stored: StoredEvents,
        inbox_kept: timedelta,
        clock: Clock,
    ) -> None:
        self._session = session
        self._row = row
        self._projection = projection
        self._stored = stored
        self._clock = clock
        self._handlers = {type_of(each.event): each for each in projection.consumers}
        self._side = Side(session, row.id, projection.tables)
        # To read events of any time, what they are about has to be known: by all facts.
        self._times = Times(row.since, row.until)
        told = Times() if projection.batch_handlers else self._times
        self._facts = FactLog(
            session,
            Selection(projection, told, inbox_kept),
            skipped=skipped_facts(side_of(row.id)),
        )

    @property
    def to_be_live(self) -> bool:
        """Whether the tables are to replace the live ones, for they hold all."""
        return self._row.since is None and self._row.until is None

    @property
    def unprepared(self) -> bool:
        """Whether something is to be done before the live tables are locked."""
        return not self._row.analyzed

    async def step(self, decided: Positions) -> bool:
        """Do some of what is left; return whether that was the last for now.

        Args:
            decided: how far to go.
        """
        if self._row.cancelling:
            await self._cancel()
            return False
        started = time.perf_counter()
        if self._row.started_at is None:
            await self._begin()
            caught_up = False
        else:
            caught_up = (
                await self._replay_facts(decided.facts)
                and await self._replay_events(decided.events)
                and await self._derive()
            )
        worked = replays.c.worked_seconds + (time.perf_counter() - started)
        await self._change(worked_seconds=worked)
        return caught_up

    async def prepare(self) -> None:
        """Do what takes long before the live tables are locked."""
        await self._side.analyze()
        await self._change(analyzed=True, phase="switching")

    async def put_in_place(self) -> None:
        """Replay the last of what was handled, and let the tables change places.

        Raises:
            DBAPIError: ``55P03``, some transaction stays at the live tables.
        """
        await self._side.lock()
        left_out = await self._replay_rest()
        if self._projection.adopt is not None:
            await self._projection.adopt(self._session)
        await self._session.flush()
        await self._side.switch()
        await self._end("done", left_out=left_out, kept=True)

    async def keep(self) -> None:
        """End with tables for looking at."""
        left_out = await self._replay_rest()
        await self._session.flush()
        rows = await self._side.settle()
        await self._end("kept", left_out=left_out, rows=rows, kept=True)

    async def _begin(self) -> None:
        await self._side.create()
        total = await self._facts.count() if self._projection.consumers else 0
        if self._projection.batch_handlers:
            total += await self._stored.count(self._session, self._times)
        await self._change(
            status="running", started_at=self._clock.now(), phase="facts", total=total
        )

    async def _cancel(self) -> None:
        await drop_side(self._session, self._row.id)
        await self._end("cancelled")

    async def _replay_facts(self, through: int) -> bool:
        """Replay some; return whether these were the last for now."""
        if not self._projection.consumers or through <= self._row.fact_position:
            return True
        turn = await self._facts.after(
            self._row.fact_position, through=through, limit=FACTS_AT_ONCE
        )
        await self._take(turn)
        await self._change(
            phase="facts",
            fact_position=turn.position,
            done=replays.c.done + len(turn.handled) + len(turn.left_out),
        )
        return turn.position == through

    async def _replay_events(self, through: int) -> bool:
        if not self._projection.batch_handlers or through <= self._row.event_position:
            return True
        position = await self._take_events(self._row.event_position, through)
        return position == through

    async def _take_events(self, position: int, through: int | None) -> int:
        stored = await self._stored.after(
            self._session,
            position,
            through=through,
            types=self._projection.event_types,
            times=self._times,
            limit=EVENTS_AT_ONCE,
        )
        await self._let_events_take_effect(stored.events)
        await self._change(
            phase="events",
            event_position=stored.position,
            done=replays.c.done + stored.passed,
        )
        return stored.position

    async def _derive(self) -> bool:
        """Do some of what jobs do; return whether that was the last for now."""
        if self._projection.derive is None:
            return True
        left = await self._projection.derive(self._session)
        if left:
            await self._change(phase="deriving")
        return not left

    async def _replay_rest(self) -> int:
        """Replay all that is left; return how many facts are not in it."""
        if self._projection.consumers:
            again = await self._facts.skipped()
            await self._facts.forget_skipped()
            await self._take(again)
            turn = await self._facts.after(
                self._row.fact_position, through=None, limit=None
            )
            await self._take(turn)
        if self._projection.batch_handlers:
            position = self._row.event_position
            while (last := await self._take_events(position, None)) != position:
                position = last
        while not await self._derive():
            pass
        return await self._facts.left_out()

    async def _take(self, turn: Turn) -> None:
        for told in turn.handled:
            await self._let_fact_take_effect(told)
        await self._facts.note(turn)

    async def _let_fact_take_effect(self, told: Told) -> None:
        envelope = told.envelope
        consumer = self._handlers[envelope.type]
        because = Correlation(
            envelope.correlation_id, envelope.event_id, envelope.actor
        )
        try:
            with correlated(because):
                event = adapter(consumer.event).validate_python(told.payload)
                await consumer.handler(self._session, event, envelope)
                await self._session.flush()
        except Exception as error:
            if infrastructure_is_away(error):
                raise
            message = f"{envelope.type} {envelope.event_id}: {error_text(error)}"
            raise ReplayError(message) from error

    async def _let_events_take_effect(self, events: Sequence[StreamEvent]) -> None:
        with correlated(Correlation(str(uuid4()))):
            for handler in self._projection.batch_handlers:
                chosen = [each for each in events if each.type == handler.event_type]
                if chosen:
                    await handler.handle(self._session, chosen)
            await self._session.flush()

    async def _end(self, status: Status, *, kept: bool = False, **values: Any) -> None:
        now = self._clock.now()
        await self._change(
            status=status,
            phase=None,
            finished_at=now,
            kept_until=now + KEPT if kept else None,
            **values,
        )
        self.logger.info(
            "platform.replayer.replay_ended",
            replay=str(self._row.id),
            projection=self._projection.name,
            status=status,
        )

    async def _change(self, **values: Any) -> None:
        await change(self._session, self._row.id, **values)
