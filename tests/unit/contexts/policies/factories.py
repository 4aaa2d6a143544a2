"""Valid robots, terms, quotes and policies; a test changes only what it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from robosure.contexts.catalog.events import (
    CoverageTerms,
    DeductibleOption,
    FactorBand,
    LimitOption,
    ProductTerms,
    RatingFactor,
    TaxRule,
)
from robosure.contexts.policies.domain.coverages import CoverageChoice
from robosure.contexts.policies.domain.factors import Risk, Robot
from robosure.contexts.policies.domain.policy import Policy
from robosure.contexts.policies.domain.quote import Product, Quote, Request
from robosure.contexts.policies.domain.rating import Rating, rate
from robosure.contexts.policies.domain.telemetry import TelemetryRating
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.kernel.time import Term

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSURER = UUID("019c8f3e-9a40-7000-8000-000000000001")
HOLDER = UUID("019c8f3e-9a40-7000-8000-000000000002")
YEAR = Term(date(2026, 3, 3), date(2027, 3, 3), "Europe/Berlin")


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


def a_band(
    label: str, relativity: str, lower: str | None = None, upper: str | None = None
) -> FactorBand:
    return FactorBand(
        label,
        Decimal(relativity),
        None if lower is None else Decimal(lower),
        None if upper is None else Decimal(upper),
    )


PHYSICAL_DAMAGE = CoverageTerms(
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
        DeductibleOption(eur("500.00"), Decimal("1.10")),
    ),
    incident_types=("collision", "grip_loss"),
    mandatory=True,
)
CYBER = CoverageTerms(
    code="cyber",
    name="Cyber attack",
    base_rate=Decimal("0.0011"),
    exposure="limit",
    limits=(LimitOption(eur("100000.00"), Decimal("1.00")),),
    deductibles=(DeductibleOption(eur("0.00"), Decimal("1.00")),),
    incident_types=("cyber_attack",),
    mandatory=False,
)
AGE = RatingFactor(
    code="robot_age_years",
    name="Age of the robot in years",
    kind="numeric",
    bands=(a_band("under 3", "1.00", "0", "3"), a_band("3 and over", "1.20", "3")),
)
FLEET = RatingFactor(
    code="fleet_size",
    name="Robots under the policy",
    kind="numeric",
    bands=(a_band("under 3", "1.00", None, "3"), a_band("3 to 9", "0.95", "3", "10")),
)
CLASS = RatingFactor(
    code="robot_class",
    name="Class of the robot",
    kind="categorical",
    bands=(a_band("cobot", "0.90"), a_band("industrial_arm", "1.00")),
)


def terms_of(**given: Any) -> ProductTerms:
    terms = ProductTerms(
        currency="EUR",
        coverages=(PHYSICAL_DAMAGE, CYBER),
        rating_factors=(AGE, FLEET, CLASS),
        taxes=(
            TaxRule("DE", "Versicherungsteuer", Decimal("0.19")),
            TaxRule("IE", "Government levy", Decimal("0.03")),
            TaxRule("IE", "Compensation fund", Decimal("0.02")),
            TaxRule("CH", "Stempelabgabe", Decimal(0)),
        ),
        minimum_premium=eur("250.00"),
        policy_fee=eur("25.00"),
        instalment_plans=(1, 12),
        quote_validity_days=30,
    )
    return replace(terms, **given)


def a_robot(**given: Any) -> Robot:
    values: dict[str, Any] = {
        "robot_id": uuid7(),
        "serial_number": "UR3-20195300456",
        "operator_id": HOLDER,
        "robot_class": "cobot",
        "insured_value": eur("25000.00"),
        "commissioned_on": date(2024, 1, 10),
        "operating_environment": "factory",
    }
    return Robot(**(values | given))


def telemetry_of(multiplier: str, score: str = "45.0") -> TelemetryRating:
    return TelemetryRating(uuid7(), Decimal(score), "elevated", Decimal(multiplier))


def a_risk(multiplier: str | None = None, **given: Any) -> Risk:
    return Risk(a_robot(**given), telemetry_of(multiplier) if multiplier else None)


BOTH = (CoverageChoice("physical-damage"), CoverageChoice("cyber"))


def a_rating(**given: Any) -> Rating:
    values: dict[str, Any] = {
        "terms": terms_of(),
        "risks": [a_risk()],
        "choices": BOTH,
        "term": YEAR,
        "jurisdiction": "DE",
    }
    values |= given
    return rate(values.pop("terms"), **values)


def a_product(**given: Any) -> Product:
    return Product("robot-basic", 3, date(2026, 1, 1), terms_of(**given))


def a_request(**given: Any) -> Request:
    values: dict[str, Any] = {
        "holder_id": HOLDER,
        "term": YEAR,
        "jurisdiction": "DE",
        "coverages": BOTH,
        "instalments": 12,
    }
    return Request(**(values | given))


def a_quote(**given: Any) -> Quote:
    values: dict[str, Any] = {
        "product": a_product(),
        "insurer_id": INSURER,
        "risks": [a_risk()],
        "at": NOON,
    }
    for name in ("product", "insurer_id", "risks", "at"):
        if name in given:
            values[name] = given.pop(name)
    product = values.pop("product")
    return Quote.offer(product, a_request(**given), **values)


def bound(quote: Quote, **given: Any) -> Policy:
    values: dict[str, Any] = {
        "number": "POL-2026-000042",
        "payment_method": "tok_ok",
        "at": NOON,
        "may_backdate": False,
    }
    return quote.bind(**(values | given))
