"""The products that ship are ones that the domain accepts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from robosure.contexts.catalog.domain import Product
from robosure.contexts.catalog.schemas import ProductIn, shipped_documents
from robosure.kernel.money import Money
from tests.unit.contexts.catalog.factories import NOON


def the_shipped_product() -> Product:
    (text,) = shipped_documents()
    document = ProductIn.model_validate_json(text)
    return Product.launch(
        code=document.code,
        name=document.name,
        description=document.description,
        effective_from=document.effective_from,
        terms=document.terms,
        at=NOON,
    )


def test_the_shipped_product_covers_what_it_says() -> None:
    # when
    product = the_shipped_product()
    # then
    assert (product.code, product.latest_version) == ("robot-comprehensive", 1)
    (version,) = product.versions
    assert version.effective_from == date(2020, 1, 1)
    assert {
        c.code: (c.mandatory, c.incident_types) for c in version.terms.coverages
    } == {
        "physical-damage": (
            True,
            (
                "collision",
                "protective_stop",
                "grip_loss",
                "overload",
                "fire",
                "theft",
            ),
        ),
        "third-party-liability": (True, ("injury", "property_damage")),
        "cyber": (False, ("cyber_attack", "data_breach")),
        "business-interruption": (False, ("downtime",)),
        "product-recall": (False, ("recall",)),
    }
    assert version.terms.minimum_premium == Money.of("250.00", "EUR")
    assert version.terms.policy_fee == Money.of("25.00", "EUR")
    assert version.terms.instalment_plans == (1, 2, 4, 12)
    assert version.terms.quote_validity_days == 30


def test_the_shipped_taxes_are_those_of_the_jurisdictions() -> None:
    taxes = the_shipped_product().versions[0].terms.taxes
    due: dict[str, Decimal] = {}
    for tax in taxes:
        due[tax.jurisdiction] = due.get(tax.jurisdiction, Decimal(0)) + tax.rate
    assert due == {
        "AT": Decimal("0.11"),
        "BE": Decimal("0.0925"),
        "DE": Decimal("0.19"),
        "ES": Decimal("0.08"),
        "FR": Decimal("0.09"),
        "GB": Decimal("0.12"),
        "IE": Decimal("0.05"),
        "IT": Decimal("0.2125"),
        "NL": Decimal("0.21"),
        "PT": Decimal("0.09"),
        "US-NY": Decimal("0.0375"),
    }
