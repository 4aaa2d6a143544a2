from __future__ import annotations

import pytest

from robosure.contexts.catalog.schemas import ProductIn, shipped_documents
from robosure.contexts.policies.domain.coverages import CoverageChoice
from robosure.contexts.policies.events import CoverInForce
from tests.unit.contexts.policies.factories import a_rating, a_risk

SHIPPED = [ProductIn.model_validate_json(text) for text in shipped_documents()]


@pytest.mark.parametrize("product", SHIPPED, ids=lambda product: product.code)
def test_every_product_that_ships_can_be_rated_with_all_its_coverages(
    product: ProductIn,
) -> None:
    terms = product.terms
    choices = tuple(CoverageChoice(coverage.code) for coverage in terms.coverages)
    for jurisdiction in {tax.jurisdiction for tax in terms.taxes}:
        rating = a_rating(
            terms=terms,
            risks=[a_risk("1.20")],
            choices=choices,
            jurisdiction=jurisdiction,
        )
        sold: list[CoverInForce] = [rated.cover for rated in rating.coverages]
        assert [cover.code for cover in sold] == [choice.code for choice in choices]
        assert rating.premium > rating.premium_without_telemetry
