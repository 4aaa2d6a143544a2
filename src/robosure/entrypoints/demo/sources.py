"""Where the demo's telemetry comes from: a vendor's file, or a simulated fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import UUID

import orjson

from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.demo.simulator import simulate_fleet

_ROWS_PER_BATCH: Final = 100
_SEED: Final = 20260105


@dataclass(frozen=True)
class Batch:
    """What is sent in one request."""

    path: str
    content: bytes
    content_type: str
    parameters: dict[str, str]
    rows: int


class Source(Protocol):
    """Telemetry of some robots of one model."""

    @property
    def robots(self) -> int:
        """How many robots it is of."""
        ...

    @property
    def rows(self) -> int:
        """How many samples there are, over all robots."""
        ...

    def batches(self, robot_ids: Sequence[UUID]) -> Iterator[tuple[int, Batch]]:
        """Cut the samples into requests; with the index of the robot each is of."""
        ...


class VendorFile:
    """A vendor's CSV file, sent as it is; the profile makes sense of it."""

    def __init__(self, path: Path, profile: str) -> None:
        try:
            header, *lines = path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise ClientError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise ClientError(f"{path} is empty") from error
        self._header = header
        self._lines = [line for line in lines if line.strip()]
        self._profile = profile

    @property
    def robots(self) -> int:
        """A file is of one robot."""
        return 1

    @property
    def rows(self) -> int:
        """How many rows the file has, its header aside."""
        return len(self._lines)

    def batches(self, robot_ids: Sequence[UUID]) -> Iterator[tuple[int, Batch]]:
        """Cut the rows; every request repeats the header."""
        for start in range(0, self.rows, _ROWS_PER_BATCH):
            part = self._lines[start : start + _ROWS_PER_BATCH]
            yield (
                0,
                Batch(
                    path=f"/robots/{robot_ids[0]}/telemetry",
                    content=self._header + b"".join(part),
                    content_type="text/csv",
                    parameters={"profile": self._profile, "first_row": str(start)},
                    rows=len(part),
                ),
            )


class SimulatedFleet:
    """A small fleet, the same every time."""

    def __init__(self) -> None:
        self._fleet = [list(samples) for samples in simulate_fleet(seed=_SEED)]

    @property
    def robots(self) -> int:
        """How many robots the fleet has."""
        return len(self._fleet)

    @property
    def rows(self) -> int:
        """How many samples, over all robots."""
        return sum(len(samples) for samples in self._fleet)

    def batches(self, robot_ids: Sequence[UUID]) -> Iterator[tuple[int, Batch]]:
        """Cut each robot's samples into batches of CloudEvents."""
        for index, (robot_id, samples) in enumerate(
            zip(robot_ids, self._fleet, strict=True)
        ):
            for start in range(0, len(samples), _ROWS_PER_BATCH):
                part = samples[start : start + _ROWS_PER_BATCH]
                events = [_cloud_event(robot_id, sample) for sample in part]
                yield (
                    index,
                    Batch(
                        path="/events",
                        content=orjson.dumps(events),
                        content_type="application/cloudevents-batch+json",
                        parameters={},
                        rows=len(part),
                    ),
                )


def _cloud_event(robot_id: UUID, sample: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": "robot.telemetry.v1",
        "source": f"/robots/{robot_id}",
        "id": sample["id"],
        "subject": str(robot_id),
        "time": sample["time"],
        "datacontenttype": "application/json",
        "data": sample["data"],
    }


def day_of(timestamp: str) -> date:
    """Return the UTC day of an RFC 3339 timestamp."""
    return date.fromisoformat(timestamp[:10])
