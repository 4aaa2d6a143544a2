"""Use cases of claims; each works inside the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from robosure.contexts.claims.domain.claim import Claim
from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.evidence import (
    Attachment,
    FrozenTelemetry,
    verify_content,
)
from robosure.contexts.claims.domain.notice import Notice
from robosure.contexts.claims.domain.roster import Adjuster, choose_adjuster
from robosure.contexts.claims.ports import Claims, Covers, Roster
from robosure.contexts.claims.queries import StoredContent
from robosure.contexts.claims.repository import SqlClaims, SqlCovers, SqlRoster
from robosure.contexts.claims.schemas.requests import AssessClaimRequest
from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.contexts.identity.events import UserChanged, UserRegistered
from robosure.contexts.payments.events import PayoutCompleted, PayoutFailed
from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.authority import Decision
from robosure.kernel.errors import Forbidden, InvalidState, NotFound, Stale
from robosure.kernel.time import Clock
from robosure.platform.database import WriteSession
from robosure.platform.files import FileStorage
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.security import Authorities, Principal
from robosure.platform.uploads import Upload

REPORTED: Final = counter("claims_reported_total", "Claims reported.", ["severity"])
DECIDED: Final = counter("claims_decided_total", "Claims decided.", ["outcome"])
PAID: Final = counter("claims_paid_total", "Claims whose payment arrived.")

_STAND_IN_ROLE: Final = "admin"


class ClaimService(LoggerMixin):
    """What people do with claims."""

    def __init__(
        self, *, claims: Claims, covers: Covers, roster: Roster, clock: Clock
    ) -> None:
        self._claims = claims
        self._covers = covers
        self._roster = roster
        self._clock = clock

    @classmethod
    def on(cls, session: WriteSession, clock: Clock) -> ClaimService:
        """Build over one transaction."""
        return cls(
            claims=SqlClaims(session),
            covers=SqlCovers(session),
            roster=SqlRoster(session),
            clock=clock,
        )

    async def report(
        self, policy_number: str, notice: Notice, *, principal: Principal
    ) -> Claim:
        """Take a first notice of loss and give the claim to an adjuster.

        Raises:
            NotFound: ``policy_not_found``: there is none, none that the principal's
                organisation is a party to, or one bound so lately that its cover has
                not arrived here yet, which cannot be told apart.
            Invalid: the policy does not cover what is reported.
        """
        cover = await self._covers.get(policy_number)
        if not cover.concerns(principal.organisation_id):
            raise NotFound("policy_not_found", policy_number=policy_number)
        now = self._clock.now()
        number = await self._claims.next_number(now.year)
        claim = Claim.report(cover, notice, number=number, by=principal.subject, at=now)
        if not await self._hand_out(claim):
            claim.wait_for_adjuster(at=now)
        self._claims.add(claim)
        REPORTED.labels(claim.severity).inc()
        self.logger.info(
            "claims.service.report_completed", claim=number, status=claim.status
        )
        return claim

    async def assign_next_waiting(self, *, after: UUID | None) -> UUID | None:
        """Give the next claim that waits to an adjuster, if one is available now.

        Args:
            after: only a claim reported later than this one.

        Returns:
            The claim that was looked at; None if no more are waiting.
        """
        claim = await self._claims.take_waiting(after=after)
        if claim is None:
            return None
        await self._hand_out(claim)
        return claim.id

    async def assign(
        self,
        claim_id: UUID,
        adjuster_id: UUID,
        *,
        principal: Principal,
        expected: int | None,
    ) -> Claim:
        """Give a claim to a certain adjuster, whatever their skills and load.

        Raises:
            NotFound: no such claim, or no such adjuster of the insurer.
            InvalidState: the claim is decided, or the adjuster is not available.
        """
        claim = await self._insured(claim_id, principal=principal, expected=expected)
        adjuster = await self._roster.get_for_update(
            adjuster_id, organisation_id=claim.insurer_id
        )
        claim.assign(adjuster, by=principal.subject, at=self._clock.now())
        return claim

    async def assess(
        self,
        claim_id: UUID,
        request: AssessClaimRequest,
        *,
        principal: Principal,
        expected: int | None,
    ) -> Claim:
        """Value a loss and work out its settlement.

        Raises:
            NotFound: no such claim.
            Forbidden: it is another adjuster's claim.
            InvalidState: it waits for an adjuster, or is decided.
            Invalid: the coverage does not respond, or an amount is impossible.
        """
        claim = await self._insured(claim_id, principal=principal, expected=expected)
        cover = await self._covers.get(claim.policy_number)
        assessment = request.to_assessment(by=principal.subject, at=self._clock.now())
        claim.assess(
            assessment,
            cover=cover,
            aggregate_remaining=await self._covers.remaining(
                cover, request.coverage_code, lock=False
            ),
            may_stand_in=_STAND_IN_ROLE in principal.roles,
        )
        return claim

    async def approve(
        self,
        claim_id: UUID,
        *,
        principal: Principal,
        authorities: Authorities,
        expected: int | None,
    ) -> Claim:
        """Approve a settlement, take it from the aggregate, and ask for its payment.

        The aggregate is locked first, so that of two approvals at once the second sees
        what the first one left.

        Raises:
            NotFound: no such claim.
            Forbidden: it is theirs, or above their authority; see
                :meth:`Claim.approve`.
            InvalidState: it is not assessed, or its evidence is pending.
        """
        claim = await self._insured(claim_id, principal=principal, expected=expected)
        code = claim.assessed().coverage_code
        cover = await self._covers.get(claim.policy_number)
        amount = claim.approve(
            cover=cover,
            aggregate_remaining=await self._covers.remaining(cover, code, lock=True),
            authority=await authorities.authority_of(
                principal, decision=Decision.SETTLEMENT, currency=claim.currency
            ),
            by=principal.subject,
            at=self._clock.now(),
        )
        await self._covers.draw(cover, code, amount)
        DECIDED.labels("approved").inc()
        self.logger.info(
            "claims.service.approve_completed", claim=claim.number, amount=str(amount)
        )
        return claim

    async def decline(
        self,
        claim_id: UUID,
        *,
        reason: str,
        principal: Principal,
        expected: int | None,
    ) -> Claim:
        """Refuse a claim.

        Raises:
            NotFound: no such claim.
            InvalidState: it is decided.
        """
        claim = await self._insured(claim_id, principal=principal, expected=expected)
        claim.decline(reason=reason, by=principal.subject, at=self._clock.now())
        DECIDED.labels("declined").inc()
        self.logger.info("claims.service.decline_completed", claim=claim.number)
        return claim

    async def retry_payout(
        self, claim_id: UUID, *, principal: Principal, expected: int | None
    ) -> Claim:
        """Ask again for a payment that failed.

        Raises:
            NotFound: no such claim.
            InvalidState: no payment failed.
        """
        claim = await self._insured(claim_id, principal=principal, expected=expected)
        cover = await self._covers.get(claim.policy_number)
        claim.retry_payout(cover=cover, by=principal.subject, at=self._clock.now())
        return claim

    async def attach(
        self,
        claim_id: UUID,
        upload: Upload,
        *,
        principal: Principal,
        files: FileStorage,
    ) -> Attachment:
        """Add a file to a claim.

        It is kept under its hash, so that a repeated upload stores nothing twice.

        Raises:
            NotFound: no such claim.
            Invalid: such files are not taken.
            AlreadyExists: the claim has a file of the same content.
        """
        claim = await self._claims.get_for_update(
            claim_id, party_id=principal.organisation_id
        )
        digest = sha256(upload.content).hexdigest()
        attachment = Attachment(
            name=upload.name,
            content_type=upload.content_type,
            size=len(upload.content),
            sha256=digest,
            file_key=f"claims/{claim.id}/attachments/{digest}",
            uploaded_by=principal.subject,
            uploaded_at=self._clock.now(),
        )
        claim.attach(attachment)
        await self._claims.add_attachment_to(claim)
        await files.put(attachment.file_key, upload.content, upload.content_type)
        return attachment

    async def _hand_out(self, claim: Claim) -> bool:
        """Assign the claim under the lock of its insurer's roster."""
        adjuster = choose_adjuster(
            await self._roster.workloads(claim.insurer_id),
            robot_class=claim.robot_class,
            incident_type=claim.incident_type,
        )
        if adjuster is None:
            return False
        claim.assign(adjuster, by=None, at=self._clock.now())
        return True

    async def _insured(
        self, claim_id: UUID, *, principal: Principal, expected: int | None
    ) -> Claim:
        """Return a claim that the principal's organisation decides on, locked."""
        claim = await self._claims.get_for_update(
            claim_id, party_id=principal.organisation_id
        )
        if claim.insurer_id != principal.organisation_id:
            raise Forbidden("insurer_only", claim=claim.number)
        if principal.kind != "user":
            # One person with two keys would pass for two people.
            raise Forbidden("person_required", claim=claim.number)
        if expected is not None and claim.version != expected:
            raise Stale("stale_version", expected=expected, actual=claim.version)
        return claim


