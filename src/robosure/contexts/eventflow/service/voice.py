"""For which robots somebody may speak."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

from robosure.contexts.eventflow.ports import KnownRobots
from robosure.contexts.eventflow.schemas.plain import Taken
from robosure.contexts.eventflow.service.forms import Refusal
from robosure.kernel.time import Clock

REMEMBERED: Final = timedelta(seconds=10)
"""For so long at most a robot that changed hands is still taken to be whose it was."""
_MOST: Final = 100_000
_RENEWED: Final = 0.8 * REMEMBERED
"""After so long one request asks again, while others go by what is remembered."""
_AGAIN: Final = 10_000
"""So many at most are asked for again at once; others, when they are heard of."""
_ROBOTS: Final = "/robots/"


def own_source(robot_id: UUID | str) -> str:
    """Return the source of what a robot's own telemetry is mapped to."""
    return f"{_ROBOTS}{robot_id}"


class Voice(NamedTuple):
    """For which robots somebody may speak.

    Attributes:
        robots: their ids, as text; None for all.
        code: of the refusal of any other.
    """

    robots: frozenset[str] | None
    code: str

    def objection(self, event: Taken, own: str) -> Refusal | None:
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
    """Robots of an organisation that were found to be, since a moment.

    Attributes:
        renewing: whether somebody asks for all of them again.
    """

    since: datetime
    robots: frozenset[str]
    renewing: bool = False


class RememberedRobots:
    """Known robots, remembered for :data:`REMEMBERED`.

    Only that a robot is an organisation's is remembered, never that it is not: what was
    registered just now counts at once. All are asked for again together, and not one by
    one as they are heard of; and shortly before they would be forgotten, by one request
    for all that come meanwhile.
    """

    def __init__(self, known: KnownRobots, clock: Clock, *, most: int = _MOST) -> None:
        self._known = known
        self._clock = clock
        self._most = most
        self._fleets: dict[UUID, _Fleet] = {}

    def at_hand(self, organisation_id: UUID, *, now: datetime) -> frozenset[str] | None:
        """Return the robots that :meth:`of` would, if nobody has to be asked again.

        Of a robot that is not among them nothing is known.
        """
        fleet = self._fleets.get(organisation_id)
        if fleet is None:
            return None
        age = now - fleet.since
        fresh = REMEMBERED if fleet.renewing else _RENEWED
        return fleet.robots if timedelta() <= age < fresh else None

    async def of(
        self, organisation_id: UUID, *, among: AbstractSet[str]
    ) -> frozenset[str]:
        """Return which of these robots that organisation runs or made, and others.

        Args:
            organisation_id: whose.
            among: ids in canonical form.
        """
        if not among:
            return frozenset()
        now = self._clock.now()
        fleet = self._fleets.get(organisation_id)
        age = REMEMBERED if fleet is None else now - fleet.since
        if fleet is None or not timedelta() <= age < REMEMBERED:
            return await self._renewed(organisation_id, among, now)
        if age >= _RENEWED and not fleet.renewing:
            fleet.renewing = True
            try:
                return await self._renewed(organisation_id, among, now)
            finally:
                fleet.renewing = False
        if among <= fleet.robots:
            return fleet.robots
        found = await self._found(organisation_id, among - fleet.robots)
        if found:
            # Others may have found some meanwhile, or asked for all again.
            fleet = self._fleets.get(organisation_id, fleet)
            fleet.robots |= found
            fleet.since = min(fleet.since, now)
            self._remember(organisation_id, fleet)
        return fleet.robots

    async def _renewed(
        self, organisation_id: UUID, among: AbstractSet[str], now: datetime
    ) -> frozenset[str]:
        """Ask for these, and for those that are remembered, as of now."""
        before = self._fleets.get(organisation_id)
        again = islice(before.robots - among, _AGAIN) if before else ()
        robots = await self._found(organisation_id, among | set(again))
        if robots:
            self._remember(organisation_id, _Fleet(now, robots))
        return robots

    async def _found(
        self, organisation_id: UUID, among: AbstractSet[str]
    ) -> frozenset[str]:
        ids = {UUID(robot) for robot in among}
        return frozenset(map(str, await self._known.of(organisation_id, among=ids)))

    def _remember(self, organisation_id: UUID, fleet: _Fleet) -> None:
        self._fleets[organisation_id] = fleet
        if sum(len(each.robots) for each in self._fleets.values()) > self._most:
            self._fleets = {organisation_id: fleet}
