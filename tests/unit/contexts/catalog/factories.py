"""Valid products, of which a test changes only what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from robosure.contexts.catalog.domain import Product
from robosure.contexts.catalog.events import (
    CoverageTerms,
    DeductibleOption,
    FactorBand,
    LimitOption,
    ProductTerms,
    RatingFactor,
    TaxRule,
)
from robosure.kernel.money import Money

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


def a_coverage(**given: Any) -> CoverageTerms:
    coverage = CoverageTerms(
        code="physical-damage",
        name="Physical damage",
        base_rate=Decimal("0.018"),
        exposure="insured_value",
        limits=(
            LimitOption(eur("100000.00"), Decimal("1.00")),
            LimitOption(eur("250000.00"), Decimal("1.08")),
        ),
        deductibles=(
            DeductibleOption(eur("1000.00"), Decimal("1.00")),
            DeductibleOption(eur("0.00"), Decimal("1.20")),
        ),
        incident_types=("collision", "grip_loss"),
        mandatory=True,
    )
    return replace(coverage, **given)


def a_band(
    label: str, lower: str | None = None, upper: str | None = None
) -> FactorBand:
    return FactorBand(
        label,
        Decimal("1.00"),
        None if lower is None else Decimal(lower),
        None if upper is None else Decimal(upper),
    )


def an_age_factor(**given: Any) -> RatingFactor:
    factor = RatingFactor(
        code="robot_age_years",
        name="Age of the robot in years",
        kind="numeric",
        bands=(a_band("young", "0", "3"), a_band("old", "3")),
    )
    return replace(factor, **given)


def an_environment_factor(**given: Any) -> RatingFactor:
    factor = RatingFactor(
        code="operating_environment",
        name="Where the robot works",
        kind="categorical",
        bands=(a_band("factory"), a_band("outdoor")),
    )
    return replace(factor, **given)


def terms_of(**given: Any) -> ProductTerms:
    terms = ProductTerms(
        currency="EUR",
        coverages=(
            a_coverage(),
            a_coverage(
                code="cyber",
                name="Cyber attack",
                exposure="limit",
                incident_types=("cyber_attack",),
                mandatory=False,
            ),
        ),
        rating_factors=(an_age_factor(), an_environment_factor()),
        taxes=(
            TaxRule("GB", "Insurance premium tax", Decimal("0.12")),
            TaxRule("IE", "Government levy", Decimal("0.03")),
            TaxRule("IE", "Compensation fund", Decimal("0.02")),
        ),
        minimum_premium=eur("250.00"),
        policy_fee=eur("25.00"),
        instalment_plans=(1, 12),
        quote_validity_days=30,
    )
    return replace(terms, **given)


def a_product(**given: Any) -> Product:
    values: dict[str, Any] = {
        "code": "robot-basic",
        "name": "Robot Basic",
        "description": "Damage to one robot.",
        "effective_from": date(2026, 1, 1),
        "terms": terms_of(),
        "at": NOON,
    }
    return Product.launch(**(values | given))
