"""What proves a claim: the robot's telemetry, frozen, and what people attach."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.kernel.errors import Invalid, InvalidState
from robosure.kernel.ids import uuid7

EVIDENCE_MARGIN: Final = timedelta(minutes=10)
"""How much telemetry before and after the incident is evidence."""

ALLOWED_CONTENT_TYPES: Final = frozenset(
    {
        "application/gzip",
        "application/json",
        "application/pdf",
        "image/gif",
        "image/heic",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/csv",
        "video/mp4",
    }
)
"""What may be attached. No SVG: it may carry scripts."""


class EvidenceStatus(StrEnum):
    """Whether the telemetry has arrived."""

    PENDING = "pending"
    ATTACHED = "attached"


@dataclass(frozen=True)
class FrozenTelemetry:
    """Telemetry as it was when it was extracted.

    Attributes:
        file_key: of the extract in file storage.
        sha256: of the stored file, hex.
        samples: how many are in the file; 0 where the robot sent none.
    """

    file_key: str
    sha256: str
    samples: int
    protective_stop_samples: int
    grip_loss_samples: int

    @classmethod
    def of(cls, extracted: TelemetryExtracted) -> FrozenTelemetry:
        """Take what matters to a claim from the fact."""
        return cls(
            file_key=extracted.file_key,
            sha256=extracted.sha256,
            samples=extracted.samples,
            protective_stop_samples=extracted.protective_stop_samples,
            grip_loss_samples=extracted.grip_loss_samples,
        )


@dataclass(eq=False, kw_only=True)
class Evidence:
    """A robot's telemetry of a window, asked for once and frozen when it arrives.

    Attributes:
        id: also the id of the request for it.
        telemetry: None until it arrives; never changed afterwards.
    """

    id: UUID = field(default_factory=uuid7)
    robot_id: UUID
    window_start: datetime
    window_end: datetime
    requested_at: datetime
    telemetry: FrozenTelemetry | None = None
    attached_at: datetime | None = None

    @property
    def status(self) -> EvidenceStatus:
        """Whether the telemetry has arrived."""
        arrived = self.telemetry is not None
        return EvidenceStatus.ATTACHED if arrived else EvidenceStatus.PENDING


@dataclass(eq=False, kw_only=True)
class Attachment:
    """A file someone added to a claim; never changed.

    Attributes:
        size: bytes.
        sha256: of the content, hex.
    """

    id: UUID = field(default_factory=uuid7)
    name: str
    content_type: str
    size: int
    sha256: str
    file_key: str
    uploaded_by: UUID
    uploaded_at: datetime

    def __post_init__(self) -> None:
        """Refuse what is no document, picture, recording or log, or is empty."""
        if self.content_type not in ALLOWED_CONTENT_TYPES:
            raise Invalid(
                "content_type_not_allowed",
                content_type=self.content_type,
                allowed=sorted(ALLOWED_CONTENT_TYPES),
            )
        if self.size == 0:
            raise Invalid("attachment_empty", name=self.name)


def verify_content(content: bytes, *, expected_sha256: str) -> None:
    """Make sure that a stored file is still what was stored.

    Raises:
        InvalidState: ``file_corrupted``.
    """
    actual = sha256(content).hexdigest()
    if actual != expected_sha256:
        raise InvalidState("file_corrupted", expected=expected_sha256, actual=actual)
