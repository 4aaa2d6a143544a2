"""What eventflow speaks: canonical telemetry, and facts about what was received."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent

TELEMETRY_TYPE: Final = "robot.telemetry.v1"
"""CloudEvents ``type`` of one canonical telemetry sample; ``subject`` is the robot."""


@dataclass(frozen=True)
class Telemetry:
    """One sample of a robot's state. A reading that is None is unknown, not zero.

    Attributes:
        joint_currents: amperes, one per joint, base first.
        joint_temperatures: degrees Celsius, one per joint, base first.
        joint_speeds: radians per second, one per joint, base first.
        tool_current: amperes at the tool flange.
        cycle: the work cycle's running number.
        protective_stop: whether the robot was in a protective stop.
        grip_lost: whether the gripper had lost its part.
        battery: state of charge from 0 to 100.
        speed: of a moving base, metres per second.
        temperature: degrees Celsius of the body.
        position_x: of a moving base, metres along the x axis of its site.
        position_y: of a moving base, metres along the y axis of its site.
        heading: of a moving base, degrees from the x axis of its site,
            counter-clockwise.
    """

    joint_currents: tuple[float | None, ...] = ()
    joint_temperatures: tuple[float | None, ...] = ()
    joint_speeds: tuple[float | None, ...] = ()
    tool_current: float | None = None
    cycle: int | None = None
    protective_stop: bool | None = None
    grip_lost: bool | None = None
    battery: float | None = None
    speed: float | None = None
    temperature: float | None = None
    position_x: float | None = None
    position_y: float | None = None
    heading: float | None = None


@dataclass(frozen=True)
class TelemetryExtracted(DomainEvent):
    """The telemetry of a window that someone asked for is frozen in a file.

    Attributes:
        request_id: of the request this answers.
        samples: how many are in the file; 0 where the robot sent none.
        file_key: in file storage; gzip of one CloudEvent per line, by time.
        sha256: of the stored file, hex.
        protective_stop_samples: how many of the samples were in protective stop.
        grip_loss_samples: how many of the samples had lost the grip.
    """

    request_id: UUID
    robot_id: UUID
    window_start: datetime
    window_end: datetime
    samples: int
    protective_stop_samples: int
    grip_loss_samples: int
    file_key: str
    sha256: str


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")

SAMPLES: Final = (
    TelemetryExtracted(
        request_id=_ID,
        robot_id=_ID,
        window_start=datetime(2026, 3, 2, 11, 48, 12, tzinfo=UTC),
        window_end=datetime(2026, 3, 2, 12, 8, 12, tzinfo=UTC),
        samples=1_200,
        protective_stop_samples=4,
        grip_loss_samples=1,
        file_key=f"evidence/{_ID}.ndjson.gz",
        sha256="9c1185a5c5e9fc54612808977ee8f548b2258d319c1185a5c5e9fc5461280897",
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
