"""The postman: lets dead letters take effect after all, when that is asked or due."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from robosure.kernel.time import Clock, SystemClock
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database.session import Database
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import DEAD_LETTERS, EVENTS_FAILED, EVENTS_PROCESSED
from robosure.platform.outages import infrastructure_is_away
from robosure.platform.streams.effects import Effects
from robosure.platform.streams.letters import (
    Due,
    dead_letters,
    mark_failed,
    mark_replayed,
    next_due,
)

_POLL_SECONDS: Final = 1.0
_MEASURE_SECONDS: Final = 5.0


class Postman(LoggerMixin):
    """Delivers letters, each in a transaction with its effects."""

    def __init__(
        self,
        database: Database,
        effects: Iterable[Effects[Any]],
        *,
        clock: Clock | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: where letters and effects are.
            effects: of every group that works here.
            clock: says what is due.
        """
        self._database = database
        self._effects: dict[str, list[Effects[Any]]] = {}
        for each in effects:
            self._effects.setdefault(each.group, []).append(each)
        self._clock = clock or SystemClock()
        self._measure_at = 0.0

    async def deliver(self) -> int:
        """Deliver what is due; return how many letters, delivered or not."""
        handled = 0
        while await self._deliver_next():
            handled += 1
        return handled

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until stopped."""
        while not stop.is_set():
            try:
                await self.deliver()
                await self._measure()
            except (SQLAlchemyError, OSError) as error:
                self.logger.warning(
                    "platform.postman.deliver_postponed", reason=str(error)[:300]
                )
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _POLL_SECONDS)

    async def _deliver_next(self) -> bool:
        due: Due | None = None
        try:
            async with self._database.write() as session:
                at = self._clock.now()
                due = await next_due(session, list(self._effects), at=at)
                if due is None:
                    return False
                effects = self._handling(due)
                correlation_id = due.correlation_id or str(uuid4())
                with correlated(Correlation(correlation_id, actor=due.settled_by)):
                    await effects.apply(session, [effects.restore(due.content)])
                await mark_replayed(session, due.id, at=at)
        except Exception as error:
            if due is None or infrastructure_is_away(error):
                raise
            self.logger.warning(
                "platform.postman.deliver_failed",
                letter=str(due.id),
                consumer=due.consumer,
                reason=str(error)[:300],
            )
            async with self._database.write() as session:
                await mark_failed(session, due.id, error=error, at=self._clock.now())
            EVENTS_FAILED.labels(due.stream, due.consumer).inc()
        else:
            EVENTS_PROCESSED.labels(due.stream, due.consumer).inc()
        return True

    def _handling(self, due: Due) -> Effects[Any]:
        """Return who handles the letter: the group's, for the letter's stream."""
        return next(e for e in self._effects[due.consumer] if e.stream == due.stream)

    async def _measure(self) -> None:
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + _MEASURE_SECONDS
        counting = (
            select(dead_letters.c.consumer, func.count().label("letters"))
            .where(dead_letters.c.status.in_(["waiting", "retrying", "replaying"]))
            .group_by(dead_letters.c.consumer)
        )
        async with self._database.read() as session:
            rows = (await session.execute(counting)).all()
        counted = {row.consumer: row.letters for row in rows}
        for consumer in self._effects:
            DEAD_LETTERS.labels(consumer).set(counted.get(consumer, 0))
