"""Which terms can be sold, and which version is sold on which day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.catalog.domain import check_terms
from robosure.contexts.catalog.events import (
    DeductibleOption,
    FactorBand,
    LimitOption,
    ProductPublished,
    RatingFactor,
    TaxRule,
)
from robosure.kernel.errors import Invalid, InvalidState, NotFound
from robosure.kernel.money import Money
from tests.unit.contexts.catalog.factories import (
    NOON,
    a_band,
    a_coverage,
    a_product,
    an_age_factor,
    an_environment_factor,
    eur,
    terms_of,
)

ONE = Decimal("1.00")


# --- versions -------------------------------------------------------------------------


def test_launching_a_product_publishes_its_first_version() -> None:
    # when its terms hold from a day that is past
    product = a_product(effective_from=date(2020, 1, 1))
    # then
    (version,) = product.versions
    assert (version.number, version.published_at) == (1, NOON)
    assert product.latest_version == 1
    assert product.coverage_names == ("Physical damage", "Cyber attack")
    assert product.pending_events == [
        ProductPublished(
            product_id=product.id,
            code="robot-basic",
            name="Robot Basic",
            product_version=1,
            effective_from=date(2020, 1, 1),
            terms=terms_of(),
        )
    ]


@pytest.mark.parametrize("code", ["", "Robot", "robot_basic", "robot--basic", "1st"])
def test_a_product_code_is_kebab_case(code: str) -> None:
    with pytest.raises(Invalid) as error:
        a_product(code=code)
    assert error.value.code == "invalid_product_code"


def test_new_terms_hold_from_their_day_and_leave_the_old_ones_alone() -> None:
    # given
    product = a_product(effective_from=date(2026, 1, 1))
    cheaper = terms_of(policy_fee=eur("10.00"), coverages=(a_coverage(name="Damage"),))
    # when
    second = product.publish(effective_from=date(2026, 7, 1), terms=cheaper, at=NOON)
    # then
    assert second.number == product.latest_version == 2
    assert product.coverage_names == ("Damage",)
    assert product.version_on(date(2026, 6, 30)).terms == terms_of()
    assert product.version_on(date(2026, 7, 1)) is second
    assert [
        event.product_version
        for event in product.pending_events
        if isinstance(event, ProductPublished)
    ] == [1, 2]


def test_of_two_versions_from_one_day_the_later_one_holds() -> None:
    # given
    product = a_product(effective_from=date(2026, 1, 1))
    product.publish(effective_from=date(2026, 7, 1), terms=terms_of(), at=NOON)
    # when a mistake is put right before the day
    product.publish(effective_from=date(2026, 7, 1), terms=terms_of(), at=NOON)
    # then
    assert product.version_on(date(2026, 7, 1)).number == 3


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(2026, 3, 1), "effective_in_the_past"),
        (date(2026, 6, 30), "effective_before_latest_version"),
    ],
)
def test_new_terms_do_not_change_what_was_sold_or_announced(
    day: date, code: str
) -> None:
    # given
    product = a_product(effective_from=date(2026, 7, 1))
    # when
    with pytest.raises(InvalidState) as error:
        product.publish(effective_from=day, terms=terms_of(), at=NOON)
    # then
    assert error.value.code == code
    assert len(product.versions) == product.latest_version == 1
    assert len(product.pending_events) == 1


def test_refused_terms_leave_the_product_as_it_was() -> None:
    # given
    product = a_product()
    # when
    with pytest.raises(Invalid):
        product.publish(
            effective_from=date(2026, 4, 1), terms=terms_of(coverages=()), at=NOON
        )
    # then
    assert len(product.versions) == product.latest_version == 1


def test_a_product_is_not_sold_before_its_first_version() -> None:
    with pytest.raises(NotFound) as error:
        a_product(effective_from=date(2026, 7, 1)).version_on(date(2026, 6, 30))
    assert error.value.code == "product_not_sold_yet"
    assert error.value.details["effective_from"] == "2026-07-01"


# --- terms ----------------------------------------------------------------------------


def test_good_terms_pass() -> None:
    check_terms(terms_of())


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"minimum_premium": eur("-0.01")}, "negative_amount"),
        ({"minimum_premium": Money(1, "USD")}, "currency_mismatch"),
        ({"policy_fee": eur("-1.00")}, "negative_amount"),
        ({"policy_fee": Money(1, "USD")}, "currency_mismatch"),
        ({"currency": "USD"}, "currency_mismatch"),
        ({"coverages": ()}, "no_mandatory_coverage"),
        ({"coverages": (a_coverage(mandatory=False),)}, "no_mandatory_coverage"),
        ({"coverages": (a_coverage(), a_coverage())}, "not_unique"),
        ({"rating_factors": (an_age_factor(), an_age_factor())}, "not_unique"),
        ({"taxes": (TaxRule("GB", "IPT", ONE),) * 2}, "not_unique"),
        ({"taxes": (TaxRule("GBR", "IPT", ONE),)}, "invalid_jurisdiction"),
        ({"taxes": (TaxRule("GB", "IPT", Decimal("1.01")),)}, "rate_out_of_range"),
        ({"taxes": (TaxRule("GB", "IPT", Decimal("-0.01")),)}, "rate_out_of_range"),
        ({"taxes": (TaxRule("GB", "IPT", Decimal("NaN")),)}, "not_a_usable_number"),
        ({"instalment_plans": ()}, "invalid_instalment_plans"),
        ({"instalment_plans": (0, 1)}, "invalid_instalment_plans"),
        ({"instalment_plans": (1, 13)}, "invalid_instalment_plans"),
        ({"instalment_plans": (1, 4, 4)}, "not_unique"),
        ({"quote_validity_days": 0}, "invalid_quote_validity"),
        ({"quote_validity_days": 367}, "invalid_quote_validity"),
        ({"policy_fee": Money(2**63, "EUR")}, "amount_too_large"),
        ({"taxes": (TaxRule("GB", "I\0T", ONE),)}, "unreadable_name"),
    ],
)
def test_terms_that_cannot_be_sold_are_refused(
    given: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as error:
        check_terms(terms_of(**given))
    assert error.value.code == code


@pytest.mark.parametrize("rate", ["0", "1"])
def test_a_tax_rate_is_from_nothing_to_all(rate: str) -> None:
    check_terms(terms_of(taxes=(TaxRule("US-NY", "Tax", Decimal(rate)),)))


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"code": "Physical"}, "invalid_coverage_code"),
        ({"name": " "}, "unreadable_name"),
        ({"exposure": "turnover"}, "unknown_exposure"),
        ({"base_rate": Decimal(0)}, "rate_out_of_range"),
        ({"base_rate": Decimal("1.1")}, "rate_out_of_range"),
        ({"base_rate": Decimal("1E-13")}, "not_a_usable_number"),
        ({"base_rate": Decimal("1E+13")}, "not_a_usable_number"),
        ({"base_rate": Decimal("Infinity")}, "not_a_usable_number"),
        ({"limits": ()}, "no_options"),
        ({"limits": (LimitOption(eur("0"), ONE),)}, "limit_of_nothing"),
        ({"limits": (LimitOption(eur("-1"), ONE),)}, "negative_amount"),
        ({"limits": (LimitOption(Money(1, "USD"), ONE),)}, "currency_mismatch"),
        ({"limits": (LimitOption(eur("1"), ONE),) * 2}, "not_unique"),
        ({"limits": (LimitOption(eur("1"), Decimal(0)),)}, "relativity_not_positive"),
        ({"deductibles": ()}, "no_options"),
        ({"deductibles": (DeductibleOption(eur("-1"), ONE),)}, "negative_amount"),
        (
            {"deductibles": (DeductibleOption(Money(1, "USD"), ONE),)},
            "currency_mismatch",
        ),
        ({"deductibles": (DeductibleOption(eur("1"), ONE),) * 2}, "not_unique"),
        (
            {"deductibles": (DeductibleOption(eur("1"), Decimal(-1)),)},
            "relativity_not_positive",
        ),
        ({"incident_types": ()}, "coverage_responds_to_nothing"),
        ({"incident_types": ("fire", "fire")}, "not_unique"),
        ({"incident_types": ("Fire",)}, "invalid_incident_type"),
    ],
)
def test_a_coverage_that_cannot_be_rated_is_refused(
    given: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as error:
        check_terms(terms_of(coverages=(a_coverage(**given),)))
    assert error.value.code == code


@pytest.mark.parametrize(
    ("factor", "code"),
    [
        (an_age_factor(code="robot-age"), "invalid_factor_code"),
        (an_age_factor(name=""), "unreadable_name"),
        (an_age_factor(kind="fuzzy"), "unknown_factor_kind"),
        (an_age_factor(bands=(a_band("", "0"),)), "unreadable_name"),
        (an_age_factor(bands=()), "no_options"),
        (an_age_factor(bands=(a_band("all"),)), "band_without_lower_bound"),
        (an_age_factor(bands=(a_band("none", "3", "3"),)), "empty_band"),
        (an_age_factor(bands=(a_band("all", "NaN"),)), "not_a_usable_number"),
        (an_age_factor(bands=(a_band("all", "0", "NaN"),)), "not_a_usable_number"),
        (
            an_age_factor(bands=(a_band("young", "0", "3"), a_band("old", "4"))),
            "bands_not_contiguous",
        ),
        (
            an_age_factor(bands=(a_band("young", "0", "3"), a_band("old", "2"))),
            "bands_not_contiguous",
        ),
        (
            an_age_factor(bands=(a_band("all", "0"), a_band("old", "4"))),
            "bands_not_contiguous",
        ),
        (
            an_environment_factor(bands=(a_band("factory", "0"),)),
            "category_with_bounds",
        ),
        (
            an_environment_factor(bands=(a_band("factory", upper="1"),)),
            "category_with_bounds",
        ),
        (
            an_environment_factor(bands=(a_band("factory"), a_band("factory"))),
            "not_unique",
        ),
        (
            an_environment_factor(
                bands=(replace(a_band("factory"), relativity=Decimal(0)),)
            ),
            "relativity_not_positive",
        ),
    ],
)
def test_a_factor_that_cannot_be_looked_up_is_refused(
    factor: RatingFactor, code: str
) -> None:
    with pytest.raises(Invalid) as error:
        check_terms(terms_of(rating_factors=(factor,)))
    assert error.value.code == code


def test_numeric_bands_may_end() -> None:
    bands = (a_band("young", "0", "3"), a_band("old", "3", "20"))
    check_terms(terms_of(rating_factors=(an_age_factor(bands=bands),)))


@given(
    edges=st.lists(st.integers(0, 1000), min_size=2, max_size=8, unique=True).map(
        sorted
    ),
    value=st.integers(0, 1000),
)
def test_accepted_numeric_bands_hold_each_value_at_most_once(
    edges: list[int], value: int
) -> None:
    # given bands between the edges, the last one open
    bands = tuple(
        FactorBand(str(lower), ONE, Decimal(lower), upper)
        for lower, upper in zip(edges, [*map(Decimal, edges[1:]), None], strict=True)
    )
    check_terms(terms_of(rating_factors=(an_age_factor(bands=bands),)))
    # then every value from the first edge on is in exactly one
    holding = [
        band
        for band in bands
        if band.lower is not None
        and band.lower <= value
        and (band.upper is None or value < band.upper)
    ]
    assert len(holding) == (1 if value >= edges[0] else 0)
