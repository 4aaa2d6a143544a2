"""Event types and their schemas, and what eventflow answers over HTTP.

An incoming event is validated as JSON, strictly: a number is a number and no text, a
boolean is no number, and there is no NaN. What passed is canonical as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Protocol
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    TypeAdapter,
)
from pydantic.dataclasses import dataclass as validated

from robosure.contexts.eventflow.events import TELEMETRY_TYPE, Telemetry
from robosure.platform.http import OutputModel

_STRICT: Final = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")
_TOLERANT: Final = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")
_JOINTS: Final = 128


def _rfc3339(value: Any) -> Any:
    """Take text only; a number, even in text, would pass for seconds since 1970."""
    if isinstance(value, str) and value[4:5] == "-":
        return value
    message = "write it as in RFC 3339"
    raise ValueError(message)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        message = "out of range in UTC"
        raise ValueError(message) from error


def _is_json(media_type: str) -> str:
    if not re.fullmatch(r"application/(.+\+)?json(;.*)?", media_type, re.IGNORECASE):
        message = "data is JSON"
        raise ValueError(message)
    return media_type


Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Moment = Annotated[
    AwareDatetime,
    Strict(strict=False),  # or it would take no text after the next line
    BeforeValidator(_rfc3339),
    AfterValidator(_in_utc),
]
PerJoint = Annotated[tuple[float | None, ...], Field(max_length=_JOINTS)]


@validated(frozen=True, config=_STRICT)
class TelemetryData(Telemetry):
    """One sample of a robot's state. A reading that is null or absent is unknown."""

    joint_currents: Annotated[
        PerJoint, Field(description="Amperes, one per joint, base first.")
    ] = ()
    joint_temperatures: Annotated[
        PerJoint, Field(description="Degrees Celsius, one per joint, base first.")
    ] = ()
    joint_speeds: Annotated[
        PerJoint, Field(description="Radians per second, one per joint, base first.")
    ] = ()
    tool_current: Annotated[
        float | None, Field(description="Amperes at the tool flange.")
    ] = None
    cycle: Annotated[
        int | None,
        Field(ge=-(2**63), lt=2**63, description="The work cycle's running number."),
    ] = None
    protective_stop: Annotated[
        bool | None, Field(description="Whether it was in a protective stop.")
    ] = None
    grip_lost: Annotated[
        bool | None, Field(description="Whether the gripper had lost its part.")
    ] = None
    battery: Annotated[
        float | None, Field(ge=0, le=100, description="State of charge in percent.")
    ] = None
    speed: Annotated[
        float | None, Field(description="Of a moving base, metres per second.")
    ] = None


class CloudEvent(Protocol):
    """The attributes of a validated event."""

    id: str
    source: str
    type: str
    subject: UUID
    time: datetime


@validated(frozen=True, config=_TOLERANT)
class TelemetryEvent:
    """A CloudEvent of one telemetry sample; extension attributes are passed over."""

    specversion: Literal["1.0"]
    id: Annotated[Name, Field(description="Unique within the source.")]
    source: Annotated[Name, Field(description="Who produced it, a URI reference.")]
    type: Literal["robot.telemetry.v1"]
    subject: Annotated[UUID, Field(description="The robot's id.")]
    time: Annotated[Moment, Field(description="When it happened, with its offset.")]
    data: TelemetryData
    datacontenttype: Annotated[str, AfterValidator(_is_json)] = "application/json"


@dataclass(frozen=True)
class EventType:
    """A type of event that is taken in.

    Attributes:
        event: validates one event, as JSON.
        data: the schema of its ``data``.
        sample: of an event.
    """

    name: str
    description: str
    event: TypeAdapter[Any]
    data: TypeAdapter[Any]
    sample: Mapping[str, Any]
    schema: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        """Derive the JSON Schema once."""
        object.__setattr__(self, "schema", self.data.json_schema())


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

EVENT_TYPES: Final[Mapping[str, EventType]] = {
    TELEMETRY_TYPE: EventType(
        name=TELEMETRY_TYPE,
        description="One canonical telemetry sample; `subject` is the robot.",
        event=TypeAdapter(TelemetryEvent),
        data=TypeAdapter(TelemetryData),
        sample=SAMPLE,
    )
}


