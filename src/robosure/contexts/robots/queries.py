"""The read side of robots, as the one who asks may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from robosure.contexts.robots.domain.fleet import OrganisationKind, Viewer
from robosure.contexts.robots.schemas.fleet import (
    ManufacturerOut,
    RobotModelOut,
    RobotOut,
)
from robosure.contexts.robots.schemas.profiles import ProfileOut, ProfileSummary
from robosure.contexts.robots.tables import (
    integration_profiles,
    organisations,
    robot_models,
    robots,
)
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, paginate


async def list_manufacturers(
    session: ReadSession, cursor: PageRequest
) -> Page[ManufacturerOut]:
    """List the manufacturers that identity told of."""
    statement = select(organisations).where(
        organisations.c.kind == OrganisationKind.MANUFACTURER
    )
    return await paginate(
        session, statement, by=organisations.c.id, cursor=cursor, model=ManufacturerOut
    )


async def list_models(
    session: ReadSession, cursor: PageRequest, *, manufacturer_id: UUID | None
) -> Page[RobotModelOut]:
    """List models, of one manufacturer or of all."""
    statement = select(robot_models)
    if manufacturer_id is not None:
        statement = statement.where(robot_models.c.manufacturer_id == manufacturer_id)
    return await paginate(
        session, statement, by=robot_models.c.id, cursor=cursor, model=RobotModelOut
    )


async def read_model(session: ReadSession, model_id: UUID) -> RobotModelOut:
    """Return one model.

    Raises:
        NotFound: there is none.
    """
    statement = select(robot_models).where(robot_models.c.id == model_id)
    row = (await session.execute(statement)).first()
    if row is None:
        raise NotFound("robot_model_not_found", model_id=str(model_id))
    return RobotModelOut.model_validate(row)


async def list_profiles(
    session: ReadSession, cursor: PageRequest
) -> Page[ProfileSummary]:
    """List integration profiles."""
    columns = integration_profiles.c
    statement = select(columns.id, columns.name, columns.title)
    return await paginate(
        session, statement, by=columns.id, cursor=cursor, model=ProfileSummary
    )


async def read_profile(session: ReadSession, name: str) -> ProfileOut:
    """Return one profile.

    Raises:
        NotFound: there is none.
    """
    statement = select(integration_profiles).where(integration_profiles.c.name == name)
    row = (await session.execute(statement)).first()
    if row is None:
        raise NotFound("integration_profile_not_found", name=name)
    return ProfileOut.model_validate(row)


@dataclass(frozen=True)
class RobotQueries:
    """What one viewer may see of robots."""

    session: ReadSession
    viewer: Viewer

    async def robots(
        self,
        cursor: PageRequest,
        *,
        operator_id: UUID | None,
        model_id: UUID | None,
        serial_number: str | None,
    ) -> Page[RobotOut]:
        """List robots; None does not ask."""
        statement = self._visible()
        if operator_id is not None:
            statement = statement.where(robots.c.operator_id == operator_id)
        if model_id is not None:
            statement = statement.where(robots.c.model_id == model_id)
        if serial_number is not None:
            statement = statement.where(robots.c.serial_number == serial_number)
        return await paginate(
            self.session, statement, by=robots.c.id, cursor=cursor, model=RobotOut
        )

    async def robot(self, robot_id: UUID) -> RobotOut:
        """Return one.

        Raises:
            NotFound: there is none, or not for the one who asks.
        """
        statement = self._visible().where(robots.c.id == robot_id)
        row = (await self.session.execute(statement)).first()
        if row is None:
            raise NotFound("robot_not_found", robot_id=str(robot_id))
        return RobotOut.model_validate(row)

    def _visible(self) -> Select[Any]:
        insured_value = func.jsonb_build_object(
            "minor",
            robots.c.insured_value_minor,
            "currency",
            robots.c.insured_value_currency,
        )
        return select(robots, insured_value.label("insured_value")).where(self._sees())

    def _sees(self) -> ColumnElement[bool]:
        """Say in SQL what :meth:`Viewer.sees` says of one."""
        own, bound = self.viewer.organisation_id, self.viewer.robot_id
        related = or_(robots.c.operator_id == own, robots.c.manufacturer_id == own)
        seen = true() if self.viewer.sees_all else related
        return seen if bound is None else and_(seen, robots.c.id == bound)
