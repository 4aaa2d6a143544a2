"""A claim's life: who may do what when, what it tells, and what it leaves behind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.claims.domain.assessment import CoinsuranceClause
from robosure.contexts.claims.domain.claim import CLOSED, Claim, ClaimStatus
from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.evidence import (
    Attachment,
    EvidenceStatus,
    FrozenTelemetry,
    verify_content,
)
from robosure.contexts.claims.domain.reserve import ReserveChange
from robosure.contexts.claims.domain.timeline import INTERNAL, Happening
from robosure.contexts.claims.domain.triage import Flag, Severity
from robosure.contexts.claims.events import (
    ClaimDecided,
    ClaimPaid,
    ClaimReported,
    EvidenceRequested,
    PayoutRequested,
)
from robosure.contexts.eventflow.events import TelemetryExtracted
from robosure.kernel.authority import Authority
from robosure.kernel.errors import DomainError, Forbidden, Invalid, InvalidState
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from tests.unit.contexts.claims.factories import (
    INCIDENT,
    NOON,
    ROBOT,
    UNBOUNDED,
    a_claim,
    a_claim_being_paid,
    a_cover,
    a_notice,
    an_adjuster,
    an_assessed_claim,
    an_assessment,
    an_assigned_claim,
    coverage,
    eur,
    telemetry,
)


def happenings(claim: Claim) -> list[Happening]:
    return [entry.what for entry in claim.timeline]


def standing(claim: Claim) -> ClaimStatus:
    """Read the status anew, whatever the type checker knows of it."""
    return claim.status


def approve(
    claim: Claim,
    cover: PolicyCover,
    *,
    remaining: Money = eur("50000.00"),  # noqa: B008 - a value, which does not change
    authority: Authority = UNBOUNDED,
    by: UUID | None = None,
) -> Money:
    """Approve a claim, as somebody else who may approve anything."""
    return claim.approve(
        cover=cover,
        aggregate_remaining=remaining,
        authority=authority,
        by=by or uuid7(),
        at=NOON,
    )


def refusal(error: type[DomainError], code: str) -> pytest.RaisesExc[DomainError]:
    return pytest.RaisesExc(error, check=lambda raised: raised.code == code)


def reserved(claim: Claim) -> tuple[Money, Money, Money]:
    return claim.reserve.case, claim.reserve.paid, claim.reserve.incurred


# --- report ---------------------------------------------------------------------------


def test_a_report_opens_a_reserve_asks_for_evidence_and_tells_the_fact() -> None:
    # given a loss of 9,000 under a deductible of 500
    cover = a_cover()
    # when it is reported
    claim = a_claim(cover)
    # then the claim stands as it must
    assert claim.status is ClaimStatus.REPORTED
    assert claim.severity is Severity.STANDARD
    assert claim.flags == ()
    assert claim.robot_class == "cobot"
    assert reserved(claim) == (eur("8500.00"), eur("0.00"), eur("8500.00"))
    assert claim.evidence_status is EvidenceStatus.PENDING
    evidence = claim.evidence[0]
    assert evidence.window_start == INCIDENT - timedelta(minutes=10)
    assert evidence.window_end == INCIDENT + timedelta(minutes=10)
    assert happenings(claim) == [
        Happening.REPORTED,
        Happening.TRIAGED,
        Happening.RESERVE_CHANGED,
        Happening.EVIDENCE_REQUESTED,
    ]
    assert claim.happenings == 4
    assert claim.timeline[1].details == {"severity": "standard", "flags": "none"}
    assert claim.pending_events == [
        ClaimReported(
            claim_id=claim.id,
            number="CLM-2026-000001",
            policy_id=cover.policy_id,
            policy_number="POL-2026-000042",
            insurer_id=cover.insurer_id,
            holder_id=cover.holder_id,
            robot_id=ROBOT,
            incident_type="collision",
            incident_at=INCIDENT,
        ),
        EvidenceRequested(
            request_id=evidence.id,
            claim_id=claim.id,
            robot_id=ROBOT,
            window_start=evidence.window_start,
            window_end=evidence.window_end,
        ),
    ]


def test_the_first_reserve_is_bounded_by_the_limit() -> None:
    claim = a_claim(a_cover(), notice=a_notice(estimated_loss=eur("60000.00")))
    assert claim.reserve.case == eur("50000.00")
    assert claim.severity is Severity.COMPLEX


def test_an_estimate_below_the_deductible_reserves_nothing() -> None:
    claim = a_claim(a_cover(), notice=a_notice(estimated_loss=eur("0.00")))
    assert claim.reserve_entries == []
    assert reserved(claim) == (eur("0.00"), eur("0.00"), eur("0.00"))


def test_a_late_report_is_flagged_in_the_timeline() -> None:
    claim = a_claim(a_cover(), at=INCIDENT + timedelta(days=31))
    assert claim.flags == (Flag.REPORTED_LATE,)
    assert claim.timeline[1].details["flags"] == "reported_late"


def test_a_report_in_another_currency_is_refused() -> None:
    notice = a_notice(estimated_loss=Money.of("10.00", "USD"))
    with refusal(Invalid, "currency_mismatch"):
        a_claim(a_cover(), notice=notice)


def test_a_negative_loss_is_refused() -> None:
    with refusal(Invalid, "negative_amount"):
        a_notice(estimated_loss=eur("-0.01"))


# --- assignment -----------------------------------------------------------------------


def test_an_assigned_claim_names_its_adjuster_and_when() -> None:
    cover = a_cover()
    claim, adjuster = an_assigned_claim(cover)
    assert claim.status is ClaimStatus.ASSIGNED
    assert claim.adjuster_id == adjuster.user_id
    assert adjuster.last_assigned_at == NOON
    assert claim.timeline[-1].details == {"adjuster": str(adjuster.user_id)}


def test_a_claim_nobody_can_take_waits() -> None:
    claim = a_claim(a_cover())
    claim.wait_for_adjuster(at=NOON)
    assert claim.status is ClaimStatus.REPORTED
    assert happenings(claim)[-1] is Happening.ASSIGNMENT_WAITING


def test_an_assessed_claim_may_change_hands_and_stays_assessed() -> None:
    cover = a_cover()
    claim, _ = an_assessed_claim(cover)
    other, boss = an_adjuster(cover.insurer_id), uuid7()
    claim.assign(other, by=boss, at=NOON)
    assert claim.status is ClaimStatus.ASSESSED
    assert claim.adjuster_id == other.user_id
    assert claim.timeline[-1].actor == boss


def test_an_absent_adjuster_or_one_of_another_insurer_gets_no_claim() -> None:
    cover = a_cover()
    claim = a_claim(cover)
    for adjuster in (an_adjuster(cover.insurer_id, active=False), an_adjuster()):
        with refusal(InvalidState, "adjuster_unavailable"):
            claim.assign(adjuster, by=None, at=NOON)
    assert claim.adjuster_id is None
    assert claim.status is ClaimStatus.REPORTED


# --- evidence and attachments ---------------------------------------------------------


def test_evidence_is_frozen_when_it_arrives() -> None:
    claim = a_claim(a_cover())
    evidence = claim.evidence[0]
    claim.attach_evidence(evidence.id, telemetry(), at=NOON)
    # when another extraction of the same window arrives
    claim.attach_evidence(evidence.id, telemetry(samples=1), at=NOON)
    # then the first one stays
    assert evidence.telemetry == telemetry()
    assert evidence.status is EvidenceStatus.ATTACHED
    assert claim.evidence_status is EvidenceStatus.ATTACHED
    assert evidence.attached_at == NOON
    assert happenings(claim).count(Happening.EVIDENCE_ATTACHED) == 1
    assert claim.flags == ()


@pytest.mark.parametrize(
    ("samples", "flag"), [(0, Flag.NO_TELEMETRY), (10, Flag.NO_PROTECTIVE_STOP)]
)
def test_evidence_that_does_not_bear_out_the_report_is_flagged(
    samples: int, flag: Flag
) -> None:
    claim = a_claim(a_cover(), at=INCIDENT + timedelta(days=31))
    frozen = telemetry(samples=samples, protective_stop_samples=0)
    claim.attach_evidence(claim.evidence[0].id, frozen, at=NOON)
    assert claim.flags == (Flag.REPORTED_LATE, flag)
    assert claim.timeline[-1].what is Happening.FLAGGED
    assert claim.timeline[-1].details == {"flags": flag}


def test_evidence_nobody_asked_for_is_refused() -> None:
    claim = a_claim(a_cover())
    with refusal(Invalid, "evidence_not_requested"):
        claim.attach_evidence(uuid7(), telemetry(), at=NOON)
    assert claim.evidence_status is EvidenceStatus.PENDING


def test_an_extraction_becomes_evidence_with_its_hash_and_counts() -> None:
    extracted = TelemetryExtracted(
        request_id=uuid7(),
        robot_id=ROBOT,
        window_start=INCIDENT,
        window_end=NOON,
        samples=3,
        protective_stop_samples=2,
        grip_loss_samples=1,
        file_key="key",
        sha256="ab",
    )
    assert FrozenTelemetry.of(extracted) == FrozenTelemetry("key", "ab", 3, 2, 1)


def an_attachment(*, content_type: str = "image/png", size: int = 3) -> Attachment:
    return Attachment(
        name="fixture.png",
        content_type=content_type,
        size=size,
        sha256="0" * 64,
        file_key="key",
        uploaded_by=uuid7(),
        uploaded_at=NOON,
    )


def test_an_attachment_shows_in_the_timeline() -> None:
    claim = a_claim(a_cover())
    attachment = an_attachment()
    claim.attach(attachment)
    assert claim.attachments == [attachment]
    assert claim.timeline[-1].what is Happening.ATTACHMENT_ADDED
    assert claim.timeline[-1].actor == attachment.uploaded_by
    assert claim.timeline[-1].details == {"name": "fixture.png", "sha256": "0" * 64}


def test_programs_and_empty_files_are_not_taken() -> None:
    for content_type in ("text/html", "image/svg+xml", "application/zip", ""):
        with refusal(Invalid, "content_type_not_allowed"):
            an_attachment(content_type=content_type)
    with refusal(Invalid, "attachment_empty"):
        an_attachment(size=0)


def test_a_file_that_is_no_longer_what_was_stored_is_refused() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    verify_content(b"", expected_sha256=empty)
    with refusal(InvalidState, "file_corrupted"):
        verify_content(b"changed", expected_sha256=empty)


# --- assessment -----------------------------------------------------------------------


def test_an_assessment_settles_and_sets_the_reserve() -> None:
    cover = a_cover()
    claim, adjuster = an_assigned_claim(cover)
    claim.assess(
        an_assessment(adjuster.user_id, value=eur("7000.00")),
        cover=cover,
        aggregate_remaining=eur("50000.00"),
        may_stand_in=False,
    )
    assert claim.status is ClaimStatus.ASSESSED
    assert claim.settlement is not None
    assert claim.settlement.amount == eur("6500.00")
    assert reserved(claim) == (eur("6500.00"), eur("0.00"), eur("6500.00"))
    assert [(e.change, e.case) for e in claim.reserve_entries] == [
        (ReserveChange.OPENED, eur("8500.00")),
        (ReserveChange.SET, eur("-2000.00")),
    ]


def test_coinsurance_is_measured_by_the_robots_insured_value() -> None:
    # given 40,000 carried on a robot that was worth 100,000, under an 80 % clause
    cover = a_cover(insured_value=eur("40000.00"))
    claim, adjuster = an_assigned_claim(cover)
    clause = CoinsuranceClause(clause=Decimal("0.8"), value_at_risk=eur("100000.00"))
    # when 9,000 is lost
    claim.assess(
        an_assessment(adjuster.user_id, coinsurance=clause),
        cover=cover,
        aggregate_remaining=eur("50000.00"),
        may_stand_in=False,
    )
    # then half of what exceeds the deductible is paid
    assert claim.settlement is not None
    assert claim.settlement.amount == eur("4250.00")


def test_only_the_adjuster_or_a_stand_in_assesses() -> None:
    cover = a_cover()
    claim, _ = an_assigned_claim(cover)
    stranger = an_assessment(uuid7())
    remaining = eur("50000.00")
    with refusal(Forbidden, "not_the_adjuster"):
        claim.assess(
            stranger, cover=cover, aggregate_remaining=remaining, may_stand_in=False
        )
    assert claim.status is ClaimStatus.ASSIGNED
    assert claim.settlement is None
    claim.assess(
        stranger, cover=cover, aggregate_remaining=remaining, may_stand_in=True
    )
    assert claim.assessed() == stranger


def test_a_claim_that_waits_for_an_adjuster_is_not_assessed() -> None:
    cover = a_cover()
    claim = a_claim(cover)
    with refusal(InvalidState, "claim_not_assigned"):
        claim.assess(
            an_assessment(uuid7()),
            cover=cover,
            aggregate_remaining=eur("1.00"),
            may_stand_in=True,
        )


def test_a_coverage_that_does_not_respond_changes_nothing() -> None:
    liability = coverage(code="liability", incident_types=("injury",))
    cover = a_cover(coverages=(coverage(), liability))
    claim, adjuster = an_assigned_claim(cover)
    before = claim.happenings
    with refusal(Invalid, "coverage_does_not_respond"):
        claim.assess(
            an_assessment(adjuster.user_id, coverage_code="liability"),
            cover=cover,
            aggregate_remaining=eur("1.00"),
            may_stand_in=False,
        )
    assert claim.status is ClaimStatus.ASSIGNED
    assert claim.happenings == before


# --- decision -------------------------------------------------------------------------


def test_an_approval_tells_the_decision_and_asks_for_the_payment() -> None:
    cover = a_cover()
    claim, _ = an_assessed_claim(cover)
    approver = uuid7()
    amount = approve(claim, cover, by=approver)
    assert amount == eur("8500.00")
    assert claim.status is ClaimStatus.PAYOUT_REQUESTED
    assert (claim.decided_by, claim.decided_at) == (approver, NOON)
    assert claim.payout_id is not None
    assert claim.pending_events == [
        ClaimDecided(
            claim_id=claim.id,
            number="CLM-2026-000001",
            policy_number="POL-2026-000042",
            insurer_id=cover.insurer_id,
            holder_id=cover.holder_id,
            approved=True,
            amount=eur("8500.00"),
            reason="",
        ),
        PayoutRequested(
            payout_id=claim.payout_id,
            claim_id=claim.id,
            claim_number="CLM-2026-000001",
            insurer_id=cover.insurer_id,
            payee_id=cover.holder_id,
            amount=eur("8500.00"),
            payment_method="tok_ok",
        ),
    ]


def test_an_approval_pays_no_more_than_is_left_of_the_aggregate() -> None:
    cover = a_cover()
    claim, _ = an_assessed_claim(cover)
    amount = approve(claim, cover, remaining=eur("1000.00"))
    assert amount == eur("1000.00")
    assert claim.reserve.case == eur("1000.00")


def test_a_settlement_of_nothing_closes_without_payment() -> None:
    cover = a_cover()
    claim, _ = an_assessed_claim(cover, value=eur("500.00"))
    amount = approve(claim, cover)
    assert amount == eur("0.00")
    assert claim.status is ClaimStatus.CLOSED_WITHOUT_PAYMENT
    assert claim.payout_id is None
    (decided,) = claim.pending_events
    assert isinstance(decided, ClaimDecided)
    assert (decided.approved, decided.amount) == (True, eur("0.00"))
    assert reserved(claim) == (eur("0.00"), eur("0.00"), eur("0.00"))


def test_the_assessor_cannot_approve() -> None:
    cover = a_cover()
    claim, adjuster = an_assessed_claim(cover)
    with refusal(Forbidden, "assessor_cannot_approve"):
        approve(claim, cover, by=adjuster.user_id)
    assert claim.status is ClaimStatus.ASSESSED
    assert claim.pending_events == []


def test_who_assessed_before_another_cannot_approve_either() -> None:
    # given a claim that a second person assessed again
    cover = a_cover()
    claim, first = an_assessed_claim(cover)
    claim.assess(
        an_assessment(uuid7()),
        cover=cover,
        aggregate_remaining=eur("50000.00"),
        may_stand_in=True,
    )
    with refusal(Forbidden, "assessor_cannot_approve"):
        approve(claim, cover, by=first.user_id)
    assert claim.status is ClaimStatus.ASSESSED


def test_who_reported_a_claim_cannot_approve_it() -> None:
    cover = a_cover()
    claim, _ = an_assessed_claim(cover)
    with refusal(Forbidden, "reporter_cannot_approve"):
        approve(claim, cover, by=claim.reported_by)
    assert claim.status is ClaimStatus.ASSESSED


def test_nobody_approves_more_than_they_may_and_the_claim_stays_as_it_was() -> None:
    # given a settlement of 8,500.00, of which the aggregate has 8,000.00 left
    cover = a_cover()
    claim, _ = an_assessed_claim(cover)
    before = (claim.settlement, claim.reserve, claim.happenings)
    less = Authority(limit=eur("7999.99"), by_role={"admin": eur("8000.00")})
    # when it is approved by someone who may approve a cent less than would be paid
    with refusal(Forbidden, "above_authority"):
        approve(claim, cover, remaining=eur("8000.00"), authority=less)
    # then nothing has changed
    assert (claim.settlement, claim.reserve, claim.happenings) == before
    assert claim.status is ClaimStatus.ASSESSED
    assert claim.pending_events == []


def test_the_amount_that_is_paid_counts_and_not_the_one_assessed() -> None:
    cover = a_cover()
    claim, _ = an_assessed_claim(cover)
    amount = approve(
        claim,
        cover,
        remaining=eur("8000.00"),
        authority=Authority(limit=eur("8000.00"), by_role={}),
    )
    assert amount == eur("8000.00")


def test_nothing_is_approved_while_evidence_is_pending() -> None:
    cover = a_cover()
    claim, adjuster = an_assigned_claim(cover)
    claim.assess(
        an_assessment(adjuster.user_id),
        cover=cover,
        aggregate_remaining=eur("50000.00"),
        may_stand_in=False,
    )
    with refusal(InvalidState, "evidence_pending"):
        approve(claim, cover)
    assert claim.status is ClaimStatus.ASSESSED


def test_what_is_not_assessed_is_not_approved() -> None:
    cover = a_cover()
    claim, _ = an_assigned_claim(cover)
    with refusal(InvalidState, "claim_not_assessed"):
        approve(claim, cover)


def test_a_declined_claim_says_why_and_releases_its_reserve() -> None:
    cover = a_cover()
    claim = a_claim(cover)
    claim.collect_events()
    claim.decline(reason="wear and tear", by=uuid7(), at=NOON)
    assert claim.status is ClaimStatus.DECLINED
    assert reserved(claim) == (eur("0.00"), eur("0.00"), eur("0.00"))
    assert claim.pending_events == [
        ClaimDecided(
            claim_id=claim.id,
            number="CLM-2026-000001",
            policy_number="POL-2026-000042",
            insurer_id=cover.insurer_id,
            holder_id=cover.holder_id,
            approved=False,
            amount=eur("0.00"),
            reason="wear and tear",
        )
    ]


def test_a_decided_claim_is_decided_once() -> None:
    cover = a_cover()
    claim = a_claim_being_paid(cover)
    remaining = eur("50000.00")
    before = claim.happenings
    with refusal(InvalidState, "claim_decided"):
        approve(claim, cover)
    with refusal(InvalidState, "claim_decided"):
        claim.decline(reason="no", by=uuid7(), at=NOON)
    with refusal(InvalidState, "claim_decided"):
        claim.assign(an_adjuster(cover.insurer_id), by=None, at=NOON)
    with refusal(InvalidState, "claim_decided"):
        claim.assess(
            an_assessment(uuid7()),
            cover=cover,
            aggregate_remaining=remaining,
            may_stand_in=True,
        )
    assert claim.status is ClaimStatus.PAYOUT_REQUESTED
    assert claim.happenings == before


# --- payment --------------------------------------------------------------------------


def test_the_arrival_of_the_money_closes_the_claim() -> None:
    cover = a_cover()
    claim = a_claim_being_paid(cover)
    assert claim.payout_id is not None
    claim.pay(claim.payout_id, amount=eur("8500.00"), at=NOON)
    assert claim.status is ClaimStatus.PAID
    assert reserved(claim) == (eur("0.00"), eur("8500.00"), eur("8500.00"))
    assert [(e.change, e.case, e.paid) for e in claim.reserve_entries] == [
        (ReserveChange.OPENED, eur("8500.00"), eur("0.00")),
        (ReserveChange.PAID, eur("-8500.00"), eur("8500.00")),
    ]
    assert claim.pending_events == [
        ClaimPaid(
            claim_id=claim.id,
            number="CLM-2026-000001",
            policy_number="POL-2026-000042",
            insurer_id=cover.insurer_id,
            holder_id=cover.holder_id,
            paid=eur("8500.00"),
        )
    ]
    assert happenings(claim)[-3:] == [
        Happening.PAID,
        Happening.RESERVE_CHANGED,
        Happening.CLOSED,
    ]


def test_a_failed_payment_may_be_asked_for_again_under_a_new_id() -> None:
    cover = a_cover()
    claim = a_claim_being_paid(cover)
    first = claim.payout_id
    assert first is not None
    claim.fail_payout(first, reason="account_closed", at=NOON)
    assert standing(claim) is ClaimStatus.APPROVED
    assert claim.timeline[-1].details == {"reason": "account_closed"}
    assert claim.reserve.case == eur("8500.00")
    claim.retry_payout(cover=cover, by=uuid7(), at=NOON)
    assert standing(claim) is ClaimStatus.PAYOUT_REQUESTED
    (requested,) = claim.pending_events
    assert isinstance(requested, PayoutRequested)
    assert requested.payout_id == claim.payout_id != first
    assert requested.amount == eur("8500.00")


def test_a_payment_that_is_not_awaited_is_refused() -> None:
    cover = a_cover()
    claim = a_claim_being_paid(cover)
    with refusal(InvalidState, "payout_unknown"):
        claim.pay(uuid7(), amount=eur("8500.00"), at=NOON)
    with refusal(InvalidState, "payout_unknown"):
        claim.fail_payout(uuid7(), reason="x", at=NOON)
    assert claim.payout_id is not None
    claim.pay(claim.payout_id, amount=eur("8500.00"), at=NOON)
    with refusal(InvalidState, "payout_unknown"):
        claim.pay(claim.payout_id, amount=eur("8500.00"), at=NOON)
    assert claim.reserve.paid == eur("8500.00")


def test_a_payment_that_did_not_fail_is_not_asked_for_again() -> None:
    cover = a_cover()
    claim = a_claim_being_paid(cover)
    with refusal(InvalidState, "payout_not_due"):
        claim.retry_payout(cover=cover, by=uuid7(), at=NOON)
    assert claim.pending_events == []


# --- always ---------------------------------------------------------------------------


@given(
    estimate=st.integers(0, 10_000_000),
    value=st.integers(0, 10_000_000),
    remaining=st.integers(0, 5_000_000),
)
def test_case_and_paid_are_incurred_whatever_happens(
    estimate: int, value: int, remaining: int
) -> None:
    cover = a_cover()
    claim = a_claim(cover, notice=a_notice(estimated_loss=Money(estimate, "EUR")))
    adjuster = an_adjuster(cover.insurer_id)
    claim.assign(adjuster, by=None, at=NOON)
    claim.attach_evidence(claim.evidence[0].id, telemetry(), at=NOON)
    claim.assess(
        an_assessment(adjuster.user_id, value=Money(value, "EUR")),
        cover=cover,
        aggregate_remaining=eur("50000.00"),
        may_stand_in=False,
    )
    amount = approve(claim, cover, remaining=Money(remaining, "EUR"))
    assert eur("0.00") <= amount <= min(eur("50000.00"), Money(remaining, "EUR"))
    assert claim.reserve.incurred == amount
    if claim.payout_id is not None:
        claim.pay(claim.payout_id, amount=amount, at=NOON)
    assert reserved(claim) == (eur("0.00"), amount, amount)
    assert claim.status in CLOSED
    assert all(entry.case or entry.paid for entry in claim.reserve_entries)


def test_what_the_insurer_expects_is_internal() -> None:
    assert {
        Happening.TRIAGED,
        Happening.FLAGGED,
        Happening.RESERVE_CHANGED,
        Happening.ASSESSED,
    } == INTERNAL
