"""Valid facts and aggregates of claims; a test sets only what it is about."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from robosure.contexts.claims.domain.assessment import Assessment, CoinsuranceClause
from robosure.contexts.claims.domain.claim import Claim
from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.evidence import FrozenTelemetry
from robosure.contexts.claims.domain.notice import Contact, Notice
from robosure.contexts.claims.domain.roster import Adjuster
from robosure.contexts.claims.domain.settlement import (
    DeductibleOrder,
    LossValuation,
    ValuationBasis,
)
from robosure.contexts.policies.events import CoverInForce, InsuredRobot, PolicyBound
from robosure.kernel.authority import Authority
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.kernel.time import Term

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INCIDENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ROBOT = UUID("019c8f3e-9a40-7000-8000-00000000000a")


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


UNBOUNDED = Authority(limit=eur("1000000000.00"), by_role={})


def coverage(
    *,
    code: str = "physical-damage",
    limit: Money | None = None,
    deductible: Money | None = None,
    incident_types: tuple[str, ...] = ("collision", "fire"),
) -> CoverInForce:
    return CoverInForce(
        code=code,
        name=code.replace("-", " ").capitalize(),
        limit=limit or eur("50000.00"),
        deductible=eur("500.00") if deductible is None else deductible,
        incident_types=incident_types,
    )


def policy_bound(
    *,
    number: str = "POL-2026-000042",
    insurer_id: UUID | None = None,
    holder_id: UUID | None = None,
    term: Term | None = None,
    robot_id: UUID = ROBOT,
    insured_value: Money | None = None,
    coverages: tuple[CoverInForce, ...] | None = None,
) -> PolicyBound:
    return PolicyBound(
        policy_id=uuid7(),
        number=number,
        insurer_id=insurer_id or uuid7(),
        holder_id=holder_id or uuid7(),
        product_code="robot-comprehensive",
        product_version=1,
        term=term or Term.annual(date(2026, 1, 1)),
        robots=(
            InsuredRobot(robot_id, "SN-1", "cobot", insured_value or eur("40000.00")),
        ),
        coverages=(coverage(),) if coverages is None else coverages,
        premium=eur("1000.00"),
        tax=eur("120.00"),
        total=eur("1120.00"),
        instalments=1,
        payment_method="tok_ok",
        bound_on=date(2026, 1, 1),
    )


def a_cover(**changes: Any) -> PolicyCover:
    return PolicyCover.of(policy_bound(**changes))


def a_notice(
    *,
    robot_id: UUID = ROBOT,
    incident_type: str = "collision",
    incident_at: datetime = INCIDENT,
    estimated_loss: Money | None = None,
    injury: bool = False,
) -> Notice:
    return Notice(
        robot_id=robot_id,
        incident_type=incident_type,
        incident_at=incident_at,
        description="The arm struck the fixture.",
        estimated_loss=eur("9000.00") if estimated_loss is None else estimated_loss,
        injury=injury,
        contact=Contact("Ada Byron", "ada@example.com", None),
    )


def a_claim(
    cover: PolicyCover, *, notice: Notice | None = None, at: datetime = NOON
) -> Claim:
    return Claim.report(
        cover, notice or a_notice(), number="CLM-2026-000001", by=uuid7(), at=at
    )


def an_adjuster(
    organisation_id: UUID | None = None,
    *,
    skills: tuple[str, ...] = (),
    active: bool = True,
    last_assigned_at: datetime | None = None,
) -> Adjuster:
    return Adjuster(
        user_id=uuid7(),
        organisation_id=organisation_id or uuid7(),
        name="Grace Hopper",
        skills=skills,
        active=active,
        last_assigned_at=last_assigned_at,
    )


def an_assessment(
    by: UUID,
    *,
    value: Money | None = None,
    coverage_code: str = "physical-damage",
    coinsurance: CoinsuranceClause | None = None,
) -> Assessment:
    return Assessment(
        coverage_code=coverage_code,
        loss=LossValuation(ValuationBasis.REPLACEMENT_COST, value or eur("9000.00")),
        coinsurance=coinsurance,
        deductible_order=DeductibleOrder.FIRST,
        sub_limit=None,
        notes="",
        assessed_by=by,
        assessed_at=NOON,
    )


def telemetry(
    *, samples: int = 1184, protective_stop_samples: int = 46
) -> FrozenTelemetry:
    return FrozenTelemetry(
        file_key="evidence/1.ndjson.gz",
        sha256="0" * 64,
        samples=samples,
        protective_stop_samples=protective_stop_samples,
        grip_loss_samples=0,
    )


def an_assigned_claim(cover: PolicyCover) -> tuple[Claim, Adjuster]:
    claim = a_claim(cover)
    adjuster = an_adjuster(cover.insurer_id)
    claim.assign(adjuster, by=None, at=NOON)
    return claim, adjuster


def an_assessed_claim(
    cover: PolicyCover, *, value: Money | None = None
) -> tuple[Claim, Adjuster]:
    """A claim that only awaits its approval, with its telemetry attached."""
    claim, adjuster = an_assigned_claim(cover)
    claim.attach_evidence(claim.evidence[0].id, telemetry(), at=NOON)
    claim.assess(
        an_assessment(adjuster.user_id, value=value),
        cover=cover,
        aggregate_remaining=cover.coverages[0].limit,
        may_stand_in=False,
    )
    claim.collect_events()
    return claim, adjuster


def a_claim_being_paid(cover: PolicyCover) -> Claim:
    claim, _ = an_assessed_claim(cover)
    claim.approve(
        cover=cover,
        aggregate_remaining=cover.coverages[0].limit,
        authority=UNBOUNDED,
        by=uuid7(),
        at=NOON,
    )
    claim.collect_events()
    return claim
