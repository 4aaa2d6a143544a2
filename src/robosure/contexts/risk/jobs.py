"""Risk's job: score the robots about which something new is known."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.risk.repository import robots_to_sum, stale_robots
from robosure.contexts.risk.service import RiskService
from robosure.platform.database import WriteSession
from robosure.platform.jobs import Job
from robosure.platform.logging import DomainLogger
from robosure.platform.outages import infrastructure_is_away
from robosure.platform.runtime import Runtime
from robosure.platform.streams.bus import INGEST, INGEST_GROUP, BusAwayError

_log: Final = DomainLogger("risk", "jobs")
_TOGETHER: Final = 50
"""How many robots are scored in one transaction."""
_A_FEW: Final = 100
"""Robots of one run, and again those that are not done at once; the next goes on. So
whatever else is done on the machine has its turns in between. Those that fail do not
count, for they wait the longest, and would be all that is ever tried.
"""
_MANY: Final = 2_000
"""If so many wait, a run is for all of these, for how long it rests is bounded."""
_IN_TIME: Final = timedelta(seconds=2)
"""Telemetry that waits for longer has a flood before it."""


async def _score_stale(runtime: Runtime, *ids: str) -> None:
    waiting = deque([UUID(each) for each in ids] or await _waiting(runtime))
    most = _MANY if ids or len(waiting) == _MANY else _A_FEW
    scored = 0
    while waiting and scored < most:
        together = [waiting.popleft() for _ in range(min(_TOGETHER, len(waiting)))]
        behind, failed = await _score(runtime, together)
        waiting.extend(behind)
        scored += len(together) - failed


async def _waiting(runtime: Runtime) -> Sequence[UUID]:
    async with runtime.database.read() as session:
        return await stale_robots(session, limit=_MANY)


async def _score(
    runtime: Runtime, robots: Sequence[UUID]
) -> tuple[Sequence[UUID], int]:
    """Score robots together, or else one by one.

    Returns:
        Those that are not done, and how many others failed.
    """
    try:
        async with runtime.database.write() as session:
            at = runtime.clock.now()
            return await RiskService.on(session).score(robots, at=at), 0
    except Exception as error:
        if infrastructure_is_away(error):
            raise
        if len(robots) == 1:
            # One robot must not hold up the others.
            _log.failed("score", robot_id=str(robots[0]))
            return [], 1
    outcomes = [await _score(runtime, [robot]) for robot in robots]
    behind = [robot for each, _ in outcomes for robot in each]
    return behind, sum(failed for _, failed in outcomes)


async def sum_up_some(session: WriteSession) -> bool:
    """Sum up what arrived of some robots, but score none; return whether more waits."""
    if waiting := await robots_to_sum(session, limit=_TOGETHER):
        await RiskService.on(session).sum_up(waiting)
    return bool(await robots_to_sum(session, limit=1))


async def _is_behind(runtime: Runtime) -> bool:
    """Whether so much telemetry waits that a score is out of date when it is made."""
    partitions = runtime.settings.event_partitions
    try:
        waiting = await runtime.bus.backlog(INGEST, INGEST_GROUP, partitions=partitions)
    except BusAwayError:  # then none comes, and what came can be scored
        return False
    if waiting.oldest is None:
        return False
    return runtime.clock.now() - waiting.oldest > _IN_TIME


score_stale: Final = Job(
    "risk.score_stale",
    _score_stale,
    every=timedelta(seconds=1),
    queue="high",
    # A score of a robot costs the same however much arrived of it meanwhile.
    share=0.25,
    gives_way=_is_behind,
)
