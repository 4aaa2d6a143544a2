"""For which robots somebody may speak."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.eventflow.ports import KnownRobots
from robosure.contexts.eventflow.schemas import CloudEvent
from robosure.contexts.eventflow.service.forms import Refusal
from robosure.kernel.time import Clock

REMEMBERED: Final = timedelta(seconds=10)
"""For so long at most a robot that changed hands is still taken to be whose it was."""
_MOST: Final = 100_000
_ROBOTS: Final = "/robots/"


def own_source(robot_id: UUID) -> str:
    """Return the source of what a robot's own telemetry is mapped to."""
    return f"{_ROBOTS}{robot_id}"


@dataclass(frozen=True)
class Voice:
    """For which robots somebody may speak.

    Attributes:
        robots: their ids; None for all.
        code: of the refusal of any other.
    """

    robots: frozenset[UUID] | None
    code: str

    def objection(self, event: CloudEvent, own: str) -> Refusal | None:
        """Return why the event is not theirs to tell; None if it is.

        An event about another robot must not take a robot's own source, or the robot's
        own event of the same id would pass for a repeat.

        Args:
            event: valid.
            own: the source that only the event's robot has.
        """
        if self.robots is not None and event.subject not in self.robots:
            detail = "not one of the robots you speak for, or not known here yet"
            return Refusal(self.code, detail, event.id)
        if event.source != own and event.source.startswith(_ROBOTS):
            detail = f"source: may only be {own}"
            return Refusal("source_of_another_robot", detail, event.id)
        return None


@dataclass
class _Fleet:
    """Robots of an organisation that were found to be, since a moment."""

    since: datetime
    robots: frozenset[UUID] = field(default_factory=frozenset[UUID])


class RememberedRobots:
    """Known robots, remembered for :data:`REMEMBERED`.

    Only that a robot is an organisation's is remembered, never that it is not: what was
    registered just now counts at once.
    """

    def __init__(self, known: KnownRobots, clock: Clock, *, most: int = _MOST) -> None:
        self._known = known
        self._clock = clock
        self._most = most
        self._fleets: dict[UUID, _Fleet] = {}
        self._remembered = 0

    async def of(
        self, organisation_id: UUID, *, among: Collection[UUID]
    ) -> frozenset[UUID]:
        """Return which of these robots that organisation runs or made, and others."""
        asked = frozenset(among)
        now = self._clock.now()
        fleet = self._fleets.get(organisation_id)
        if fleet is None or not fleet.since <= now < fleet.since + REMEMBERED:
            fleet = _Fleet(since=now)
        elif asked <= fleet.robots:
            return fleet.robots
        found = await self._known.of(organisation_id, among=asked - fleet.robots)
        if found:
            fleet.robots |= found
            self._remember(organisation_id, fleet, more=len(found))
        return fleet.robots

    def _remember(self, organisation_id: UUID, fleet: _Fleet, *, more: int) -> None:
        self._remembered += more
        if self._remembered > self._most:
            self._fleets.clear()
            self._remembered = len(fleet.robots)
        self._fleets[organisation_id] = fleet
