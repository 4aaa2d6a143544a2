"""Builds valid samples and telemetry; a test sets only what it is about."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from robosure.contexts.eventflow.events import Telemetry
from robosure.contexts.risk.domain import Limits, Sample
from robosure.contexts.risk.domain.sample import EPOCH, MICROSECOND
from tests.real_data import ur3_file

EIGHT = datetime(2026, 1, 5, 8, tzinfo=UTC)
UR3 = Limits(
    joint_currents=tuple(map(Decimal, ("6.0", "6.0", "4.0", "2.0", "2.0", "2.0"))),
    joint_temperature=Decimal(60),
)
_FLAGS = {"True": True, "False": False, "": None}


def at(seconds: float) -> datetime:
    """Return that many seconds after eight o'clock."""
    return EIGHT + timedelta(seconds=seconds)


def a_sample(seconds: float = 0, *, key: int | None = None, **differing: Any) -> Sample:
    fields: dict[str, Any] = {
        "protective_stop": False,
        "grip_lost": False,
        "complete": True,
        "joint_currents": (1000, 500),
        "joint_temperatures": (30_000, 35_000),
        **differing,
    }
    identity = int(seconds * 1000) if key is None else key
    moment = (at(seconds) - EPOCH) // MICROSECOND
    return Sample(at_us=moment, key=UUID(int=identity).hex, **fields)


def telemetry(**differing: Any) -> Telemetry:
    fields: dict[str, Any] = {
        "joint_currents": (0.5, -1.25),
        "joint_temperatures": (30.0, 35.5),
        "joint_speeds": (0.1, 0.0),
        "tool_current": 0.08,
        "protective_stop": False,
        "grip_lost": False,
        **differing,
    }
    return Telemetry(**fields)


def sample_of(telemetry: Telemetry, moment: datetime, *, key: int = 7) -> Sample:
    """Take it as an event carries it."""
    return Sample.of(telemetry, at=moment, key=UUID(int=key).hex)


def real_telemetry() -> list[tuple[datetime, Telemetry]]:
    """Read a day of a real UR3, or skip the test where it is not at hand."""
    with ur3_file().open(encoding="utf-8", newline="") as lines:
        return [_canonical(row) for row in csv.DictReader(lines, delimiter=";")]


def _canonical(row: dict[str, str]) -> tuple[datetime, Telemetry]:
    names = ("Temperature_T0", *(f"Temperature_J{joint}" for joint in range(1, 6)))
    return datetime.fromisoformat(row["Timestamp"]), Telemetry(
        joint_currents=tuple(_number(row[f"Current_J{joint}"]) for joint in range(6)),
        joint_temperatures=tuple(_number(row[name]) for name in names),
        joint_speeds=tuple(_number(row[f"Speed_J{joint}"]) for joint in range(6)),
        tool_current=_number(row["Tool_current"]),
        cycle=int(row["cycle "]),
        protective_stop=_FLAGS[row["Robot_ProtectiveStop"]],
        grip_lost=_FLAGS[row["grip_lost"]],
    )


def _number(text: str) -> float | None:
    return float(text.replace(",", ".")) if text else None
