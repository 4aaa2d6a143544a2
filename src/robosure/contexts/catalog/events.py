"""What the catalogue tells the others: the terms on which a product is sold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent
from robosure.kernel.money import Money


@dataclass(frozen=True)
class DeductibleOption:
    """A deductible that may be chosen, and what choosing it does to the price."""

    deductible: Money
    relativity: Decimal


@dataclass(frozen=True)
class LimitOption:
    """A limit that may be chosen, and what choosing it does to the price."""

    limit: Money
    relativity: Decimal


@dataclass(frozen=True)
class CoverageTerms:
    """One coverage of a product.

    Attributes:
        code: kebab-case, such as ``physical-damage``.
        base_rate: annual premium as a share of the exposure, before relativities.
        exposure: ``insured_value`` or ``limit``: what the base rate multiplies.
        limits: per occurrence, the default first.
        deductibles: per occurrence, the default first.
        incident_types: what it responds to, such as ``collision``.
        mandatory: whether every policy of the product carries it.
    """

    code: str
    name: str
    base_rate: Decimal
    exposure: str
    limits: tuple[LimitOption, ...]
    deductibles: tuple[DeductibleOption, ...]
    incident_types: tuple[str, ...]
    mandatory: bool


@dataclass(frozen=True)
class FactorBand:
    """A value of a rating factor and its relativity.

    Numeric factors use ``lower`` (inclusive) and ``upper`` (exclusive, None: open);
    categorical ones match ``label`` and leave both None.
    """

    label: str
    relativity: Decimal
    lower: Decimal | None = None
    upper: Decimal | None = None


@dataclass(frozen=True)
class RatingFactor:
    """Something about the risk that moves the price.

    Attributes:
        code: ``robot_age_years``, ``fleet_size``, ``operating_environment``, ...
        kind: ``numeric`` or ``categorical``.
    """

    code: str
    name: str
    kind: str
    bands: tuple[FactorBand, ...]


@dataclass(frozen=True)
class TaxRule:
    """A tax or levy on premium in one jurisdiction.

    Attributes:
        jurisdiction: ISO 3166-1 alpha-2, or ISO 3166-2 for a state (``US-NY``).
        rate: share of the premium, 0.12 for 12 %.
    """

    jurisdiction: str
    name: str
    rate: Decimal


@dataclass(frozen=True)
class ProductTerms:
    """Everything needed to rate and to word one version of a product.

    Attributes:
        instalment_plans: how many instalments a year may be chosen.
        quote_validity_days: how long a quote may be bound.
    """

    currency: str
    coverages: tuple[CoverageTerms, ...]
    rating_factors: tuple[RatingFactor, ...]
    taxes: tuple[TaxRule, ...]
    minimum_premium: Money
    policy_fee: Money
    instalment_plans: tuple[int, ...]
    quote_validity_days: int


@dataclass(frozen=True)
class ProductPublished(DomainEvent):
    """A version of a product may be sold from that day on."""

    product_id: UUID
    code: str
    name: str
    product_version: int
    effective_from: date
    terms: ProductTerms


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")

SAMPLES: Final = (
    ProductPublished(
        product_id=_ID,
        code="robot-comprehensive",
        name="Robot comprehensive",
        product_version=1,
        effective_from=date(2026, 3, 1),
        terms=ProductTerms(
            currency="EUR",
            coverages=(
                CoverageTerms(
                    code="physical-damage",
                    name="Physical damage",
                    base_rate=Decimal("0.0125"),
                    exposure="insured_value",
                    limits=(LimitOption(Money(10_000_000, "EUR"), Decimal("1.00")),),
                    deductibles=(
                        DeductibleOption(Money(100_000, "EUR"), Decimal("1.00")),
                        DeductibleOption(Money(250_000, "EUR"), Decimal("0.90")),
                    ),
                    incident_types=("collision", "drop"),
                    mandatory=True,
                ),
            ),
            rating_factors=(
                RatingFactor(
                    code="robot_age_years",
                    name="Age of the robot",
                    kind="numeric",
                    bands=(
                        FactorBand(
                            "new", Decimal("0.95"), lower=Decimal(0), upper=Decimal(3)
                        ),
                        FactorBand("old", Decimal("1.10"), lower=Decimal(3)),
                    ),
                ),
            ),
            taxes=(TaxRule("DE", "Versicherungsteuer", Decimal("0.19")),),
            minimum_premium=Money(10_000, "EUR"),
            policy_fee=Money(2_500, "EUR"),
            instalment_plans=(1, 4, 12),
            quote_validity_days=30,
        ),
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
