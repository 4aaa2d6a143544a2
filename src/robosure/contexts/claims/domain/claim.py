"""A claim: from the first notice of loss to the money that closes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.claims.domain.assessment import Assessment
from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.evidence import EvidenceStatus
from robosure.contexts.claims.domain.file import ClaimFile
from robosure.contexts.claims.domain.notice import Notice
from robosure.contexts.claims.domain.reserve import ReserveChange
from robosure.contexts.claims.domain.roster import Adjuster
from robosure.contexts.claims.domain.settlement import Settlement
from robosure.contexts.claims.domain.timeline import Happening
from robosure.contexts.claims.domain.triage import flags_of_notice, severity_of
from robosure.contexts.claims.events import (
    ClaimDecided,
    ClaimPaid,
    ClaimReported,
    PayoutRequested,
)
from robosure.kernel.authority import Authority
from robosure.kernel.errors import Forbidden, InvalidState
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money


class ClaimStatus(StrEnum):
    """Where a claim is in its life."""

    REPORTED = "reported"
    ASSIGNED = "assigned"
    ASSESSED = "assessed"
    APPROVED = "approved"
    PAYOUT_REQUESTED = "payout_requested"
    PAID = "paid"
    DECLINED = "declined"
    CLOSED_WITHOUT_PAYMENT = "closed_without_payment"


CLOSED: Final = frozenset(
    {ClaimStatus.PAID, ClaimStatus.DECLINED, ClaimStatus.CLOSED_WITHOUT_PAYMENT}
)
UNDECIDED: Final = frozenset(
    {ClaimStatus.REPORTED, ClaimStatus.ASSIGNED, ClaimStatus.ASSESSED}
)


@dataclass(eq=False, kw_only=True)
class Claim(ClaimFile):
    """A loss reported under a policy, and what becomes of it.

    Attributes:
        adjuster_id: None while it waits for one.
        settlement: worked out at the assessment, and again at the approval against
            what is left of the aggregate by then.
        payout_id: of the latest request for payment.
    """

    status: ClaimStatus = ClaimStatus.REPORTED
    adjuster_id: UUID | None = None
    assessment: Assessment | None = None
    settlement: Settlement | None = None
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    decline_reason: str | None = None
    payout_id: UUID | None = None

    @classmethod
    def report(
        cls,
        cover: PolicyCover,
        notice: Notice,
        *,
        number: str,
        by: UUID,
        at: datetime,
    ) -> Claim:
        """Take a first notice of loss: check cover, triage, reserve, ask for evidence.

        The cover is the one of the day of the incident in the policy's time zone. The
        case reserve opens at what the first responding coverage would pay on the
        estimate.

        Raises:
            Invalid: ``incident_in_future``, ``incident_outside_term``,
                ``robot_not_insured``, ``incident_not_covered``, ``currency_mismatch``.
        """
        cover.check_incident_time(notice.incident_at, now=at)
        robot = cover.robot(notice.robot_id)
        coverage = cover.responding_to(notice.incident_type)[0]
        estimate = notice.estimated_loss
        zero = Money.zero(coverage.limit.currency)
        expected = min(coverage.limit, max(zero, estimate - coverage.deductible))
        claim = cls(
            number=number,
            policy_id=cover.policy_id,
            policy_number=cover.policy_number,
            insurer_id=cover.insurer_id,
            holder_id=cover.holder_id,
            robot_id=notice.robot_id,
            robot_class=robot.robot_class,
            incident_type=notice.incident_type,
            incident_at=notice.incident_at,
            description=notice.description,
            estimated_loss=estimate,
            injury=notice.injury,
            contact=notice.contact,
            reported_by=by,
            reported_at=at,
            severity=severity_of(estimate, limit=coverage.limit, injury=notice.injury),
            flags=flags_of_notice(
                incident_at=notice.incident_at, reported_at=at, term=cover.term
            ),
        )
        claim._tell_report(by=by, at=at)
        claim.change_reserve(ReserveChange.OPENED, to=expected, at=at)
        claim.request_evidence(at=at)
        return claim

    def wait_for_adjuster(self, *, at: datetime) -> None:
        """Note that no adjuster was available."""
        self.note(Happening.ASSIGNMENT_WAITING, at=at)

    def assign(self, adjuster: Adjuster, *, by: UUID | None, at: datetime) -> None:
        """Give the claim to an adjuster of the insurer, first or instead of another.

        Raises:
            InvalidState: ``claim_decided``, or ``adjuster_unavailable``.
        """
        self._expect_undecided()
        if not adjuster.active or adjuster.organisation_id != self.insurer_id:
            raise InvalidState("adjuster_unavailable", adjuster_id=adjuster.user_id)
        self.adjuster_id = adjuster.user_id
        if self.status is ClaimStatus.REPORTED:
            self.status = ClaimStatus.ASSIGNED
        adjuster.last_assigned_at = at
        self.note(Happening.ASSIGNED, by=by, at=at, adjuster=str(adjuster.user_id))

    def assess(
        self,
        assessment: Assessment,
        *,
        cover: PolicyCover,
        aggregate_remaining: Money,
        may_stand_in: bool,
    ) -> None:
        """Value the loss; may be done again until the claim is decided.

        Args:
            assessment: by the claim's adjuster.
            cover: the policy's.
            aggregate_remaining: of the coverage, as far as is known now.
            may_stand_in: whether the assessor may assess another adjuster's claim.

        Raises:
            InvalidState: ``claim_not_assigned``, or ``claim_decided``.
            Forbidden: ``not_the_adjuster``.
            Invalid: the coverage does not respond, or an amount is impossible.
        """
        self._expect_undecided()
        if self.status is ClaimStatus.REPORTED:
            raise InvalidState("claim_not_assigned", number=self.number)
        by, at = assessment.assessed_by, assessment.assessed_at
        if by != self.adjuster_id and not may_stand_in:
            raise Forbidden("not_the_adjuster", number=self.number)
        self.settlement = self._settle(assessment, cover, aggregate_remaining)
        self.assessment = assessment
        self.status = ClaimStatus.ASSESSED
        amount = self.settlement.amount
        self.note(
            Happening.ASSESSED,
            by=by,
            at=at,
            coverage=assessment.coverage_code,
            loss=str(assessment.loss.value),
            settlement=str(amount),
        )
        self.change_reserve(ReserveChange.SET, to=amount, by=by, at=at)

    def approve(
        self,
        *,
        cover: PolicyCover,
        aggregate_remaining: Money,
        authority: Authority,
        by: UUID,
        at: datetime,
    ) -> Money:
        """Approve the settlement and ask for its payment.

        The settlement is worked out again, because others may have used up some of the
        aggregate since the assessment. One of nothing closes the claim.

        Args:
            cover: the policy's.
            aggregate_remaining: of the coverage, locked, so that it cannot change.
            authority: of the one who approves, in the claim's currency.
            by: neither reported the claim nor ever assessed it.
            at: now.

        Returns:
            What is to be taken from the aggregate.

        Raises:
            InvalidState: ``claim_not_assessed`` or ``evidence_pending``.
            Forbidden: ``assessor_cannot_approve``, ``reporter_cannot_approve`` or
                ``above_authority``.
        """
        assessment = self.assessed()
        if self.evidence_status is EvidenceStatus.PENDING:
            raise InvalidState("evidence_pending", number=self.number)
        self._expect_other_eyes(by)
        settlement = self._settle(assessment, cover, aggregate_remaining)
        amount = settlement.amount
        authority.check(amount)
        self.settlement = settlement
        self._decide(ClaimStatus.APPROVED, amount, by=by, at=at)
        self.note(Happening.APPROVED, by=by, at=at, amount=str(amount))
        if amount:
            self.change_reserve(ReserveChange.SET, to=amount, by=by, at=at)
            self._request_payout(cover, amount, by=by, at=at)
        else:
            self.change_reserve(ReserveChange.RELEASED, to=amount, by=by, at=at)
            self._close(ClaimStatus.CLOSED_WITHOUT_PAYMENT, at=at)
        return amount

    def assessed(self) -> Assessment:
        """Return the assessment that is to be decided on.

        Raises:
            InvalidState: ``claim_not_assessed``, or ``claim_decided``.
        """
        self._expect_undecided()
        if self.assessment is None:
            raise InvalidState("claim_not_assessed", number=self.number)
        return self.assessment

    def decline(self, *, reason: str, by: UUID, at: datetime) -> None:
        """Refuse the claim and release its reserve.

        Raises:
            InvalidState: ``claim_decided``.
        """
        self._expect_undecided()
        nothing = Money.zero(self.currency)
        self.decline_reason = reason
        self._decide(ClaimStatus.DECLINED, nothing, by=by, at=at)
        self.note(Happening.DECLINED, by=by, at=at, reason=reason)
        self.change_reserve(ReserveChange.RELEASED, to=nothing, by=by, at=at)

    def retry_payout(self, *, cover: PolicyCover, by: UUID, at: datetime) -> None:
        """Ask again for a payment that failed, under a new payout id.

        Raises:
            InvalidState: ``payout_not_due``.
        """
        if self.status is not ClaimStatus.APPROVED or self.settlement is None:
            raise InvalidState("payout_not_due", number=self.number, status=self.status)
        self._request_payout(cover, self.settlement.amount, by=by, at=at)

    def pay(self, payout_id: UUID, *, amount: Money, at: datetime) -> None:
        """Close the claim: the money arrived.

        Raises:
            InvalidState: ``payout_unknown``, it is not the payment awaited.
        """
        self._expect_payout(payout_id)
        self.note(Happening.PAID, at=at, amount=str(amount))
        nothing = Money.zero(self.currency)
        self.change_reserve(ReserveChange.PAID, to=nothing, at=at, paid=amount)
        self._close(ClaimStatus.PAID, at=at)
        self.record(
            ClaimPaid(
                claim_id=self.id,
                number=self.number,
                policy_number=self.policy_number,
                insurer_id=self.insurer_id,
                holder_id=self.holder_id,
                paid=amount,
            )
        )

    def fail_payout(self, payout_id: UUID, *, reason: str, at: datetime) -> None:
        """Go back to approved: the money did not arrive, and someone must look.

        Raises:
            InvalidState: ``payout_unknown``, it is not the payment awaited.
        """
        self._expect_payout(payout_id)
        self.status = ClaimStatus.APPROVED
        self.note(Happening.PAYOUT_FAILED, at=at, reason=reason)

    def _expect_other_eyes(self, by: UUID) -> None:
        """Let pass who has only to look at what others did."""
        if by == self.reported_by:
            raise Forbidden("reporter_cannot_approve", number=self.number)
        if any(e.what is Happening.ASSESSED and e.actor == by for e in self.timeline):
            raise Forbidden("assessor_cannot_approve", number=self.number)

    def _settle(
        self, assessment: Assessment, cover: PolicyCover, aggregate_remaining: Money
    ) -> Settlement:
        return assessment.settle(
            cover,
            robot_id=self.robot_id,
            incident_type=self.incident_type,
            aggregate_remaining=aggregate_remaining,
        )

    def _tell_report(self, *, by: UUID, at: datetime) -> None:
        self.note(
            Happening.REPORTED,
            by=by,
            at=at,
            incident_type=self.incident_type,
            estimated_loss=str(self.estimated_loss),
        )
        flags = ", ".join(self.flags) or "none"
        self.note(Happening.TRIAGED, at=at, severity=self.severity, flags=flags)
        self.record(
            ClaimReported(
                claim_id=self.id,
                number=self.number,
                policy_id=self.policy_id,
                policy_number=self.policy_number,
                insurer_id=self.insurer_id,
                holder_id=self.holder_id,
                robot_id=self.robot_id,
                incident_type=self.incident_type,
                incident_at=self.incident_at,
            )
        )

    def _decide(
        self, status: ClaimStatus, amount: Money, *, by: UUID, at: datetime
    ) -> None:
        self.status = status
        self.decided_by, self.decided_at = by, at
        self.record(
            ClaimDecided(
                claim_id=self.id,
                number=self.number,
                policy_number=self.policy_number,
                insurer_id=self.insurer_id,
                holder_id=self.holder_id,
                approved=status is ClaimStatus.APPROVED,
                amount=amount,
                reason=self.decline_reason or "",
            )
        )

    def _request_payout(
        self, cover: PolicyCover, amount: Money, *, by: UUID, at: datetime
    ) -> None:
        self.payout_id = uuid7()
        self.status = ClaimStatus.PAYOUT_REQUESTED
        self.note(
            Happening.PAYOUT_REQUESTED,
            by=by,
            at=at,
            amount=str(amount),
            payout_id=str(self.payout_id),
        )
        self.record(
            PayoutRequested(
                payout_id=self.payout_id,
                claim_id=self.id,
                claim_number=self.number,
                insurer_id=self.insurer_id,
                payee_id=self.holder_id,
                amount=amount,
                payment_method=cover.payment_method,
            )
        )

    def _close(self, status: ClaimStatus, *, at: datetime) -> None:
        self.status = status
        self.note(Happening.CLOSED, at=at, status=status)

    def _expect_undecided(self) -> None:
        if self.status not in UNDECIDED:
            raise InvalidState("claim_decided", number=self.number, status=self.status)

    def _expect_payout(self, payout_id: UUID) -> None:
        awaited = self.status is ClaimStatus.PAYOUT_REQUESTED
        if not awaited or payout_id != self.payout_id:
            raise InvalidState("payout_unknown", number=self.number, payout=payout_id)
