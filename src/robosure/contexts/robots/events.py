"""What robots tells the others: which machines there are, and their makers' limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent
from robosure.kernel.money import Money


@dataclass(frozen=True)
class ModelRegistered(DomainEvent):
    """A manufacturer's model is known.

    Attributes:
        robot_class: ``cobot``, ``industrial_arm``, ``mobile``, ``humanoid``, ``drone``.
        joint_current_limits: amperes, one per joint; empty where there are none.
        joint_temperature_limit: degrees Celsius, for every joint.
    """

    model_id: UUID
    manufacturer_id: UUID
    name: str
    robot_class: str
    joint_current_limits: tuple[Decimal, ...]
    joint_temperature_limit: Decimal


@dataclass(frozen=True)
class RobotRegistered(DomainEvent):
    """An operator runs this machine.

    Attributes:
        insured_value: replacement cost.
        operating_environment: ``laboratory``, ``factory``, ``warehouse``,
            ``public_space`` or ``outdoor``.
    """

    robot_id: UUID
    serial_number: str
    model_id: UUID
    manufacturer_id: UUID
    operator_id: UUID
    robot_class: str
    insured_value: Money
    commissioned_on: date
    operating_environment: str


@dataclass(frozen=True)
class RobotChanged(DomainEvent):
    """A robot's firmware or place of work is now this.

    Attributes:
        firmware: version as the maker writes it; None where it is not known.
        operating_environment: as in :class:`RobotRegistered`.
    """

    robot_id: UUID
    firmware: str | None
    operating_environment: str


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")

SAMPLES: Final = (
    ModelRegistered(
        model_id=_ID,
        manufacturer_id=_ID,
        name="UR3e",
        robot_class="cobot",
        joint_current_limits=tuple(map(Decimal, ("7.5", "7.5", "5", "3", "3", "3"))),
        joint_temperature_limit=Decimal(60),
    ),
    RobotRegistered(
        robot_id=_ID,
        serial_number="UR3-20195300456",
        model_id=_ID,
        manufacturer_id=_ID,
        operator_id=_ID,
        robot_class="cobot",
        insured_value=Money(2_500_000, "EUR"),
        commissioned_on=date(2024, 5, 1),
        operating_environment="factory",
    ),
    RobotChanged(robot_id=_ID, firmware="5.12.2", operating_environment="warehouse"),
)
"""One of each kind, as the catalogue of event types shows it."""
