"""The assessment: what an adjuster finds about a loss, and what the cover then pays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.settlement import (
    Coinsurance,
    DeductibleOrder,
    LossValuation,
    Settlement,
    SettlementTerms,
    settle,
)
from robosure.kernel.money import Money


@dataclass(frozen=True, kw_only=True)
class CoinsuranceClause:
    """What an adjuster finds about coinsurance; what is carried, the policy says."""

    clause: Decimal
    value_at_risk: Money

    def against(self, carried: Money) -> Coinsurance:
        """Complete the clause with what is carried."""
        return Coinsurance(self.clause, self.value_at_risk, carried)


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What an adjuster finds about a loss.

    Attributes:
        coverage_code: the coverage that responds.
        coinsurance: where the form has such a clause.
        sub_limit: where the form has one for what was damaged.
        notes: the reasoning, for whoever approves.
    """

    coverage_code: str
    loss: LossValuation
    coinsurance: CoinsuranceClause | None
    deductible_order: DeductibleOrder
    sub_limit: Money | None
    notes: str
    assessed_by: UUID
    assessed_at: datetime

    def settle(
        self,
        cover: PolicyCover,
        *,
        robot_id: UUID,
        incident_type: str,
        aggregate_remaining: Money,
    ) -> Settlement:
        """Work out what the cover pays.

        What is carried against a coinsurance clause is the robot's insured value.

        Raises:
            Invalid: ``coverage_does_not_respond``, or an amount is impossible.
        """
        coverage = cover.coverage_for(incident_type, code=self.coverage_code)
        clause = self.coinsurance
        carried = cover.robot(robot_id).insured_value
        terms = SettlementTerms(
            deductible=coverage.deductible,
            limit=coverage.limit,
            aggregate_remaining=aggregate_remaining,
            coinsurance=None if clause is None else clause.against(carried),
            deductible_order=self.deductible_order,
            sub_limit=self.sub_limit,
        )
        return settle(self.loss, terms)
