"""What risk needs of its store. Everything takes robots in sets, for speed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from robosure.contexts.risk.domain import (
    ByWindow,
    Day,
    Limits,
    RiskSubject,
    Sample,
    Score,
    Settled,
    Span,
    Sums,
    Window,
)


class Kept(Protocol):
    """Samples of one robot, as they are kept: read when they are needed.

    Samples of many robots are not to be in memory at once.
    """

    def read(self) -> ByWindow:
        """Return them."""
        ...


class Arrived(Kept, Protocol):
    """Telemetry of one robot that is not summed up yet."""

    @property
    def chunks(self) -> Sequence[int]:
        """Ids of the chunks it came in."""
        ...

    @property
    def first_at(self) -> Mapping[datetime, datetime]:
        """When the first of it was, by the start of its window."""
        ...

    @property
    def more(self) -> bool:
        """Whether there is more of it, to be summed up next."""
        ...


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

    async def lock(self, robot_ids: Collection[UUID]) -> Sequence[RiskSubject]:
        """Lock robots, in the order of their ids.

        Returns:
            Those that no one else is at, and whose limits are known.
        """
        ...

    async def mark_summed(self, settled: Mapping[UUID, Settled]) -> None:
        """Remember how far the robots' days are settled."""
        ...

    async def mark_scored(self, scores: Mapping[UUID, UUID | None]) -> None:
        """Remember the robots' latest scores, and that they need no other."""
        ...


class Telemetry(Protocol):
    """Samples, in chunks."""

    async def add(
        self, arrived: Mapping[UUID, Sequence[Sample]], *, at: datetime
    ) -> None:
        """Store samples per robot."""
        ...

    async def arrived(self, robot_ids: Collection[UUID]) -> Mapping[UUID, Arrived]:
        """Return what is not summed up yet, the oldest first, a part of it if much."""
        ...

    async def of_windows(
        self, windows: Iterable[tuple[UUID, datetime]]
    ) -> Mapping[UUID, Kept]:
        """Return what windows were summed up from, by robot."""
        ...

    async def merge(
        self,
        chunks: Mapping[UUID, Sequence[int]],
        *,
        closed: Iterable[tuple[UUID, datetime]],
    ) -> None:
        """Note that chunks are summed up, and make one of those of a window.

        Args:
            chunks: ids of what was summed up, by robot.
            closed: windows that are over, of which all that is summed up is put in
                one chunk.
        """
        ...


class History(Protocol):
    """Sums of windows and days."""

    async def days(
        self, since: Mapping[UUID, datetime | None]
    ) -> Mapping[UUID, Sequence[Day]]:
        """Return robots' days from a moment on; None is all of them."""
        ...

    async def windows(
        self, spans: Iterable[tuple[UUID, Span]]
    ) -> Mapping[UUID, Sequence[Window]]:
        """Return robots' windows of these spans."""
        ...

    async def save(self, sums: Mapping[UUID, Sums]) -> None:
        """Store the windows and days of robots that changed."""
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
