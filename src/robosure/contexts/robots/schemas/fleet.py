"""Manufacturers, models and robots over HTTP."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
)

from robosure.contexts.robots.domain.fleet import (
    Environment,
    OrganisationKind,
    RobotClass,
)
from robosure.contexts.robots.domain.profile import MOST_JOINTS
from robosure.platform.http import InputModel, MoneyModel, OutputModel

_MOST_SPECIFICATIONS: Final = 65_536
_ID: Final = "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f"
_MODEL: Final[dict[str, Any]] = {
    "manufacturer_id": _ID,
    "name": "UR3",
    "robot_class": "cobot",
    "joint_current_limits": ["6", "6", "4", "2", "2", "2"],
    "joint_temperature_limit": "70",
    "specifications": {"payload_kg": 3, "reach_mm": 500},
}
_ROBOT: Final[dict[str, Any]] = {
    "model_id": _ID,
    "operator_id": _ID,
    "serial_number": "20223501234",
    "insured_value": {"minor": 2_500_000, "currency": "EUR"},
    "commissioned_on": "2022-03-01",
    "operating_environment": "factory",
    "firmware": "5.12.2",
    "specifications": {"gripper": "two-finger"},
}


def _storable(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    text = json.dumps(value)
    if len(text) > _MOST_SPECIFICATIONS or "\\u0000" in text:
        message = f"at most {_MOST_SPECIFICATIONS} characters of JSON, and no NUL"
        raise ValueError(message)
    return value


Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$"
    ),
]
Specifications = Annotated[
    dict[str, JsonValue],
    AfterValidator(_storable),
    Field(description="Whatever else there is to say, as JSON."),
]
Limit = Annotated[Decimal, Field(gt=0, max_digits=10, decimal_places=4)]
Plain = Annotated[
    Decimal,
    # The database adds zeros; the same limit is to look the same everywhere.
    PlainSerializer(lambda value: f"{value.normalize():f}", return_type=str),
]


class ManufacturerOut(OutputModel):
    """A manufacturer, as far as robots knows it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"id": _ID, "name": "Universal Robots", "kind": "manufacturer"}
            ]
        }
    )

    id: UUID
    name: str
    kind: OrganisationKind


class RobotModelIn(InputModel):
    """A manufacturer's model."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MODEL]})

    manufacturer_id: UUID
    name: Text
    robot_class: RobotClass
    joint_current_limits: Annotated[
        tuple[Limit, ...],
        Field(
            max_length=MOST_JOINTS, description="Amperes, one per joint, base first."
        ),
    ]
    joint_temperature_limit: Annotated[
        Limit, Field(description="Degrees Celsius, for every joint.")
    ]
    specifications: Specifications = Field(default_factory=dict[str, JsonValue])


class RobotModelOut(OutputModel):
    """A model as it is kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": _ID, **_MODEL, "version": 1}]}
    )

    id: UUID
    manufacturer_id: UUID
    name: str
    robot_class: RobotClass
    joint_current_limits: tuple[Plain, ...]
    joint_temperature_limit: Plain
    specifications: dict[str, JsonValue]
    version: int


class RobotIn(InputModel):
    """A machine to put under an operator's name."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ROBOT]})

    model_id: UUID
    operator_id: UUID
    serial_number: Text
    insured_value: Annotated[MoneyModel, Field(description="Replacement cost.")]
    commissioned_on: date
    operating_environment: Environment
    firmware: Text | None = None
    specifications: Specifications = Field(default_factory=dict[str, JsonValue])


class RobotChange(InputModel):
    """What is new about a robot; a field left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"firmware": "5.13.0"}]})

    firmware: Text | None = None
    operating_environment: Environment | None = None


class RobotOut(OutputModel):
    """A robot as it is kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"id": _ID, "manufacturer_id": _ID, **_ROBOT, "version": 1}]
        }
    )

    id: UUID
    serial_number: str
    model_id: UUID
    manufacturer_id: UUID
    operator_id: UUID
    insured_value: MoneyModel
    commissioned_on: date
    operating_environment: Environment
    firmware: str | None
    specifications: dict[str, JsonValue]
    version: int
