"""The quote: a price offered for a while, which becomes a policy when it is bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.catalog.events import ProductTerms
from robosure.contexts.policies.domain.coverages import CoverageChoice
from robosure.contexts.policies.domain.factors import Risk
from robosure.contexts.policies.domain.policy import Policy, new_business
from robosure.contexts.policies.domain.rating import Rating, rate
from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Forbidden, Invalid, InvalidState
from robosure.kernel.time import Term, local_day

LONGEST_TERM_DAYS: Final = 366


class QuoteStatus(StrEnum):
    """Where a quote stands at a moment."""

    OPEN = "open"
    BOUND = "bound"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Product:
    """A version of a product, as the catalogue published it."""

    code: str
    version: int
    effective_from: date
    terms: ProductTerms


@dataclass(frozen=True)
class Request:
    """What a holder wants insured."""

    holder_id: UUID
    term: Term
    jurisdiction: str
    coverages: tuple[CoverageChoice, ...]
    instalments: int


@dataclass(eq=False, kw_only=True)
class Quote(Aggregate):
    """A price for a holder's robots, held until ``valid_until``.

    Attributes:
        insurer_id: who offers.
        holder_id: the operator's organisation to whom it is offered.
        instalments: into how many payments the total is split.
        rating: the price and everything that made it.
        valid_until: first moment at which it can no longer be bound.
        policy_id: what it became when it was bound.
    """

    insurer_id: UUID
    holder_id: UUID
    product_code: str
    product_version: int
    jurisdiction: str
    term: Term
    instalments: int
    rating: Rating
    created_at: datetime
    valid_until: datetime
    policy_id: UUID | None = None

    @classmethod
    def offer(
        cls,
        product: Product,
        request: Request,
        *,
        insurer_id: UUID,
        risks: Sequence[Risk],
        at: datetime,
    ) -> Quote:
        """Price what was asked for.

        Args:
            product: the version on whose terms it is offered.
            request: what the holder wants.
            insurer_id: who offers.
            risks: the robots, as rated by telemetry.
            at: the present.

        Raises:
            Invalid: the product does not offer that, the robots are not the holder's,
                or the term is longer than a year.
        """
        _check_request(product, request, risks, at)
        rating = rate(
            product.terms,
            risks=risks,
            choices=request.coverages,
            term=request.term,
            jurisdiction=request.jurisdiction,
        )
        return cls(
            insurer_id=insurer_id,
            holder_id=request.holder_id,
            product_code=product.code,
            product_version=product.version,
            jurisdiction=request.jurisdiction,
            term=request.term,
            instalments=request.instalments,
            rating=rating,
            created_at=at,
            valid_until=at + timedelta(days=product.terms.quote_validity_days),
        )

    def status_at(self, moment: datetime) -> QuoteStatus:
        """Return whether it can be bound at that moment."""
        if self.policy_id is not None:
            return QuoteStatus.BOUND
        return QuoteStatus.OPEN if moment < self.valid_until else QuoteStatus.EXPIRED

    def bind(
        self, *, number: str, payment_method: str, at: datetime, may_backdate: bool
    ) -> Policy:
        """Sell the cover; the quote is used up.

        Args:
            number: of the new policy.
            payment_method: the processor's token for the holder's means of payment.
            at: the present.
            may_backdate: whether cover may begin before today.

        Raises:
            InvalidState: it is bound already, or expired.
            Forbidden: cover would begin in the past, and that is not permitted.
        """
        status = self.status_at(at)
        if status is QuoteStatus.BOUND:
            raise InvalidState("quote_already_bound", policy_id=self.policy_id)
        if status is QuoteStatus.EXPIRED:
            raise InvalidState("quote_expired", valid_until=self.valid_until)
        today = local_day(at, self.term.time_zone)
        if self.term.inception < today and not may_backdate:
            raise Forbidden(
                "backdating_not_permitted", inception=self.term.inception, today=today
            )
        policy = self._policy(number, payment_method, at)
        policy.record(_bound(policy, today))
        self.policy_id = policy.id
        return policy

    def _policy(self, number: str, payment_method: str, at: datetime) -> Policy:
        return Policy(
            number=number,
            insurer_id=self.insurer_id,
            holder_id=self.holder_id,
            quote_id=self.id,
            product_code=self.product_code,
            product_version=self.product_version,
            jurisdiction=self.jurisdiction,
            term=self.term,
            robots=tuple(rated.robot for rated in self.rating.robots),
            coverages=tuple(rated.cover for rated in self.rating.coverages),
            premium=self.rating.premium,
            taxes=self.rating.taxes,
            tax=self.rating.tax,
            instalments=self.instalments,
            payment_method=payment_method,
            bound_at=at,
            transactions=[new_business(self.rating, term=self.term, at=at)],
        )


def _bound(policy: Policy, today: date) -> PolicyBound:
    return PolicyBound(
        policy_id=policy.id,
        number=policy.number,
        insurer_id=policy.insurer_id,
        holder_id=policy.holder_id,
        product_code=policy.product_code,
        product_version=policy.product_version,
        term=policy.term,
        robots=policy.robots,
        coverages=policy.coverages,
        premium=policy.premium,
        tax=policy.tax,
        total=policy.total,
        instalments=policy.instalments,
        payment_method=policy.payment_method,
        bound_on=today,
    )


def _check_request(
    product: Product, request: Request, risks: Sequence[Risk], at: datetime
) -> None:
    today = local_day(at, request.term.time_zone)
    if product.effective_from > today:
        raise Invalid(
            "product_not_sold_yet",
            product=product.code,
            effective_from=product.effective_from,
        )
    if request.term.days > LONGEST_TERM_DAYS:
        raise Invalid(
            "term_too_long", days=request.term.days, longest=LONGEST_TERM_DAYS
        )
    if request.instalments not in product.terms.instalment_plans:
        raise Invalid(
            "instalment_plan_not_offered",
            instalments=request.instalments,
            offered=product.terms.instalment_plans,
        )
    _check_fleet(request.holder_id, risks)


def _check_fleet(holder_id: UUID, risks: Sequence[Risk]) -> None:
    if not risks:
        raise Invalid("no_robots")
    robots = [risk.robot for risk in risks]
    if len({robot.robot_id for robot in robots}) < len(robots):
        raise Invalid("robot_named_twice")
    for robot in robots:
        if robot.operator_id != holder_id:
            raise Invalid("robot_not_of_holder", robot_id=robot.robot_id)
