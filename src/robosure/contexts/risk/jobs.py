"""Risk's job: score the robots about which something new is known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.risk.repository import stale_robots
from robosure.contexts.risk.service import RiskService
from robosure.platform.jobs import Job
from robosure.platform.logging import DomainLogger
from robosure.platform.runtime import Runtime

_log: Final = DomainLogger("risk", "jobs")


async def _score_stale(runtime: Runtime, *ids: str) -> None:
    for robot_id in [UUID(each) for each in ids] or await _waiting(runtime):
        try:
            async with runtime.database.write() as session:
                await RiskService.on(session).score(robot_id, at=runtime.clock.now())
        except Exception:  # noqa: BLE001 - one robot must not hold up the others
            _log.failed("score", robot_id=str(robot_id))


async def _waiting(runtime: Runtime) -> Sequence[UUID]:
    async with runtime.database.read() as session:
        return await stale_robots(session)


score_stale: Final = Job(
    "risk.score_stale", _score_stale, every=timedelta(seconds=2), queue="high"
)
