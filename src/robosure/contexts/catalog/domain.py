"""Insurance products: what is sold, on which terms, from which day.

A product is a stack of versions. A published version never changes; new terms are a
new version with a day from which they hold, so every policy can be rated again on
exactly the terms it was sold on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Final
from uuid import UUID

from robosure.contexts.catalog.events import (
    CoverageTerms,
    DeductibleOption,
    LimitOption,
    ProductPublished,
    ProductTerms,
    RatingFactor,
    TaxRule,
)
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Invalid, InvalidState, NotFound
from robosure.kernel.money import Money

EXPOSURES: Final = frozenset({"insured_value", "limit"})
NUMERIC: Final = "numeric"
CATEGORICAL: Final = "categorical"
MOST_INSTALMENTS: Final = 12
LONGEST_QUOTE_DAYS: Final = 366
LARGEST_AMOUNT: Final = 2**63 - 1
"""In minor units; what a database's integer holds."""
MOST_DECIMALS: Final = 12
"""Digits after the point that a rate may have; more is a mistake, not precision."""

_SLUG: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_JURISDICTION: Final = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?")


@dataclass(eq=False, kw_only=True)
class ProductVersion:
    """The terms of a product from one day on, fixed when they were published.

    Attributes:
        number: 1 for the first.
        effective_from: first day on which it is sold.
    """

    product_id: UUID
    number: int
    effective_from: date
    terms: ProductTerms
    published_at: datetime


@dataclass(eq=False, kw_only=True)
class Product(Aggregate):
    """An insurance product and every version of its terms.

    Attributes:
        code: unique, kebab-case, such as ``robot-comprehensive``.
        latest_version: number of the version published last, sold already or not.
        coverage_names: of the latest version; the product is found by them.
        versions: oldest first; each takes effect no earlier than the one before.
    """

    code: str
    name: str
    description: str
    latest_version: int = 0
    coverage_names: tuple[str, ...] = ()
    versions: list[ProductVersion] = field(default_factory=list[ProductVersion])

    @classmethod
    def launch(
        cls,
        *,
        code: str,
        name: str,
        description: str,
        effective_from: date,
        terms: ProductTerms,
        at: datetime,
    ) -> Product:
        """Bring a product with its first version, which may take effect in the past.

        Raises:
            Invalid: the code is not kebab-case, or the terms break a rule.
        """
        if not _SLUG.fullmatch(code):
            raise Invalid("invalid_product_code", product=code)
        product = cls(code=code, name=name, description=description)
        product._publish(effective_from, terms, at)
        return product

    def publish(
        self, *, effective_from: date, terms: ProductTerms, at: datetime
    ) -> ProductVersion:
        """Publish new terms from a day on, today at the earliest.

        Raises:
            Invalid: the terms break a rule.
            InvalidState: the day is past, or before the latest version's.
        """
        if effective_from < at.date():
            raise InvalidState(
                "effective_in_the_past", effective_from=effective_from.isoformat()
            )
        latest = self.versions[-1].effective_from
        if effective_from < latest:
            raise InvalidState(
                "effective_before_latest_version",
                effective_from=effective_from.isoformat(),
                latest=latest.isoformat(),
            )
        return self._publish(effective_from, terms, at)

    def version_on(self, day: date) -> ProductVersion:
        """Return the version that is sold on that day.

        Raises:
            NotFound: it is not sold yet.
        """
        for version in reversed(self.versions):
            if version.effective_from <= day:
                return version
        raise NotFound(
            "product_not_sold_yet",
            product=self.code,
            effective_from=self.versions[0].effective_from.isoformat(),
        )

    def _publish(
        self, effective_from: date, terms: ProductTerms, at: datetime
    ) -> ProductVersion:
        check_terms(terms)
        self.latest_version += 1
        version = ProductVersion(
            product_id=self.id,
            number=self.latest_version,
            effective_from=effective_from,
            terms=terms,
            published_at=at,
        )
        self.versions.append(version)
        self.coverage_names = tuple(coverage.name for coverage in terms.coverages)
        self.record(
            ProductPublished(
                product_id=self.id,
                code=self.code,
                name=self.name,
                product_version=version.number,
                effective_from=version.effective_from,
                terms=version.terms,
            )
        )
        return version


def check_terms(terms: ProductTerms) -> None:
    """Refuse terms that could not be rated or worded.

    Raises:
        Invalid: the first rule they break; its details say where.
    """
    _check_money(terms.minimum_premium, terms.currency, "minimum_premium")
    _check_money(terms.policy_fee, terms.currency, "policy_fee")
    _check_unique("coverages", (coverage.code for coverage in terms.coverages))
    for coverage in terms.coverages:
        _check_coverage(coverage, terms.currency)
    if not any(coverage.mandatory for coverage in terms.coverages):
        raise Invalid("no_mandatory_coverage")
    _check_unique("rating_factors", (factor.code for factor in terms.rating_factors))
    for factor in terms.rating_factors:
        _check_factor(factor)
    _check_unique("taxes", (f"{tax.jurisdiction} {tax.name}" for tax in terms.taxes))
    for tax in terms.taxes:
        _check_tax(tax)
    _check_unique("instalment_plans", map(str, terms.instalment_plans))
    if not terms.instalment_plans or not all(
        1 <= plan <= MOST_INSTALMENTS for plan in terms.instalment_plans
    ):
        raise Invalid("invalid_instalment_plans", plans=terms.instalment_plans)
    if not 1 <= terms.quote_validity_days <= LONGEST_QUOTE_DAYS:
        raise Invalid("invalid_quote_validity", days=terms.quote_validity_days)


