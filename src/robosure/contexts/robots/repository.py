"""The ports of robots, over SQL."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.dialects.postgresql import insert

from robosure.contexts.robots.domain.fleet import (
    Organisation,
    OrganisationKind,
    Robot,
    RobotModel,
)
from robosure.contexts.robots.domain.profile import IntegrationProfile
from robosure.contexts.robots.tables import integration_profiles, organisations
from robosure.kernel.errors import AlreadyExists, NotFound
from robosure.platform.database import ReadSession, WriteSession, translating


class SqlOrganisations:
    """Our copy of organisations, in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def find(self, organisation_id: UUID) -> Organisation | None:
        """Return one; None if nothing was told of it yet."""
        statement = select(organisations).where(organisations.c.id == organisation_id)
        row = (await self._session.execute(statement)).first()
        if row is None:
            return None
        return Organisation(row.id, row.name, OrganisationKind(row.kind))

    async def remember(self, organisation: Organisation) -> None:
        """Keep what was told; the last word counts."""
        copy = insert(organisations).values(
            id=organisation.id, name=organisation.name, kind=organisation.kind
        )
        latest = {"name": copy.excluded.name, "kind": copy.excluded.kind}
        await self._session.execute(
            copy.on_conflict_do_update(index_elements=["id"], set_=latest)
        )


class SqlRobotModels:
    """Robot models in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, model: RobotModel) -> None:
        """Keep a new one."""
        taken = AlreadyExists("robot_model_exists", name=model.name)
        constraint = "uq_robot_models_manufacturer_id_name"
        async with translating(self._session, {constraint: taken}):
            self._session.add(model)

    async def get(self, model_id: UUID) -> RobotModel:
        """Return one."""
        model = await self._session.get(RobotModel, model_id)
        if model is None:
            raise NotFound("robot_model_not_found", model_id=str(model_id))
        return model


class SqlRobots:
    """Robots in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, robot: Robot) -> None:
        """Keep a new one."""
        taken = AlreadyExists("robot_exists", serial_number=robot.serial_number)
        constraint = "uq_robots_manufacturer_id_serial_number"
        async with translating(self._session, {constraint: taken}):
            self._session.add(robot)

    async def get(self, robot_id: UUID) -> Robot:
        """Return one."""
        robot = await self._session.get(Robot, robot_id)
        if robot is None:
            raise NotFound("robot_not_found", robot_id=str(robot_id))
        return robot

    async def save(self, robot: Robot) -> None:
        """Write its changes, which raises its version."""
        self._session.add(robot)
        await self._session.flush()


class SqlIntegrationProfiles:
    """Integration profiles in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, profile: IntegrationProfile) -> None:
        """Keep a new one."""
        taken = AlreadyExists("integration_profile_exists", name=profile.name)
        constraint = "uq_integration_profiles_name"
        async with translating(self._session, {constraint: taken}):
            self._session.add(profile)

    async def has(self, name: str) -> bool:
        """Whether there is one of that name."""
        found = exists().where(integration_profiles.c.name == name).select()
        return bool((await self._session.execute(found)).scalar_one())


class SqlTelemetryTargets:
    """Robots and profiles, read to map telemetry."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def robot(self, robot_id: UUID) -> Robot:
        """Return a robot."""
        robot = await self._session.get(Robot, robot_id)
        if robot is None:
            raise NotFound("robot_not_found", robot_id=str(robot_id))
        return robot

    async def profile(self, name: str) -> IntegrationProfile:
        """Return a profile."""
        statement = select(IntegrationProfile).where(
            integration_profiles.c.name == name
        )
        profile = (await self._session.scalars(statement)).first()
        if profile is None:
            raise NotFound("integration_profile_not_found", name=name)
        return profile
