"""What risk needs of its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from robosure.contexts.risk.domain import (
    Limits,
    RiskSubject,
    Sample,
    Score,
    Settled,
    Window,
)


class Robots(Protocol):
    """Robots as risk knows them: whose they are, their limits, whether to score."""

    async def know_model(self, model_id: UUID, limits: Limits) -> None:
        """Keep a model's limits."""
        ...

    async def know_robot(
        self,
        robot_id: UUID,
        *,
        model_id: UUID,
        operator_id: UUID,
        manufacturer_id: UUID,
    ) -> None:
        """Keep whose robot it is, and of which model."""
        ...

    async def of_model(self, model_id: UUID) -> Sequence[UUID]:
        """Return the known robots of a model."""
        ...

    async def mark_stale(self, robot_ids: Sequence[UUID], *, at: datetime) -> None:
        """Lock the robots, in the order of their ids, and ask for them to be scored."""
        ...

    async def lock_stale(self, robot_id: UUID) -> RiskSubject | None:
        """Lock a robot that is to be scored.

        Returns:
            None if it need not be any more, someone else is at it, or its limits are
            not known yet.
        """
        ...

    async def mark_scored(
        self, robot_id: UUID, *, settled: Settled, score_id: UUID | None
    ) -> None:
        """Remember where scoring got to."""
        ...


class Windows(Protocol):
    """Samples, and the windows that sum them up."""

    async def add(self, arrived: Mapping[UUID, Sequence[Sample]]) -> None:
        """Store samples per robot, and mark their windows stale."""
        ...

    async def stale(self, robot_id: UUID) -> Sequence[Window]:
        """Return the windows for which samples arrived, in order of time."""
        ...

    async def samples(
        self, robot_id: UUID, *, since: datetime, before: datetime
    ) -> Sequence[Sample]:
        """Return a robot's samples of a span."""
        ...

    async def save(self, robot_id: UUID, window: Window) -> None:
        """Store a window that was brought up to date."""
        ...

    async def since(self, robot_id: UUID, moment: datetime | None) -> Sequence[Window]:
        """Return the windows from that one on, in order of time; None is all."""
        ...


class Scores(Protocol):
    """Scores, which are only ever added."""

    def add(self, score: Score) -> None:
        """Store a score."""
        ...

    async def get(self, score_id: UUID) -> Score:
        """Return a score.

        Raises:
            NotFound: there is none of that id.
        """
        ...