def _check_coverage(coverage: CoverageTerms, currency: str) -> None:
    where = f"coverages.{coverage.code}"
    if not _SLUG.fullmatch(coverage.code):
        raise Invalid("invalid_coverage_code", coverage=coverage.code)
    _check_words(coverage.name, where)
    if coverage.exposure not in EXPOSURES:
        raise Invalid("unknown_exposure", where=where, exposure=coverage.exposure)
    _check_rate(coverage.base_rate, f"{where}.base_rate")
    _check_limits(coverage.limits, currency, f"{where}.limits")
    _check_deductibles(coverage.deductibles, currency, f"{where}.deductibles")
    if not coverage.incident_types:
        raise Invalid("coverage_responds_to_nothing", coverage=coverage.code)
    _check_unique(f"{where}.incident_types", coverage.incident_types)
    for incident_type in coverage.incident_types:
        if not _NAME.fullmatch(incident_type):
            raise Invalid("invalid_incident_type", incident_type=incident_type)


def _check_limits(options: tuple[LimitOption, ...], currency: str, where: str) -> None:
    if not options:
        raise Invalid("no_options", where=where)
    _check_unique(where, (str(option.limit) for option in options))
    for option in options:
        _check_money(option.limit, currency, where)
        if not option.limit:
            raise Invalid("limit_of_nothing", where=where)
        _check_relativity(option.relativity, where)


def _check_deductibles(
    options: tuple[DeductibleOption, ...], currency: str, where: str
) -> None:
    if not options:
        raise Invalid("no_options", where=where)
    _check_unique(where, (str(option.deductible) for option in options))
    for option in options:
        _check_money(option.deductible, currency, where)
        _check_relativity(option.relativity, where)


def _check_factor(factor: RatingFactor) -> None:
    where = f"rating_factors.{factor.code}"
    if not _NAME.fullmatch(factor.code):
        raise Invalid("invalid_factor_code", factor=factor.code)
    _check_words(factor.name, where)
    if factor.kind not in {NUMERIC, CATEGORICAL}:
        raise Invalid("unknown_factor_kind", where=where, kind=factor.kind)
    if not factor.bands:
        raise Invalid("no_options", where=where)
    _check_unique(where, (band.label for band in factor.bands))
    for band in factor.bands:
        _check_words(band.label, where)
        _check_relativity(band.relativity, f"{where}.{band.label}")
    if factor.kind == NUMERIC:
        _check_numeric_bands(factor, where)
    elif any((band.lower, band.upper) != (None, None) for band in factor.bands):
        raise Invalid("category_with_bounds", where=where)


def _check_numeric_bands(factor: RatingFactor, where: str) -> None:
    """Every value from the first band's lower edge on is in exactly one band."""
    for band in factor.bands:
        if band.lower is None:
            raise Invalid("band_without_lower_bound", where=where, band=band.label)
        _check_digits(band.lower, where)
        if band.upper is not None:
            _check_digits(band.upper, where)
            if band.upper <= band.lower:
                raise Invalid("empty_band", where=where, band=band.label)
    for band, following in pairwise(factor.bands):
        if band.upper != following.lower:
            raise Invalid(
                "bands_not_contiguous",
                where=where,
                band=band.label,
                following=following.label,
            )


def _check_tax(tax: TaxRule) -> None:
    where = f"taxes.{tax.jurisdiction}"
    if not _JURISDICTION.fullmatch(tax.jurisdiction):
        raise Invalid("invalid_jurisdiction", jurisdiction=tax.jurisdiction)
    _check_words(tax.name, where)
    _check_digits(tax.rate, where)
    if not 0 <= tax.rate <= 1:
        raise Invalid("rate_out_of_range", where=where, rate=str(tax.rate))


def _check_money(amount: Money, currency: str, where: str) -> None:
    if amount.currency != currency:
        raise Invalid(
            "currency_mismatch", where=where, left=amount.currency, right=currency
        )
    if amount.minor < 0:
        raise Invalid("negative_amount", where=where, amount=str(amount))
    if amount.minor > LARGEST_AMOUNT:
        raise Invalid("amount_too_large", where=where)


def _check_rate(rate: Decimal, where: str) -> None:
    _check_digits(rate, where)
    if not 0 < rate <= 1:
        raise Invalid("rate_out_of_range", where=where, rate=str(rate))


def _check_relativity(relativity: Decimal, where: str) -> None:
    _check_digits(relativity, where)
    if relativity <= 0:
        raise Invalid(
            "relativity_not_positive", where=where, relativity=str(relativity)
        )


def _check_digits(value: Decimal, where: str) -> None:
    """Refuse what is no number, and what arithmetic would choke on."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > MOST_DECIMALS:
        raise Invalid("not_a_usable_number", where=where, value=str(value))


def _check_words(text: str, where: str) -> None:
    """Refuse a name that nobody could read."""
    if not text.strip() or not text.isprintable():
        raise Invalid("unreadable_name", where=where)


def _check_unique(where: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Invalid("not_unique", where=where, name=name)
        seen.add(name)