class FactService(LoggerMixin):
    """What other contexts' facts do to claims."""

    def __init__(self, *, claims: Claims, covers: Covers, roster: Roster) -> None:
        self._claims = claims
        self._covers = covers
        self._roster = roster

    @classmethod
    def on(cls, session: WriteSession) -> FactService:
        """Build over one transaction."""
        return cls(
            claims=SqlClaims(session),
            covers=SqlCovers(session),
            roster=SqlRoster(session),
        )

    async def policy_bound(self, event: PolicyBound) -> None:
        """Keep a copy of the cover."""
        await self._covers.add(PolicyCover.of(event))

    async def user_known(self, event: UserRegistered | UserChanged) -> bool:
        """Keep the roster; say whether there is an adjuster who may take claims."""
        adjuster = Adjuster.of(event)
        if adjuster is None:
            await self._roster.retire(event.user_id, name=event.name)
            return False
        await self._roster.put(adjuster)
        return True

    async def telemetry_extracted(
        self, event: TelemetryExtracted, *, at: datetime
    ) -> None:
        """Attach the telemetry to the claim that asked for it; others' is ignored."""
        claim = await self._claims.with_evidence(event.request_id)
        if claim is not None:
            claim.attach_evidence(event.request_id, FrozenTelemetry.of(event), at=at)

    async def payout_completed(self, event: PayoutCompleted) -> None:
        """Close the claim that was paid.

        Raises:
            InvalidState: ``payout_unknown``, no claim awaits that payment.
        """
        claim = await self._paid_for(event)
        claim.pay(event.payout_id, amount=event.amount, at=event.paid_at)
        PAID.inc()
        self.logger.info("claims.service.pay_completed", claim=claim.number)

    async def payout_failed(self, event: PayoutFailed, *, at: datetime) -> None:
        """Have someone look at the claim whose payment failed.

        Raises:
            InvalidState: ``payout_unknown``, no claim awaits that payment.
        """
        claim = await self._paid_for(event)
        claim.fail_payout(event.payout_id, reason=event.reason, at=at)
        self.logger.warning(
            "claims.service.pay_failed", claim=claim.number, reason=event.reason
        )

    async def _paid_for(self, event: PayoutCompleted | PayoutFailed) -> Claim:
        claim = await self._claims.find_for_update(event.claim_id)
        if claim is None:
            raise InvalidState("payout_unknown", payout=event.payout_id)
        return claim


async def read_verified(content: StoredContent, files: FileStorage) -> bytes:
    """Return a stored file, if it is still what was stored.

    Raises:
        NotFound: it is gone.
        InvalidState: ``file_corrupted``.
    """
    stored = await files.get(content.file_key)
    verify_content(stored, expected_sha256=content.sha256)
    return stored
