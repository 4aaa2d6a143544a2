"""Coverages as chosen from what a product offers, and what each costs for a robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from robosure.contexts.catalog.events import (
    CoverageTerms,
    DeductibleOption,
    LimitOption,
)
from robosure.contexts.policies.domain.factors import Factor, Robot
from robosure.contexts.policies.events import CoverInForce
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money


@dataclass(frozen=True)
class CoverageChoice:
    """A coverage asked for; an option left out is the product's default."""

    code: str
    limit: Money | None = None
    deductible: Money | None = None


@dataclass(frozen=True)
class ChosenCoverage:
    """A coverage of the product with the options chosen."""

    terms: CoverageTerms
    limit: LimitOption
    deductible: DeductibleOption

    @property
    def cover(self) -> CoverInForce:
        """The coverage as it is sold."""
        return CoverInForce(
            self.terms.code,
            self.terms.name,
            self.limit.limit,
            self.deductible.deductible,
            self.terms.incident_types,
        )

    @property
    def factors(self) -> tuple[Factor, Factor]:
        """What the options chosen do to the price."""
        limit, deductible = str(self.limit.limit), str(self.deductible.deductible)
        return (
            Factor("limit", "Limit", limit, limit, self.limit.relativity),
            Factor(
                "deductible",
                "Deductible",
                deductible,
                deductible,
                self.deductible.relativity,
            ),
        )

    def annual_base(self, robot: Robot) -> Fraction:
        """Return the base rate on the exposure of that robot, in exact minor units."""
        by_limit = self.terms.exposure == "limit"
        exposed = self.limit.limit if by_limit else robot.insured_value
        return exposed.exact * Fraction(self.terms.base_rate)


def choose(
    offered: Sequence[CoverageTerms], choices: Sequence[CoverageChoice]
) -> tuple[ChosenCoverage, ...]:
    """Match choices with what is offered; the product's order is kept.

    Raises:
        Invalid: a coverage is unknown, chosen twice, or mandatory and missing; or an
            option is not offered.
    """
    by_code = {choice.code: choice for choice in choices}
    if len(by_code) < len(choices):
        raise Invalid("coverage_chosen_twice")
    if unknown := by_code.keys() - {terms.code for terms in offered}:
        raise Invalid("unknown_coverage", coverages=sorted(unknown))
    for terms in offered:
        if terms.mandatory and terms.code not in by_code:
            raise Invalid("mandatory_coverage_missing", coverage=terms.code)
    return tuple(
        ChosenCoverage(terms, _limit(terms, choice), _deductible(terms, choice))
        for terms in offered
        if (choice := by_code.get(terms.code))
    )


def _limit(terms: CoverageTerms, choice: CoverageChoice) -> LimitOption:
    if choice.limit is None:
        return terms.limits[0]
    for option in terms.limits:
        if option.limit == choice.limit:
            return option
    raise _not_offered("limit", choice, choice.limit)


def _deductible(terms: CoverageTerms, choice: CoverageChoice) -> DeductibleOption:
    if choice.deductible is None:
        return terms.deductibles[0]
    for option in terms.deductibles:
        if option.deductible == choice.deductible:
            return option
    raise _not_offered("deductible", choice, choice.deductible)


def _not_offered(what: str, choice: CoverageChoice, amount: Money) -> Invalid:
    code = "negative_amount" if amount.minor < 0 else f"{what}_not_offered"
    facts: dict[str, Any] = {"coverage": choice.code, what: amount}
    return Invalid(code, **facts)
