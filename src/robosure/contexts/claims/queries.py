"""The read side of claims: what an organisation may see of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Table, Text, case, cast, func, or_, select
from sqlalchemy.orm import Bundle
from sqlalchemy.sql import ColumnElement

from robosure.contexts.claims import tables
from robosure.contexts.claims.domain.assessment import Assessment
from robosure.contexts.claims.domain.claim import UNDECIDED, ClaimStatus
from robosure.contexts.claims.domain.evidence import EvidenceStatus, FrozenTelemetry
from robosure.contexts.claims.domain.timeline import INTERNAL
from robosure.contexts.claims.schemas.responses import (
    AdjusterResponse,
    AssessmentResponse,
    AttachmentResponse,
    ClaimResponse,
    ClaimSummary,
    CoinsuranceResponse,
    ContactResponse,
    DecisionResponse,
    EvidenceResponse,
    ReserveResponse,
    SettlementResponse,
    TimelineEntryResponse,
    TriageResponse,
    WindowResponse,
)
from robosure.kernel.errors import NotFound, NotYetKnown
from robosure.kernel.money import Money
from robosure.platform.database import ReadSession
from robosure.platform.database.behalf import PLATFORM, continue_on_behalf_of
from robosure.platform.http import MoneyModel, Page, PageRequest, matching, paginate

_claims: Final = tables.claims.c
_evidence: Final = tables.evidence.c
_attachments: Final = tables.attachments.c


@dataclass(frozen=True)
class StoredContent:
    """Where a file is, and what it must be."""

    file_key: str
    sha256: str
    content_type: str
    name: str


class ClaimQueries:
    """What one organisation may see: claims it insures and claims it made."""

    def __init__(self, session: ReadSession, *, organisation_id: UUID) -> None:
        self._session = session
        self._organisation_id = organisation_id

    async def claims(
        self,
        cursor: PageRequest,
        *,
        status: ClaimStatus | None,
        policy_number: str | None,
        adjuster_id: UUID | None,
    ) -> Page[ClaimSummary]:
        """List claims, newest first."""
        statement = select(
            _claims.id,
            _claims.number,
            _claims.status,
            _claims.policy_number,
            _claims.robot_id,
            _claims.incident_type,
            _claims.incident_at,
            Bundle[Any](
                "estimated_loss",
                _claims.estimated_loss_minor.label("minor"),
                _claims.currency.label("currency"),
            ),
            _claims.adjuster_id,
            _claims.reported_at,
        ).where(
            self._visible(),
            *matching(
                (_claims.status, status),
                (_claims.policy_number, policy_number),
                (_claims.adjuster_id, adjuster_id),
            ),
        )
        return await paginate(
            self._session, statement, by=_claims.id, cursor=cursor, model=ClaimSummary
        )

    async def claim(self, claim_id: UUID) -> tuple[ClaimResponse, int]:
        """Return a claim and its version.

        Raises:
            NotFound: there is none that the organisation may see.
        """
        row = await self._row(claim_id)
        inside = row.insurer_id == self._organisation_id
        told = row.status not in UNDECIDED | {ClaimStatus.DECLINED}
        evidence = await self._evidence_of(claim_id)
        pending = any(each.status is EvidenceStatus.PENDING for each in evidence)
        shown = ClaimResponse(
            id=row.id,
            number=row.number,
            status=row.status,
            policy_id=row.policy_id,
            policy_number=row.policy_number,
            robot_id=row.robot_id,
            incident_type=row.incident_type,
            incident_at=row.incident_at,
            description=row.description,
            estimated_loss=MoneyModel(
                minor=row.estimated_loss_minor, currency=row.currency
            ),
            injury=row.injury,
            contact=ContactResponse(
                name=row.contact_name, email=row.contact_email, phone=row.contact_phone
            ),
            reported_at=row.reported_at,
            triage=_triage(row) if inside else None,
            adjuster=await self._adjuster(row.adjuster_id),
            evidence_status=(
                EvidenceStatus.PENDING if pending else EvidenceStatus.ATTACHED
            ),
            evidence=evidence,
            assessment=_assessment(row.assessment) if inside else None,
            settlement=_settlement(row) if inside or told else None,
            decision=_decision(row),
            reserve=await self._reserve(row) if inside else None,
        )
        return shown, row.version

    async def timeline(
        self, claim_id: UUID, cursor: PageRequest
    ) -> Page[TimelineEntryResponse]:
        """List what happened to a claim, newest first.

        Raises:
            NotFound: there is no claim that the organisation may see.
        """
        row = await self._row(claim_id)
        c, adjuster = tables.timeline.c, tables.adjusters.c
        named = c.details.op("||")(func.jsonb_build_object("adjuster", adjuster.name))
        details = case((adjuster.name.is_not(None), named), else_=c.details)
        mentioned = cast(adjuster.user_id, Text) == c.details["adjuster"].astext
        statement = (
            select(c.id, c.at, c.what, c.actor, details.label("details"))
            .join_from(tables.timeline, tables.adjusters, mentioned, isouter=True)
            .where(c.claim_id == claim_id)
        )
        if row.insurer_id != self._organisation_id:
            statement = statement.where(c.what.not_in(INTERNAL))
        # Holders do not see the insurer's roster, but who has had their claim.
        await continue_on_behalf_of(self._session, PLATFORM)
        return await paginate(
            self._session,
            statement,
            by=c.id,
            cursor=cursor,
            model=TimelineEntryResponse,
        )

    async def evidence(self, claim_id: UUID) -> Page[EvidenceResponse]:
        """List the evidence of a claim, all of it.

        Raises:
            NotFound: there is no claim that the organisation may see.
        """
        await self._row(claim_id)
        items = await self._evidence_of(claim_id)
        return Page[EvidenceResponse](items=items, next_cursor=None)

    async def attachments(
        self, claim_id: UUID, cursor: PageRequest
    ) -> Page[AttachmentResponse]:
        """List the files attached to a claim, newest first.

        Raises:
            NotFound: there is no claim that the organisation may see.
        """
        await self._row(claim_id)
        statement = select(tables.attachments).where(_attachments.claim_id == claim_id)
        return await paginate(
            self._session,
            statement,
            by=_attachments.id,
            cursor=cursor,
            model=AttachmentResponse,
        )

    async def attachment_content(
        self, claim_id: UUID, attachment_id: UUID
    ) -> StoredContent:
        """Say where an attachment is.

        Raises:
            NotFound: there is none that the organisation may see.
        """
        row = await self._part(tables.attachments, claim_id, attachment_id)
        return StoredContent(row.file_key, row.sha256, row.content_type, row.name)

    async def evidence_content(
        self, claim_id: UUID, evidence_id: UUID
    ) -> StoredContent:
        """Say where the frozen telemetry is.

        Raises:
            NotFound: there is none that the organisation may see.
            NotYetKnown: it has not arrived.
        """
        row = await self._part(tables.evidence, claim_id, evidence_id)
        telemetry: FrozenTelemetry | None = row.telemetry
        if telemetry is None:
            raise NotYetKnown("evidence_pending", evidence_id=evidence_id)
        return StoredContent(
            telemetry.file_key,
            telemetry.sha256,
            "application/gzip",
            f"evidence-{evidence_id}.ndjson.gz",
        )

    def _visible(self) -> ColumnElement[bool]:
        return or_(
            _claims.insurer_id == self._organisation_id,
            _claims.holder_id == self._organisation_id,
        )

    async def _row(self, claim_id: UUID) -> Row[Any]:
        statement = select(tables.claims).where(_claims.id == claim_id, self._visible())
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("claim_not_found", claim_id=claim_id)
        return row

    async def _part(self, table: Table, claim_id: UUID, part_id: UUID) -> Row[Any]:
        await self._row(claim_id)
        statement = select(table).where(
            table.c.claim_id == claim_id, table.c.id == part_id
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("file_not_found", claim_id=claim_id, file_id=part_id)
        return row

    async def _evidence_of(self, claim_id: UUID) -> list[EvidenceResponse]:
        statement = (
            select(tables.evidence)
            .where(_evidence.claim_id == claim_id)
            .order_by(_evidence.id)
        )
        return [_shown(row) for row in await self._session.execute(statement)]

    async def _adjuster(self, adjuster_id: UUID | None) -> AdjusterResponse | None:
        c = tables.adjusters.c
        statement = select(c.user_id.label("id"), c.name).where(
            c.user_id == adjuster_id
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else AdjusterResponse.model_validate(row)

    async def _reserve(self, row: Row[Any]) -> ReserveResponse:
        c = tables.reserve_entries.c
        case = func.coalesce(func.sum(c.case_minor), 0)
        paid = func.coalesce(func.sum(c.paid_minor), 0)
        kind = c.case_minor.type
        sums = select(cast(case, kind), cast(paid, kind)).where(c.claim_id == row.id)
        case_minor, paid_minor = (await self._session.execute(sums)).one()
        return ReserveResponse(
            case=MoneyModel(minor=case_minor, currency=row.currency),
            paid=MoneyModel(minor=paid_minor, currency=row.currency),
            incurred=MoneyModel(minor=case_minor + paid_minor, currency=row.currency),
        )


def _shown(row: Row[Any]) -> EvidenceResponse:
    frozen: FrozenTelemetry | None = row.telemetry
    return EvidenceResponse(
        id=row.id,
        status=EvidenceStatus.ATTACHED if frozen else EvidenceStatus.PENDING,
        robot_id=row.robot_id,
        window=WindowResponse(start=row.window_start, end=row.window_end),
        samples=frozen.samples if frozen else None,
        protective_stop_samples=frozen.protective_stop_samples if frozen else None,
        grip_loss_samples=frozen.grip_loss_samples if frozen else None,
        sha256=frozen.sha256 if frozen else None,
        attached_at=row.attached_at,
    )


def _triage(row: Row[Any]) -> TriageResponse:
    return TriageResponse(severity=row.severity, flags=list(row.flags))


def _assessment(assessment: Assessment | None) -> AssessmentResponse | None:
    if assessment is None:
        return None
    clause = assessment.coinsurance
    return AssessmentResponse(
        coverage_code=assessment.coverage_code,
        basis=assessment.loss.basis,
        loss_value=MoneyModel.from_money(assessment.loss.value),
        actual_cash_value=_money(assessment.loss.actual_cash_value),
        coinsurance=(
            None if clause is None else CoinsuranceResponse.model_validate(clause)
        ),
        deductible_order=assessment.deductible_order,
        sub_limit=_money(assessment.sub_limit),
        notes=assessment.notes,
        assessed_by=assessment.assessed_by,
        assessed_at=assessment.assessed_at,
    )


def _settlement(row: Row[Any]) -> SettlementResponse | None:
    if row.settlement is None:
        return None
    return SettlementResponse.model_validate(row.settlement)


def _decision(row: Row[Any]) -> DecisionResponse | None:
    if row.decided_at is None:
        return None
    return DecisionResponse(
        approved=row.status is not ClaimStatus.DECLINED,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.decline_reason,
    )


def _money(amount: Money | None) -> MoneyModel | None:
    return None if amount is None else MoneyModel.from_money(amount)
