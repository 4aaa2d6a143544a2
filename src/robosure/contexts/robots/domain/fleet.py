"""Robot models and robots, and who may see and change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from robosure.contexts.robots.events import (
    ModelRegistered,
    RobotChanged,
    RobotRegistered,
)
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Forbidden, Invalid, NotFound, NotYetKnown
from robosure.kernel.money import Money

Specifications = Mapping[str, Any]


class OrganisationKind(StrEnum):
    """What an organisation is to the platform."""

    INSURER = "insurer"
    OPERATOR = "operator"
    MANUFACTURER = "manufacturer"


class RobotClass(StrEnum):
    """What kind of machine a model is."""

    COBOT = "cobot"
    INDUSTRIAL_ARM = "industrial_arm"
    MOBILE = "mobile"
    HUMANOID = "humanoid"
    DRONE = "drone"


class Environment(StrEnum):
    """Where a robot works."""

    LABORATORY = "laboratory"
    FACTORY = "factory"
    WAREHOUSE = "warehouse"
    PUBLIC_SPACE = "public_space"
    OUTDOOR = "outdoor"


@dataclass(frozen=True)
class Organisation:
    """Our copy of what identity told about an organisation."""

    id: UUID
    name: str
    kind: OrganisationKind


def known_as(
    organisation: Organisation | None, kind: OrganisationKind, organisation_id: UUID
) -> Organisation:
    """Return the organisation, if it is known and of that kind.

    Raises:
        NotYetKnown: identity has told nothing of it, or not yet.
        Invalid: it is of another kind.
    """
    if organisation is None:
        raise NotYetKnown(
            "organisation_not_yet_known", organisation_id=str(organisation_id)
        )
    if organisation.kind != kind:
        raise Invalid(
            "wrong_organisation_kind",
            organisation_id=str(organisation_id),
            expected=kind.value,
            actual=organisation.kind.value,
        )
    return organisation


@dataclass(eq=False, kw_only=True)
class RobotModel(Aggregate):
    """A manufacturer's model, with the limits that its maker gives.

    Attributes:
        joint_current_limits: amperes, one per joint, base first; empty where there
            are no joints.
        joint_temperature_limit: degrees Celsius, for every joint.
        specifications: whatever else the maker publishes.
    """

    manufacturer_id: UUID
    name: str
    robot_class: RobotClass
    joint_current_limits: tuple[Decimal, ...]
    joint_temperature_limit: Decimal
    specifications: Specifications = field(default_factory=dict[str, Any])

    @classmethod
    def register(
        cls,
        *,
        manufacturer: Organisation,
        name: str,
        robot_class: RobotClass,
        joint_current_limits: tuple[Decimal, ...],
        joint_temperature_limit: Decimal,
        specifications: Specifications,
    ) -> RobotModel:
        """Make a model known.

        Raises:
            Invalid: a limit is not above zero.
        """
        if min((*joint_current_limits, joint_temperature_limit)) <= 0:
            raise Invalid("limit_not_positive")
        model = cls(
            manufacturer_id=manufacturer.id,
            name=name,
            robot_class=robot_class,
            joint_current_limits=joint_current_limits,
            joint_temperature_limit=joint_temperature_limit,
            specifications=specifications,
        )
        model.record(
            ModelRegistered(
                model_id=model.id,
                manufacturer_id=manufacturer.id,
                name=name,
                robot_class=robot_class.value,
                joint_current_limits=joint_current_limits,
                joint_temperature_limit=joint_temperature_limit,
            )
        )
        return model


@dataclass(eq=False, kw_only=True)
class Robot(Aggregate):
    """One machine, run by an operator.

    Attributes:
        serial_number: unique among its manufacturer's robots.
        insured_value: replacement cost.
        firmware: version as the maker writes it; None where it is not known.
    """

    serial_number: str
    model_id: UUID
    manufacturer_id: UUID
    operator_id: UUID
    insured_value: Money
    commissioned_on: date
    operating_environment: Environment
    firmware: str | None = None
    specifications: Specifications = field(default_factory=dict[str, Any])

    @classmethod
    def register(
        cls,
        *,
        model: RobotModel,
        operator: Organisation,
        serial_number: str,
        insured_value: Money,
        commissioned_on: date,
        operating_environment: Environment,
        firmware: str | None,
        specifications: Specifications,
    ) -> Robot:
        """Put a machine under an operator's name.

        Raises:
            Invalid: the insured value is not above zero.
        """
        if insured_value.minor <= 0:
            raise Invalid(
                "insured_value_not_positive", insured_value=str(insured_value)
            )
        robot = cls(
            serial_number=serial_number,
            model_id=model.id,
            manufacturer_id=model.manufacturer_id,
            operator_id=operator.id,
            insured_value=insured_value,
            commissioned_on=commissioned_on,
            operating_environment=operating_environment,
            firmware=firmware,
            specifications=specifications,
        )
        robot.record(
            RobotRegistered(
                robot_id=robot.id,
                serial_number=serial_number,
                model_id=model.id,
                manufacturer_id=model.manufacturer_id,
                operator_id=operator.id,
                robot_class=model.robot_class.value,
                insured_value=insured_value,
                commissioned_on=commissioned_on,
                operating_environment=operating_environment.value,
            )
        )
        return robot

    def change(
        self, *, firmware: str | None = None, environment: Environment | None = None
    ) -> None:
        """Note another firmware or place of work; None leaves it as it is."""
        before = self.firmware, self.operating_environment
        self.firmware = firmware or self.firmware
        self.operating_environment = environment or self.operating_environment
        if (self.firmware, self.operating_environment) != before:
            self.record(
                RobotChanged(
                    robot_id=self.id,
                    firmware=self.firmware,
                    operating_environment=self.operating_environment.value,
                )
            )


@dataclass(frozen=True)
class Viewer:
    """Who asks, as far as fleets are concerned.

    An insurer's staff see and may change all robots; an operator its own; a
    manufacturer sees those it made.

    Attributes:
        robot_id: the only robot that an API key bound to it may speak for.
    """

    organisation_id: UUID
    kind: OrganisationKind
    robot_id: UUID | None = None

    @property
    def sees_all(self) -> bool:
        """Whether robots of every organisation are visible."""
        return self.kind is OrganisationKind.INSURER

    def sees(self, robot: Robot) -> bool:
        """Whether the robot exists, for the one who asks."""
        related = self.organisation_id in {robot.operator_id, robot.manufacturer_id}
        return self.robot_id in {None, robot.id} and (self.sees_all or related)

    def require_sight(self, robot: Robot) -> None:
        """Raise NotFound for a robot of other organisations."""
        if not self.sees(robot):
            raise NotFound("robot_not_found", robot_id=str(robot.id))

    def require_standing(self, organisation_id: UUID) -> None:
        """Raise Forbidden unless asking for the own organisation, or as the insurer."""
        if not self.sees_all and self.organisation_id != organisation_id:
            raise Forbidden(
                "acts_for_another_organisation", organisation_id=str(organisation_id)
            )

    def require_voice(self, robot_id: UUID) -> None:
        """Raise Forbidden if an API key bound to one robot speaks for another."""
        if self.robot_id is not None and self.robot_id != robot_id:
            raise Forbidden("bound_to_another_robot", robot_id=str(robot_id))
