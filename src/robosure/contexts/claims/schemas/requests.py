"""What claims takes over HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, EmailStr, Field

from robosure.contexts.claims.domain.assessment import Assessment, CoinsuranceClause
from robosure.contexts.claims.domain.notice import Contact, Notice
from robosure.contexts.claims.domain.settlement import (
    DeductibleOrder,
    LossValuation,
    ValuationBasis,
)
from robosure.contexts.claims.schemas.examples import EXAMPLE_ID, eur, example
from robosure.kernel.money import Money
from robosure.platform.http import InputModel, MoneyModel


class ContactModel(InputModel):
    """Whom to ask about the incident; through their organisation, if need be."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    email: EmailStr | None = None
    phone: Annotated[str, Field(min_length=3, max_length=50)] | None = None

    def to_contact(self) -> Contact:
        """Return the domain's value."""
        return Contact(self.name, self.email, self.phone)


class ReportClaimRequest(InputModel):
    """A first notice of loss."""

    model_config = example(
        policy_number="POL-2026-000042",
        robot_id=EXAMPLE_ID,
        incident_type="collision",
        incident_at="2026-03-01T09:30:00Z",
        description="The arm struck the fixture and stopped.",
        estimated_loss=eur(900000),
        injury=False,
        contact={"name": "Ada Byron", "email": "ada@example.com"},
    )

    policy_number: Annotated[str, Field(min_length=1, max_length=32)]
    robot_id: UUID
    incident_type: Annotated[
        str, Field(min_length=1, max_length=100, description="As the policy names it.")
    ]
    incident_at: AwareDatetime
    description: Annotated[str, Field(min_length=1, max_length=4000)]
    estimated_loss: MoneyModel = Field(
        description="In the policy's currency; 0 where nobody can say yet."
    )
    injury: bool = Field(default=False, description="Whether a person was hurt.")
    contact: ContactModel

    def to_notice(self) -> Notice:
        """Return the domain's value."""
        return Notice(
            robot_id=self.robot_id,
            incident_type=self.incident_type,
            incident_at=self.incident_at,
            description=self.description,
            estimated_loss=self.estimated_loss.to_money(),
            injury=self.injury,
            contact=self.contact.to_contact(),
        )


class CoinsuranceModel(InputModel):
    """A coinsurance clause; what is carried is the robot's insured value."""

    clause: Annotated[
        Decimal,
        Field(gt=0, le=1, description="Share of the value to carry: 0.80 for 80 %."),
    ]
    value_at_risk: MoneyModel = Field(
        description="What the robot was worth on the day of the incident."
    )

    def to_clause(self) -> CoinsuranceClause:
        """Return the domain's value."""
        return CoinsuranceClause(
            clause=self.clause, value_at_risk=self.value_at_risk.to_money()
        )


class AssessClaimRequest(InputModel):
    """What the adjuster found."""

    model_config = example(
        coverage_code="physical-damage",
        basis="replacement_cost",
        loss_value=eur(900000),
        actual_cash_value=eur(600000),
        notes="Joint 3 and the gripper are beyond repair; see the two offers.",
    )

    coverage_code: Annotated[str, Field(min_length=1, max_length=100)]
    basis: ValuationBasis
    loss_value: MoneyModel = Field(description="The loss, on that basis.")
    actual_cash_value: MoneyModel | None = Field(
        default=None,
        description=(
            "With replacement cost: the same loss less depreciation; the settlement is "
            "at least this less the deductible."
        ),
    )
    coinsurance: CoinsuranceModel | None = None
    deductible_order: DeductibleOrder = DeductibleOrder.FIRST
    sub_limit: MoneyModel | None = None
    notes: Annotated[str, Field(max_length=4000)] = ""

    def to_assessment(self, *, by: UUID, at: datetime) -> Assessment:
        """Return the domain's value.

        Raises:
            Invalid: an amount is impossible.
        """
        clause = self.coinsurance
        return Assessment(
            coverage_code=self.coverage_code,
            loss=LossValuation(
                self.basis, self.loss_value.to_money(), _money(self.actual_cash_value)
            ),
            coinsurance=None if clause is None else clause.to_clause(),
            deductible_order=self.deductible_order,
            sub_limit=_money(self.sub_limit),
            notes=self.notes,
            assessed_by=by,
            assessed_at=at,
        )


class DeclineClaimRequest(InputModel):
    """Why nothing is paid."""

    model_config = example(reason="The damage is wear and tear.")

    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class AssignClaimRequest(InputModel):
    """Who takes the claim."""

    model_config = example(adjuster_id=EXAMPLE_ID)

    adjuster_id: UUID


def _money(shown: MoneyModel | None) -> Money | None:
    """Return the domain's value, if there is one."""
    return None if shown is None else shown.to_money()