class EventResult(OutputModel):
    """What became of one event of the request."""

    index: int = Field(description="Its place in the request, from 0.")
    id: str | None = Field(description="Its `id`, if it has one.")
    status: Literal["accepted", "refused"]
    code: str | None = Field(description="Why it was refused; stable.")
    detail: str | None = Field(description="Why it was refused, in words.")


class Receipt(OutputModel):
    """What became of a request's events.

    An accepted event is safe and will be processed; whether it repeats an earlier one
    is found out then.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "batch_id": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f",
                    "accepted": 1,
                    "refused": 1,
                    "results": [
                        {
                            "index": 0,
                            "id": "1f0c2b7a-000001",
                            "status": "accepted",
                            "code": None,
                            "detail": None,
                        },
                        {
                            "index": 1,
                            "id": "1f0c2b7a-000002",
                            "status": "refused",
                            "code": "invalid_data",
                            "detail": "data.speed: Input should be a valid number",
                        },
                    ],
                }
            ]
        }
    )

    batch_id: UUID = Field(description="The same for a repeat with an Idempotency-Key.")
    accepted: int
    refused: int
    results: list[EventResult]


class EventTypeOut(OutputModel):
    """A type of event and how it is written."""

    name: str
    description: str
    schema_: dict[str, Any] = Field(
        serialization_alias="schema", description="JSON Schema of `data`."
    )
    sample: dict[str, Any] = Field(description="An event as it may be sent.")


class EventTypesOut(OutputModel):
    """Every type of event that is taken in."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "name": each.name,
                            "description": each.description,
                            "schema": dict(each.schema),
                            "sample": dict(each.sample),
                        }
                        for each in EVENT_TYPES.values()
                    ]
                }
            ]
        }
    )

    items: list[EventTypeOut]


_STORED: Final[dict[str, Any]] = {
    "uid": "6f3c1a52-8e0d-5b7a-9c41-2d7e8f901234",
    **{key: SAMPLE[key] for key in ("source", "id", "type", "subject", "time", "data")},
    "received_at": "2026-03-02T08:17:22.104Z",
}


class EventOut(OutputModel):
    """An event that was processed."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORED]})

    uid: UUID = Field(description="Ours; `source` and `id` are the sender's.")
    source: str
    id: str
    type: str
    subject: UUID
    time: datetime
    data: dict[str, Any]
    received_at: datetime


class FailedEventOut(OutputModel):
    """An event that was accepted, but could not be processed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_STORED,
                    "data": json.dumps(SAMPLE["data"]),
                    "batch_id": "01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f",
                    "error": "Invalid: sample time out of range",
                    "traceback_digest": "9c1185a5c5e9fc54",
                    "attempts": 5,
                    "failed_at": "2026-03-02T08:19:40.512Z",
                    "stored": False,
                }
            ]
        }
    )

    uid: UUID
    source: str
    id: str
    type: str
    subject: str
    time: datetime
    data: str = Field(description="As JSON in text.")
    received_at: datetime
    batch_id: UUID
    error: str
    traceback_digest: str = Field(description="Equal for failures of the same kind.")
    attempts: int = Field(description="How often it was delivered and failed.")
    failed_at: datetime = Field(description="The last time it failed.")
    stored: bool = Field(description="Whether it was sent again since, and processed.")


class CountsOut(OutputModel):
    """What happened to a subject's events so far."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": SAMPLE["subject"],
                    "stored": 7409,
                    "repeated": 12,
                    "failed": 0,
                    "first_at": "2026-03-02T08:17:21.847Z",
                    "last_at": "2026-03-02T10:22:32.527Z",
                }
            ]
        }
    )

    subject: UUID
    stored: int = Field(description="Processed, each once.")
    repeated: int = Field(description="Recognised as repeats.")
    failed: int = Field(description="Put aside as failing.")
    first_at: datetime | None = Field(description="Earliest time of an event.")
    last_at: datetime | None = Field(description="Latest time of an event.")
