"""What cover costs: base rate x exposure x relativities, a fee, a minimum, then tax.

Every factor that moved the price is kept with its value, band and relativity, so that
a premium can be explained, and calculated again by hand. Amounts are exact fractions
until the end; then premium and total are rounded once, and shared out among robots,
coverages and taxes so that every column of a quote sums exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from robosure.contexts.catalog.events import ProductTerms
from robosure.contexts.policies.domain.coverages import (
    ChosenCoverage,
    CoverageChoice,
    choose,
)
from robosure.contexts.policies.domain.factors import (
    TELEMETRY,
    Factor,
    Risk,
    Robot,
    factors_of,
    relativity,
)
from robosure.contexts.policies.domain.proration import share_of_year
from robosure.contexts.policies.domain.tax import TaxLine, rules_for, with_tax
from robosure.contexts.policies.domain.telemetry import TelemetryRating
from robosure.contexts.policies.events import CoverInForce, InsuredRobot
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money
from robosure.kernel.time import Term

LARGEST_AMOUNT: Final = 2**63 - 1
"""In minor units; what a database's integer holds."""


@dataclass(frozen=True)
class RatedRobot:
    """A robot with its share of the premium, and what moved it."""

    robot: InsuredRobot
    premium: Money
    factors: tuple[Factor, ...]
    telemetry: TelemetryRating | None


@dataclass(frozen=True)
class RatedCoverage:
    """A coverage with its share of the premium, and what moved it.

    Attributes:
        base_rate: annual premium as a share of the exposure.
        exposure: ``insured_value`` or ``limit``, of each robot.
    """

    cover: CoverInForce
    base_rate: Decimal
    exposure: str
    factors: tuple[Factor, ...]
    premium: Money


@dataclass(frozen=True)
class Rating:
    """A premium, explained.

    Attributes:
        days: of the term, for which the annual rates are charged ...
        days_in_year: ... out of so many.
        policy_fee: contained in the premium, whatever the term.
        minimum_premium: below which no policy is sold, whatever the term.
        premium: net of tax; the sum of the robots' and of the coverages' premiums.
        premium_without_telemetry: what it would be if no robot were scored.
        total: premium plus tax.
    """

    robots: tuple[RatedRobot, ...]
    coverages: tuple[RatedCoverage, ...]
    days: int
    days_in_year: int
    policy_fee: Money
    minimum_premium: Money
    premium: Money
    premium_without_telemetry: Money
    taxes: tuple[TaxLine, ...]
    tax: Money
    total: Money


def rate(
    terms: ProductTerms,
    *,
    risks: Sequence[Risk],
    choices: Sequence[CoverageChoice],
    term: Term,
    jurisdiction: str,
) -> Rating:
    """Price cover for robots, and show how the price came about.

    Args:
        terms: of the product's version.
        risks: the robots; together they are the fleet whose size is rated.
        choices: coverages with the options chosen.
        term: for which the annual rates are charged pro rata.
        jurisdiction: whose taxes are added.

    Raises:
        Invalid: something was chosen that the product does not offer, or a robot that
            it does not insure.
    """
    chosen = choose(terms.coverages, choices)
    rules = rules_for(jurisdiction, terms.taxes)
    _check_currency(risks, terms.currency)
    fleet = [(risk, _factors(risk, terms, len(risks), term)) for risk in risks]
    costs = _costs(fleet, chosen, term)
    if not _sum(map(_sum, costs)):
        raise Invalid("nothing_to_insure")
    untouched = _costs([(r, _without_telemetry(f)) for r, f in fleet], chosen, term)
    taxed = with_tax(_premium(terms, costs), rules, terms.currency)
    if taxed.total.minor > LARGEST_AMOUNT:
        raise Invalid("amount_too_large", total=taxed.total)
    per_robot = taxed.premium.allocate([_sum(row) for row in costs])
    per_coverage = taxed.premium.allocate(
        [_sum(column) for column in zip(*costs, strict=True)]
    )
    return Rating(
        robots=tuple(
            RatedRobot(_insured(risk.robot), premium, factors, risk.telemetry)
            for (risk, factors), premium in zip(fleet, per_robot, strict=True)
        ),
        coverages=tuple(
            RatedCoverage(
                coverage.cover,
                coverage.terms.base_rate,
                coverage.terms.exposure,
                coverage.factors,
                premium,
            )
            for coverage, premium in zip(chosen, per_coverage, strict=True)
        ),
        days=term.days,
        days_in_year=Term.annual(term.inception).days,
        policy_fee=terms.policy_fee,
        minimum_premium=terms.minimum_premium,
        premium=taxed.premium,
        premium_without_telemetry=Money.rounded(
            _premium(terms, untouched), terms.currency
        ),
        taxes=taxed.lines,
        tax=taxed.tax,
        total=taxed.total,
    )


def _check_currency(risks: Sequence[Risk], currency: str) -> None:
    for robot in (risk.robot for risk in risks):
        if robot.insured_value.currency != currency:
            raise Invalid(
                "currency_not_offered",
                robot_id=robot.robot_id,
                currency=robot.insured_value.currency,
                offered=currency,
            )


def _factors(
    risk: Risk, terms: ProductTerms, fleet_size: int, term: Term
) -> tuple[Factor, ...]:
    return factors_of(
        risk, terms.rating_factors, fleet_size=fleet_size, inception=term.inception
    )


def _without_telemetry(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    return tuple(factor for factor in factors if factor.code != TELEMETRY)


def _costs(
    fleet: Sequence[tuple[Risk, tuple[Factor, ...]]],
    chosen: Sequence[ChosenCoverage],
    term: Term,
) -> list[list[Fraction]]:
    """Return what each coverage (columns) of each robot (rows) costs in the term."""
    share = share_of_year(term.inception, term.expiry)
    options = [relativity(coverage.factors) * share for coverage in chosen]
    return [
        [
            coverage.annual_base(risk.robot) * option * of_robot
            for coverage, option in zip(chosen, options, strict=True)
        ]
        for risk, factors in fleet
        for of_robot in [relativity(factors)]
    ]


def _premium(terms: ProductTerms, costs: Iterable[Iterable[Fraction]]) -> Fraction:
    """Add the fee and hold the minimum; both are per policy, whatever its term."""
    exact = _sum(map(_sum, costs)) + terms.policy_fee.exact
    return max(exact, terms.minimum_premium.exact)


def _sum(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, Fraction(0))


def _insured(robot: Robot) -> InsuredRobot:
    return InsuredRobot(
        robot.robot_id, robot.serial_number, robot.robot_class, robot.insured_value
    )
