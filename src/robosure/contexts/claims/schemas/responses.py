"""What claims answers over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic import Field

from robosure.contexts.claims.domain.claim import ClaimStatus
from robosure.contexts.claims.domain.evidence import EvidenceStatus
from robosure.contexts.claims.domain.settlement import DeductibleOrder, ValuationBasis
from robosure.contexts.claims.domain.timeline import Happening
from robosure.contexts.claims.domain.triage import Flag, Severity
from robosure.contexts.claims.schemas.examples import EXAMPLE_ID, eur, example
from robosure.platform.http import MoneyModel, OutputModel

_SHA: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class ClaimReceipt(OutputModel):
    """Where a claim stands after a command; `GET` tells the rest."""

    model_config = example(id=EXAMPLE_ID, number="CLM-2026-000007", status="assigned")

    id: UUID
    number: str
    status: ClaimStatus


class ClaimSummary(OutputModel):
    """A claim in a list."""

    model_config = example(
        id=EXAMPLE_ID,
        number="CLM-2026-000007",
        status="assigned",
        policy_number="POL-2026-000042",
        robot_id=EXAMPLE_ID,
        incident_type="collision",
        incident_at="2026-03-01T09:30:00Z",
        estimated_loss=eur(900000),
        adjuster_id=EXAMPLE_ID,
        reported_at="2026-03-02T12:00:00Z",
    )

    id: UUID
    number: str
    status: ClaimStatus
    policy_number: str
    robot_id: UUID
    incident_type: str
    incident_at: datetime
    estimated_loss: MoneyModel
    adjuster_id: UUID | None = Field(description="Null while it waits for one.")
    reported_at: datetime


class TriageResponse(OutputModel):
    """How grave the claim is, and what deserves a second look."""

    severity: Severity
    flags: list[Flag]


class AdjusterResponse(OutputModel):
    """Who handles the claim."""

    id: UUID
    name: str


class WindowResponse(OutputModel):
    """A span of time."""

    start: datetime
    end: datetime


class EvidenceResponse(OutputModel):
    """A robot's telemetry around the incident; figures are null until it arrives."""

    model_config = example(
        id=EXAMPLE_ID,
        status="attached",
        robot_id=EXAMPLE_ID,
        window={"start": "2026-03-01T09:20:00Z", "end": "2026-03-01T09:40:00Z"},
        samples=1184,
        protective_stop_samples=46,
        grip_loss_samples=12,
        sha256=_SHA,
        attached_at="2026-03-02T12:00:01Z",
    )

    id: UUID
    status: EvidenceStatus
    robot_id: UUID
    window: WindowResponse
    samples: int | None
    protective_stop_samples: int | None
    grip_loss_samples: int | None
    sha256: str | None = Field(description="Of the frozen file, hex.")
    attached_at: datetime | None


class CoinsuranceResponse(OutputModel):
    """The coinsurance clause that was applied."""

    clause: Decimal
    value_at_risk: MoneyModel


class AssessmentResponse(OutputModel):
    """What the adjuster found."""

    coverage_code: str
    basis: ValuationBasis
    loss_value: MoneyModel
    actual_cash_value: MoneyModel | None
    coinsurance: CoinsuranceResponse | None
    deductible_order: DeductibleOrder
    sub_limit: MoneyModel | None
    notes: str
    assessed_by: UUID
    assessed_at: datetime


class StepResponse(OutputModel):
    """A step of the settlement, to the minor unit; the next goes on from the exact."""

    name: str
    before: MoneyModel
    after: MoneyModel
    explanation: str


class SettlementResponse(OutputModel):
    """What is paid, and how that was worked out."""

    amount: MoneyModel
    steps: list[StepResponse]


class DecisionResponse(OutputModel):
    """How the claim was decided."""

    approved: bool
    decided_by: UUID
    decided_at: datetime
    reason: str | None = Field(description="Why it was declined.")


class ReserveResponse(OutputModel):
    """Case reserve plus paid is incurred."""

    case: MoneyModel
    paid: MoneyModel
    incurred: MoneyModel


class ContactResponse(OutputModel):
    """Whom to ask about the incident."""

    name: str
    email: str | None
    phone: str | None


class ClaimResponse(OutputModel):
    """A claim.

    The holder's organisation sees neither triage, assessment nor reserve, and the
    settlement only once it is approved: those fields are null for it.
    """

    model_config = example(
        id=EXAMPLE_ID,
        number="CLM-2026-000007",
        status="paid",
        policy_id=EXAMPLE_ID,
        policy_number="POL-2026-000042",
        robot_id=EXAMPLE_ID,
        incident_type="collision",
        incident_at="2026-03-01T09:30:00Z",
        description="The arm struck the fixture and stopped.",
        estimated_loss=eur(900000),
        injury=False,
        contact={"name": "Ada Byron", "email": "ada@example.com", "phone": None},
        reported_at="2026-03-02T12:00:00Z",
        triage={"severity": "standard", "flags": []},
        adjuster={"id": EXAMPLE_ID, "name": "Grace Hopper"},
        evidence_status="attached",
        evidence=[],
        assessment=None,
        settlement={
            "amount": eur(850000),
            "steps": [
                {
                    "name": "deductible",
                    "before": eur(900000),
                    "after": eur(850000),
                    "explanation": "less the deductible of 500.00 EUR",
                }
            ],
        },
        decision={
            "approved": True,
            "decided_by": EXAMPLE_ID,
            "decided_at": "2026-03-02T12:05:00Z",
            "reason": None,
        },
        reserve={"case": eur(0), "paid": eur(850000), "incurred": eur(850000)},
    )

    id: UUID
    number: str
    status: ClaimStatus
    policy_id: UUID
    policy_number: str
    robot_id: UUID
    incident_type: str
    incident_at: datetime
    description: str
    estimated_loss: MoneyModel
    injury: bool
    contact: ContactResponse
    reported_at: datetime
    triage: TriageResponse | None
    adjuster: AdjusterResponse | None = Field(
        description="Null while the claim waits for one."
    )
    evidence_status: EvidenceStatus
    evidence: list[EvidenceResponse]
    assessment: AssessmentResponse | None
    settlement: SettlementResponse | None
    decision: DecisionResponse | None
    reserve: ReserveResponse | None


class TimelineEntryResponse(OutputModel):
    """One thing that happened to a claim."""

    model_config = example(
        id=EXAMPLE_ID,
        at="2026-03-02T12:00:00Z",
        what="assigned",
        actor=None,
        details={"adjuster": "Grace Hopper"},
    )

    id: UUID
    at: datetime
    what: Happening
    actor: UUID | None = Field(description="Null where the platform did it by itself.")
    details: dict[str, str]


class AttachmentResponse(OutputModel):
    """A file attached to a claim."""

    model_config = example(
        id=EXAMPLE_ID,
        name="offer.pdf",
        content_type="application/pdf",
        size=48213,
        sha256=_SHA,
        uploaded_by=EXAMPLE_ID,
        uploaded_at="2026-03-02T12:00:00Z",
    )

    id: UUID
    name: str
    content_type: str
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="Of the content, hex.")
    uploaded_by: UUID
    uploaded_at: datetime
