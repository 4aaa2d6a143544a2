"""Extracting evidence: a robot's telemetry of a window, frozen for whoever asked."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import InvalidState

SETTLING: Final = timedelta(seconds=60)
"""How long after a window's end its telemetry may still be on its way."""


@dataclass(frozen=True)
class StoredEvent:
    """An event as it was stored; ``(source, id)`` says which it is."""

    source: str
    id: str
    type: str
    subject: UUID
    time: datetime
    data: dict[str, Any]

    def as_cloud_event(self) -> dict[str, Any]:
        """Write as CloudEvents 1.0 in JSON."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": str(self.subject),
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": self.data,
        }


@dataclass(frozen=True)
class Evidence:
    """Frozen telemetry.

    Attributes:
        content: gzip of one CloudEvent per line, by time and id. The same events give
            the same bytes.
        samples: how many there are.
        protective_stop_samples: how many of them were in protective stop.
        grip_loss_samples: how many of them had lost the grip.
    """

    content: bytes
    samples: int
    protective_stop_samples: int
    grip_loss_samples: int

    @classmethod
    def of(cls, events: Iterable[StoredEvent]) -> Evidence:
        """Freeze these events."""
        ordered = sorted(events, key=lambda event: (event.time, event.id, event.source))
        lines = (
            json.dumps(event.as_cloud_event(), sort_keys=True, separators=(",", ":"))
            for event in ordered
        )
        return cls(
            content=gzip.compress(
                "".join(f"{line}\n" for line in lines).encode(), mtime=0
            ),
            samples=len(ordered),
            protective_stop_samples=_how_many(ordered, "protective_stop"),
            grip_loss_samples=_how_many(ordered, "grip_lost"),
        )


def _how_many(events: list[StoredEvent], flag: str) -> int:
    return sum(event.data.get(flag) is True for event in events)


@dataclass(eq=False, kw_only=True)
class Extraction(Aggregate):
    """A request for a robot's telemetry of a window; its id is the request's.

    Attributes:
        due_at: when the window's telemetry can be expected to be here.
        done_at: when it was frozen; None before.
    """

    claim_id: UUID
    robot_id: UUID
    window_start: datetime
    window_end: datetime
    due_at: datetime
    done_at: datetime | None = None

    @classmethod
    def request(
        cls,
        request_id: UUID,
        *,
        claim_id: UUID,
        robot_id: UUID,
        window_start: datetime,
        window_end: datetime,
        at: datetime,
    ) -> Extraction:
        """Take a request: due now, or once the window has settled."""
        return cls(
            id=request_id,
            claim_id=claim_id,
            robot_id=robot_id,
            window_start=window_start,
            window_end=window_end,
            due_at=max(at, window_end + SETTLING),
        )

    @property
    def file_key(self) -> str:
        """Where in file storage the evidence is kept."""
        return f"evidence/{self.id}.ndjson.gz"

    def complete(self, evidence: Evidence, *, sha256: str, at: datetime) -> None:
        """Note that the evidence is frozen, and tell so.

        Raises:
            InvalidState: it is not due yet, or was completed before.
        """
        if self.done_at is not None or at < self.due_at:
            raise InvalidState("extraction_not_due", request_id=str(self.id))
        self.done_at = at
        self.record(
            TelemetryExtracted(
                request_id=self.id,
                robot_id=self.robot_id,
                window_start=self.window_start,
                window_end=self.window_end,
                samples=evidence.samples,
                protective_stop_samples=evidence.protective_stop_samples,
                grip_loss_samples=evidence.grip_loss_samples,
                file_key=self.file_key,
                sha256=sha256,
            )
        )
