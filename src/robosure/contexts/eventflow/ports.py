"""What eventflow needs from outside: who runs a robot, and its own rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from robosure.contexts.eventflow.domain import Extraction, StoredEvent


class KnownRobots(Protocol):
    """Our copy of which organisation runs, and which one made, a robot."""

    async def of(
        self, organisation_id: UUID, *, among: Collection[UUID]
    ) -> frozenset[UUID]:
        """Return which of these robots that organisation runs or made."""
        ...


class StoredEvents(Protocol):
    """Events that were processed."""

    async def telemetry(
        self, robot_id: UUID, *, start: datetime, end: datetime
    ) -> Sequence[StoredEvent]:
        """Return a robot's telemetry from ``start`` to ``end``, both included."""
        ...


class Extractions(Protocol):
    """Requests for evidence."""

    async def add(self, extraction: Extraction) -> None:
        """Keep a new one; one that is known already stays as it is."""
        ...

    async def next_due(
        self, *, at: datetime, among: Collection[UUID]
    ) -> Extraction | None:
        """Return one to be done, locked; skip what others hold.

        Args:
            at: now.
            among: only these; any if empty.
        """
        ...
