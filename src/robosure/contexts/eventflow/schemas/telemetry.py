"""Telemetry as it is sent: validated strictly, canonical once it has passed.

A number is a number and no text, a boolean is no number, and there is no NaN. The data
that has passed holds the readings that were sent and no others.

No Python runs per event here, all of it is pydantic's core: two to three microseconds
for an event, and each function called in between would add a quarter to a half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    with_config,
)
from pydantic.dataclasses import dataclass as validated
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from robosure.contexts.eventflow.domain import Retention
from robosure.contexts.eventflow.events import TELEMETRY_TYPE
from robosure.contexts.eventflow.schemas.event_type import EventType, catalogue
from robosure.contexts.eventflow.schemas.plain import NO_CONTROLS

_STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
_TOLERANT: Final = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")
_JOINTS: Final = 128
_RFC3339: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})$"
)
_ABSOLUTE_ZERO: Final = -273.15
# A clock outside of these years is not set; within, each time is one in every zone.
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9998, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class _Rfc3339:
    """Takes RFC 3339 to the letter, in upper case; no number, not even in text.

    The core alone takes more, such as seconds since 1970 or a Unicode minus, of which
    not all can be read by :meth:`datetime.fromisoformat`. All that passes here can, and
    is the same time then.
    """

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        text = core_schema.str_schema(pattern=_RFC3339, strict=True)
        moment = core_schema.datetime_schema(
            strict=False, tz_constraint="aware", ge=_EARLIEST, le=_LATEST
        )
        return core_schema.chain_schema(
            [
                core_schema.custom_error_schema(
                    text,
                    custom_error_type="rfc3339",
                    custom_error_message="Write it as 2026-03-02T08:17:21.847Z",
                ),
                moment,
            ]
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROLS),
]
Moment = Annotated[datetime, _Rfc3339()]
MediaType = Annotated[
    str,
    StringConstraints(
        # As JSON Schema has no flag for it, each letter is written in both cases.
        pattern=r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/(.+\+)?[Jj][Ss][Oo][Nn](;.*)?$"
    ),
]
PerJoint = Annotated[list[float | None], Field(max_length=_JOINTS)]


@with_config(_STRICT)
class TelemetryData(TypedDict, total=False):
    """One sample of a robot's state. A reading that is null or absent is unknown."""

    joint_currents: Annotated[
        PerJoint, Field(description="Amperes, one per joint, base first.")
    ]
    joint_temperatures: Annotated[
        PerJoint, Field(description="Degrees Celsius, one per joint, base first.")
    ]
    joint_speeds: Annotated[
        PerJoint, Field(description="Radians per second, one per joint, base first.")
    ]
    tool_current: Annotated[
        float | None, Field(description="Amperes at the tool flange.")
    ]
    cycle: Annotated[
        int | None,
        Field(ge=-(2**63), lt=2**63, description="The work cycle's running number."),
    ]
    protective_stop: Annotated[
        bool | None, Field(description="Whether it was in a protective stop.")
    ]
    grip_lost: Annotated[
        bool | None, Field(description="Whether the gripper had lost its part.")
    ]
    battery: Annotated[
        float | None, Field(ge=0, le=100, description="State of charge in percent.")
    ]
    speed: Annotated[
        float | None, Field(description="Of a moving base, metres per second.")
    ]
    temperature: Annotated[
        float | None,
        Field(ge=_ABSOLUTE_ZERO, description="Degrees Celsius of the body."),
    ]
    position_x: Annotated[
        float | None,
        Field(description="Of a moving base, metres along the x axis of its site."),
    ]
    position_y: Annotated[
        float | None,
        Field(description="Of a moving base, metres along the y axis of its site."),
    ]
    heading: Annotated[
        float | None,
        Field(
            ge=-360,
            le=360,
            description="Of a moving base, degrees from the x axis of its site, "
            "counter-clockwise.",
        ),
    ]


@validated(frozen=True, config=_TOLERANT)
class TelemetryEvent:
    """A CloudEvent of one telemetry sample; extension attributes are passed over."""

    specversion: Literal["1.0"]
    id: Annotated[Name, Field(description="Unique within the source.")]
    source: Annotated[Name, Field(description="Who produced it, a URI reference.")]
    type: Literal["robot.telemetry.v1"]
    subject: Annotated[UUID, Field(description="The robot's id.")]
    time: Annotated[Moment, Field(description="When it happened (RFC 3339).")]
    data: TelemetryData
    datacontenttype: MediaType = "application/json"


SAMPLE: Final[Mapping[str, Any]] = {
    "specversion": "1.0",
    "id": "1f0c2b7a-000001",
    "source": "/cells/4/controller",
    "type": TELEMETRY_TYPE,
    "subject": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f",
    "time": "2026-03-02T08:17:21.847Z",
    "data": {
        "joint_currents": [0.11, -2.02, -1.53, -1.0, -0.06, None],
        "joint_temperatures": [27.9, 29.4, 29.4, 32.1, 32.3, 32.0],
        "joint_speeds": [0.3, 0.0, 0.0, -0.13, -0.01, -0.15],
        "tool_current": 0.08,
        "cycle": 1,
        "protective_stop": False,
        "grip_lost": False,
    },
}

# Not enriched: telemetry is evidence, and kept as the robot sent it.
TELEMETRY: Final = EventType(
    series="robot.telemetry",
    version=1,
    owner="eventflow",
    description="One canonical telemetry sample; `subject` is the robot.",
    model=TelemetryEvent,
    sample=SAMPLE,
    # A policy year, and a month to report what happened on its last day.
    retention=Retention(days=400, archived=True),
)
EVENT_TYPES: Final = catalogue(TELEMETRY)
