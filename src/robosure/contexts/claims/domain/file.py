"""The file of a claim: everything kept about it, to which things are only added.

Decisions are ``claim``'s; this is the record they leave: evidence, attachments,
reserves and the timeline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from robosure.contexts.claims.domain.evidence import (
    EVIDENCE_MARGIN,
    Attachment,
    Evidence,
    EvidenceStatus,
    FrozenTelemetry,
)
from robosure.contexts.claims.domain.notice import Contact
from robosure.contexts.claims.domain.reserve import Reserve, ReserveChange, ReserveEntry
from robosure.contexts.claims.domain.timeline import Happening, TimelineEntry
from robosure.contexts.claims.domain.triage import Flag, Severity, flags_of_telemetry
from robosure.contexts.claims.events import EvidenceRequested
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money


@dataclass(eq=False, kw_only=True)
class ClaimFile(Aggregate):
    """What is known about a loss reported under a policy.

    Attributes:
        robot_class: of the robot, for choosing an adjuster.
        estimated_loss: as reported; 0 where nobody could say.
        injury: whether a person was hurt.
        reported_by: the person or API key who gave notice.
        happenings: how many entries the timeline has, so that whatever happens makes a
            new version of the claim, even where only its lists grow.
    """

    number: str
    policy_id: UUID
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    robot_id: UUID
    robot_class: str
    incident_type: str
    incident_at: datetime
    description: str
    estimated_loss: Money
    injury: bool
    contact: Contact
    reported_by: UUID
    reported_at: datetime
    severity: Severity
    flags: tuple[Flag, ...]
    happenings: int = 0
    evidence: list[Evidence] = field(default_factory=list[Evidence])
    attachments: list[Attachment] = field(default_factory=list[Attachment])
    reserve_entries: list[ReserveEntry] = field(default_factory=list[ReserveEntry])
    timeline: list[TimelineEntry] = field(default_factory=list[TimelineEntry])

    @property
    def currency(self) -> str:
        """The policy's currency."""
        return self.estimated_loss.currency

    @property
    def reserve(self) -> Reserve:
        """Where the claim stands: case reserve, paid and incurred."""
        return Reserve.of(self.reserve_entries, self.currency)

    @property
    def evidence_status(self) -> EvidenceStatus:
        """Pending until all of the telemetry asked for has arrived."""
        pending = any(e.status is EvidenceStatus.PENDING for e in self.evidence)
        return EvidenceStatus.PENDING if pending else EvidenceStatus.ATTACHED

    def request_evidence(self, *, at: datetime) -> None:
        """Ask for the robot's telemetry around the incident."""
        evidence = Evidence(
            robot_id=self.robot_id,
            window_start=self.incident_at - EVIDENCE_MARGIN,
            window_end=self.incident_at + EVIDENCE_MARGIN,
            requested_at=at,
        )
        self.evidence.append(evidence)
        self.note(
            Happening.EVIDENCE_REQUESTED,
            at=at,
            window_start=evidence.window_start.isoformat(),
            window_end=evidence.window_end.isoformat(),
        )
        self.record(
            EvidenceRequested(
                request_id=evidence.id,
                claim_id=self.id,
                robot_id=evidence.robot_id,
                window_start=evidence.window_start,
                window_end=evidence.window_end,
            )
        )

    def attach_evidence(
        self, evidence_id: UUID, telemetry: FrozenTelemetry, *, at: datetime
    ) -> None:
        """Freeze the telemetry asked for; what was frozen before stays as it is.

        Raises:
            Invalid: ``evidence_not_requested``.
        """
        evidence = next((e for e in self.evidence if e.id == evidence_id), None)
        if evidence is None:
            raise Invalid("evidence_not_requested", evidence_id=evidence_id)
        if evidence.telemetry is not None:
            return
        evidence.telemetry, evidence.attached_at = telemetry, at
        self.note(
            Happening.EVIDENCE_ATTACHED,
            at=at,
            samples=str(telemetry.samples),
            sha256=telemetry.sha256,
        )
        flags = flags_of_telemetry(
            samples=telemetry.samples,
            protective_stop_samples=telemetry.protective_stop_samples,
        )
        if flags:
            self.flags += flags
            self.note(Happening.FLAGGED, at=at, flags=", ".join(flags))

    def attach(self, attachment: Attachment) -> None:
        """Add a file; a closed claim takes files too, for the record."""
        self.attachments.append(attachment)
        self.note(
            Happening.ATTACHMENT_ADDED,
            by=attachment.uploaded_by,
            at=attachment.uploaded_at,
            name=attachment.name,
            sha256=attachment.sha256,
        )

    def change_reserve(
        self,
        change: ReserveChange,
        *,
        to: Money,
        at: datetime,
        by: UUID | None = None,
        paid: Money | None = None,
    ) -> None:
        """Bring the case reserve to an amount, and count what was paid.

        Where neither changes there is no entry.
        """
        before = self.reserve.case
        if to == before and not paid:
            return
        entry = ReserveEntry(
            at=at,
            change=change,
            case=to - before,
            paid=paid or Money.zero(self.currency),
        )
        self.reserve_entries.append(entry)
        self.note(
            Happening.RESERVE_CHANGED,
            by=by,
            at=at,
            change=change,
            before=str(before),
            after=str(to),
        )

    def note(
        self, what: Happening, *, at: datetime, by: UUID | None = None, **details: str
    ) -> None:
        """Add to the timeline; nobody as the actor is the platform itself."""
        entry = TimelineEntry(at=at, what=what, actor=by, details=details)
        self.timeline.append(entry)
        self.happenings += 1
