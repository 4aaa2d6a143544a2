"""The use cases of robots: fleets, integration profiles, and raw telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.robots.domain.fleet import (
    Environment,
    OrganisationKind,
    Robot,
    RobotClass,
    RobotModel,
    Specifications,
    Viewer,
    known_as,
)
from robosure.contexts.robots.domain.mapping import Mapped, compiled
from robosure.contexts.robots.domain.profile import (
    Format,
    IntegrationProfile,
    ProfileDocument,
)
from robosure.contexts.robots.ports import (
    IntegrationProfiles,
    Organisations,
    RobotModels,
    Robots,
    TelemetryTargets,
)
from robosure.contexts.robots.repository import SqlIntegrationProfiles
from robosure.contexts.robots.schemas.profiles import ProfileIn, shipped_profiles
from robosure.kernel.errors import Invalid, Stale
from robosure.kernel.money import Money
from robosure.kernel.time import Clock
from robosure.platform.correlation import current
from robosure.platform.database import Database
from robosure.platform.logging import DomainLogger, LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.settings import Settings
from robosure.platform.streams import Batch, EventBus
from robosure.platform.streams.ingest import append
from robosure.platform.streams.pressure import Pressure

ROWS_MAPPED: Final = counter(
    "robots_telemetry_rows_total",
    "Vendor rows mapped to canonical telemetry.",
    ["profile", "outcome"],
)


class FleetService(LoggerMixin):
    """Registers models and robots, and notes their changes."""

    def __init__(
        self, models: RobotModels, *, robots: Robots, organisations: Organisations
    ) -> None:
        self._models = models
        self._robots = robots
        self._organisations = organisations

    async def register_model(
        self,
        viewer: Viewer,
        *,
        manufacturer_id: UUID,
        name: str,
        robot_class: RobotClass,
        joint_current_limits: tuple[Decimal, ...],
        joint_temperature_limit: Decimal,
        specifications: Specifications,
    ) -> RobotModel:
        """Make a manufacturer's model known.

        Raises:
            Forbidden: it is another manufacturer's.
            NotYetKnown: nothing was told of the manufacturer yet.
            AlreadyExists: the manufacturer has a model of that name.
        """
        viewer.require_standing(manufacturer_id)
        manufacturer = await self._organisations.find(manufacturer_id)
        model = RobotModel.register(
            manufacturer=known_as(
                manufacturer, OrganisationKind.MANUFACTURER, manufacturer_id
            ),
            name=name,
            robot_class=robot_class,
            joint_current_limits=joint_current_limits,
            joint_temperature_limit=joint_temperature_limit,
            specifications=specifications,
        )
        await self._models.add(model)
        self.logger.info(
            "robots.service.register_model_completed", model_id=str(model.id)
        )
        return model

    async def register_robot(
        self,
        viewer: Viewer,
        *,
        model_id: UUID,
        operator_id: UUID,
        serial_number: str,
        insured_value: Money,
        commissioned_on: date,
        operating_environment: Environment,
        firmware: str | None,
        specifications: Specifications,
    ) -> Robot:
        """Put a machine under an operator's name.

        Raises:
            Forbidden: the operator is another organisation.
            NotFound: no such model.
            NotYetKnown: nothing was told of the operator yet.
            AlreadyExists: the manufacturer has a robot with that serial number.
        """
        viewer.require_standing(operator_id)
        model = await self._models.get(model_id)
        operator = await self._organisations.find(operator_id)
        robot = Robot.register(
            model=model,
            operator=known_as(operator, OrganisationKind.OPERATOR, operator_id),
            serial_number=serial_number,
            insured_value=insured_value,
            commissioned_on=commissioned_on,
            operating_environment=operating_environment,
            firmware=firmware,
            specifications=specifications,
        )
        await self._robots.add(robot)
        self.logger.info(
            "robots.service.register_robot_completed", robot_id=str(robot.id)
        )
        return robot

    async def change_robot(
        self,
        viewer: Viewer,
        robot_id: UUID,
        *,
        expected_version: int | None,
        firmware: str | None,
        operating_environment: Environment | None,
    ) -> Robot:
        """Note another firmware or place of work.

        Args:
            viewer: who does it.
            robot_id: which robot.
            expected_version: the version that the caller saw; None for any.
            firmware: the new one; None leaves it.
            operating_environment: the new one; None leaves it.

        Raises:
            NotFound: there is none, or not for the one who asks.
            Forbidden: it is another operator's.
            Stale: somebody else changed it meanwhile.
        """
        robot = await self._robots.get(robot_id)
        viewer.require_sight(robot)
        viewer.require_standing(robot.operator_id)
        if expected_version is not None and robot.version != expected_version:
            raise Stale("stale_version", version=robot.version)
        robot.change(firmware=firmware, environment=operating_environment)
        await self._robots.save(robot)
        return robot


class ProfileService(LoggerMixin):
    """Creates integration profiles."""

    def __init__(self, profiles: IntegrationProfiles) -> None:
        self._profiles = profiles

    async def create(
        self, *, name: str, title: str, document: ProfileDocument
    ) -> IntegrationProfile:
        """Save a profile under a name of its own.

        Raises:
            AlreadyExists: there is one of that name.
        """
        profile = IntegrationProfile(name=name, title=title, document=document)
        await self._profiles.add(profile)
        self.logger.info("robots.service.create_profile_completed", profile=name)
        return profile


@dataclass(frozen=True)
class Body:
    """Raw telemetry as it was sent.

    Attributes:
        lines: JSON comes as one object per line.
        start: the moment of row 0, for a profile that counts steps.
        first_row: the number of the body's first row.
    """

    content: bytes
    format: Format
    lines: bool = False
    start: datetime | None = None
    first_row: int = 0

    @classmethod
    def of_sample(
        cls, text: str, document: ProfileDocument, *, start: datetime | None
    ) -> Body:
        """Take a sample that came as text to be what the document says it is.

        Raises:
            Invalid: the text cannot be written in the document's encoding.
        """
        csv = document.format is Format.CSV
        encoding = document.csv.encoding if csv else "utf-8"
        try:
            content = text.encode(encoding)
        except UnicodeEncodeError as error:
            raise Invalid(
                "unencodable_sample", encoding=encoding, at=error.start
            ) from error
        lines = not csv and not text.lstrip().startswith("[")
        return cls(content, document.format, lines=lines, start=start)

    def through(self, document: ProfileDocument) -> Mapped:
        """Map it.

        Raises:
            Invalid: the profile reads another format, or the body's shape is wrong.
            TooLarge: it has too many rows.
        """
        if document.format is not self.format:
            raise Invalid(
                "format_mismatch", profile=document.format.value, body=self.format.value
            )
        return compiled(document).read(
            self.content, lines=self.lines, start=self.start, first_row=self.first_row
        )


class TelemetryService(LoggerMixin):
    """Maps raw telemetry and puts it on the stream."""

    def __init__(
        self,
        targets: TelemetryTargets,
        *,
        bus: EventBus,
        partitions: int,
        pressure: Pressure,
        clock: Clock,
    ) -> None:
        self._targets = targets
        self._bus = bus
        self._partitions = partitions
        self._pressure = pressure
        self._clock = clock

    async def send(
        self,
        viewer: Viewer,
        robot_id: UUID,
        *,
        body: Body,
        profile_name: str,
        batch_id: UUID,
        principal: UUID,
    ) -> Mapped:
        """Map the body's rows, and append what could be read as one batch.

        Raises:
            Forbidden: an API key bound to another robot speaks, or the maker does.
            NotFound: no such robot or profile.
            Invalid: see :meth:`Body.through`.
            TooLarge: it has too many rows.
            Unavailable: the stream cannot take it; nothing was accepted.
        """
        self._pressure.check()
        viewer.require_voice(robot_id)
        robot = await self._targets.robot(robot_id)
        viewer.require_sight(robot)
        viewer.require_standing(robot.operator_id)
        profile = await self._targets.profile(profile_name)
        mapped = body.through(profile.document)
        source, subject = f"/robots/{robot_id}", str(robot_id)
        events = [
            {
                "specversion": "1.0",
                "id": sample.event_id,
                "source": source,
                "type": TELEMETRY_TYPE,
                "subject": subject,
                "time": sample.time,
                "data": sample.data,
            }
            for sample in mapped.samples
        ]
        if events:
            batch = Batch(
                batch_id, current().correlation_id, self._clock.now(), principal
            )
            await append(self._bus, batch, events, partitions=self._partitions)
        ROWS_MAPPED.labels(profile.name, "mapped").inc(len(mapped.samples))
        ROWS_MAPPED.labels(profile.name, "refused").inc(len(mapped.problems))
        return mapped


async def seed(database: Database, _settings: Settings) -> None:
    """Save the profiles that ship with the platform; what is there already stays."""
    for text in shipped_profiles():
        shipped = ProfileIn.model_validate_json(text)
        async with database.write() as session:
            profiles = SqlIntegrationProfiles(session)
            if await profiles.has(shipped.name):
                continue
            await ProfileService(profiles).create(
                name=shipped.name,
                title=shipped.title,
                document=shipped.document.to_domain(),
            )
        DomainLogger("robots", "seed").completed("create_profile", profile=shipped.name)
