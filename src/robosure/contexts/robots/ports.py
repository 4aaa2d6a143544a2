"""What robots needs from outside: its rows."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from robosure.contexts.robots.domain.fleet import Organisation, Robot, RobotModel
from robosure.contexts.robots.domain.profile import IntegrationProfile


class Organisations(Protocol):
    """Our copy of the organisations that identity told of."""

    async def find(self, organisation_id: UUID) -> Organisation | None:
        """Return one; None if nothing was told of it yet."""
        ...

    async def remember(self, organisation: Organisation) -> None:
        """Keep what was told."""
        ...


class RobotModels(Protocol):
    """Robot models."""

    async def add(self, model: RobotModel) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: the manufacturer has one of that name.
        """
        ...

    async def get(self, model_id: UUID) -> RobotModel:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        ...


class Robots(Protocol):
    """Robots."""

    async def add(self, robot: Robot) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: the manufacturer has one with that serial number.
        """
        ...

    async def get(self, robot_id: UUID) -> Robot:
        """Return one.

        Raises:
            NotFound: there is none.
        """
        ...

    async def save(self, robot: Robot) -> None:
        """Write its changes, which raises its version.

        Raises:
            Stale: somebody else changed it meanwhile.
        """
        ...


class IntegrationProfiles(Protocol):
    """Integration profiles."""

    async def add(self, profile: IntegrationProfile) -> None:
        """Keep a new one.

        Raises:
            AlreadyExists: there is one of that name.
        """
        ...


class TelemetryTargets(Protocol):
    """What is looked up to read a robot's telemetry; nothing is changed."""

    async def robot(self, robot_id: UUID) -> Robot:
        """Return a robot.

        Raises:
            NotFound: there is none.
        """
        ...

    async def profile(self, name: str) -> IntegrationProfile:
        """Return a profile.

        Raises:
            NotFound: there is none.
        """
        ...
