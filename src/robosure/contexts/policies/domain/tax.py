"""Taxes and levies on premium, taken on the exact premium and not on a rounded one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from robosure.contexts.catalog.events import TaxRule
from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money


@dataclass(frozen=True)
class TaxLine:
    """One tax on a premium; ``rate`` is 0.12 for 12 %."""

    name: str
    rate: Decimal
    amount: Money


@dataclass(frozen=True)
class TaxedPremium:
    """A premium, its taxes and their total, which reconcile to the minor unit."""

    premium: Money
    lines: tuple[TaxLine, ...]
    tax: Money
    total: Money


def rules_for(jurisdiction: str, rules: Sequence[TaxRule]) -> tuple[TaxRule, ...]:
    """Return the rules of a jurisdiction.

    Raises:
        Invalid: it has none, not even one of 0 %; the product is not sold there.
    """
    found = tuple(rule for rule in rules if rule.jurisdiction == jurisdiction)
    if not found:
        raise Invalid("jurisdiction_not_offered", jurisdiction=jurisdiction)
    return found


def with_tax(
    premium: Fraction, rules: Sequence[TaxRule], currency: str
) -> TaxedPremium:
    """Add tax to an exact premium.

    Premium and total are each their exact amount rounded half-up. Tax is what lies
    between them, shared among the rules by rate, so that nothing drifts.

    Args:
        premium: exact count of minor units, before tax.
        rules: what is taken on it.
        currency: of all the amounts.
    """
    rates = [rule.rate for rule in rules]
    rate = Fraction(sum(rates, Decimal(0)))
    net = Money.rounded(premium, currency)
    total = Money.rounded(premium * (1 + rate), currency)
    tax = total - net
    amounts = tax.allocate(rates) if rate else [tax] * len(rates)
    lines = tuple(
        TaxLine(rule.name, rule.rate, amount)
        for rule, amount in zip(rules, amounts, strict=True)
    )
    return TaxedPremium(net, lines, tax, total)


def tax_in(gross: Money, rate: Decimal) -> Money:
    """Return the tax that a gross amount contains: rate / (1 + rate) of it.

    At the UK's standard 12 % that is 3/28 (HMRC, Notice IPT1, section 8).
    """
    exact_rate = Fraction(rate)
    return Money.rounded(gross.exact * exact_rate / (1 + exact_rate), gross.currency)
