"""What a loss pays: value, deductible and coinsurance, then the limits, in order.

The order is the field's: value the loss, then coinsurance and deductible in the order
the form says (the deductible first where it is silent), then the sub-limit, the
occurrence limit, and what is left of the aggregate. Every step works on exact
fractions; the amount is rounded once, half-up, at the end. A step's figures are shown
to the minor unit, and the next step goes on from the exact one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final

from robosure.kernel.errors import Invalid
from robosure.kernel.money import Money, total

_ZERO: Final = Fraction(0)
_WHOLE: Final = Fraction(1)


class ValuationBasis(StrEnum):
    """How a loss is valued."""

    REPLACEMENT_COST = "replacement_cost"
    ACTUAL_CASH_VALUE = "actual_cash_value"


class DeductibleOrder(StrEnum):
    """Whether the deductible comes off before or after coinsurance."""

    FIRST = "deductible_first"
    LAST = "deductible_last"


@dataclass(frozen=True)
class LossValuation:
    """What was lost, in money.

    Attributes:
        basis: what ``value`` is.
        value: the loss on that basis.
        actual_cash_value: replacement cost less depreciation, where the basis is
            replacement cost: the form pays at least this, less the deductible.
    """

    basis: ValuationBasis
    value: Money
    actual_cash_value: Money | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be the value of a loss."""
        refuse_negative(loss_value=self.value)
        if self.actual_cash_value is None:
            return
        refuse_negative(actual_cash_value=self.actual_cash_value)
        if self.basis is ValuationBasis.ACTUAL_CASH_VALUE:
            raise Invalid("actual_cash_value_given_twice")
        if self.actual_cash_value > self.value:
            raise Invalid(
                "actual_cash_value_above_replacement_cost",
                actual_cash_value=str(self.actual_cash_value),
                replacement_cost=str(self.value),
            )


@dataclass(frozen=True)
class Coinsurance:
    """A clause that asks for cover of at least a share of what the property is worth.

    Attributes:
        clause: the share to be carried, 0.80 for 80 %.
        value_at_risk: what the property was worth on the day of the incident.
        carried: what it is insured for.
    """

    clause: Decimal
    value_at_risk: Money
    carried: Money

    def __post_init__(self) -> None:
        """Refuse a clause that asks for nothing, or for more than the whole."""
        if not 0 < self.clause <= 1:
            raise Invalid("invalid_coinsurance_clause", clause=str(self.clause))
        if self.value_at_risk.minor <= 0:
            raise Invalid("value_at_risk_not_positive", value=str(self.value_at_risk))
        refuse_negative(carried=self.carried)

    @property
    def required(self) -> Fraction:
        """What should have been carried, in exact minor units."""
        return self.value_at_risk.exact * Fraction(self.clause)

    @property
    def share(self) -> Fraction:
        """The part of a loss that is borne: carried over required, at most 1."""
        return min(_WHOLE, self.carried.exact / self.required)


@dataclass(frozen=True, kw_only=True)
class SettlementTerms:
    """What the cover says about a loss.

    Attributes:
        deductible: per occurrence.
        limit: per occurrence.
        aggregate_remaining: what is left of the aggregate of the term.
        coinsurance: where the form has such a clause.
        deductible_order: before coinsurance where the form is silent.
        sub_limit: a lower limit for what was damaged, where the form has one.
    """

    deductible: Money
    limit: Money
    aggregate_remaining: Money
    coinsurance: Coinsurance | None = None
    deductible_order: DeductibleOrder = DeductibleOrder.FIRST
    sub_limit: Money | None = None

    def __post_init__(self) -> None:
        """Refuse amounts below nothing."""
        refuse_negative(
            deductible=self.deductible,
            limit=self.limit,
            aggregate_remaining=self.aggregate_remaining,
            sub_limit=self.sub_limit,
        )


@dataclass(frozen=True)
class SettlementStep:
    """One step of the calculation, to the minor unit, for people to follow."""

    name: str
    before: Money
    after: Money
    explanation: str


@dataclass(frozen=True)
class Settlement:
    """What is paid for a loss, and every step that led there."""

    amount: Money
    steps: tuple[SettlementStep, ...]


def settle(loss: LossValuation, terms: SettlementTerms) -> Settlement:
    """Work out what a loss pays.

    The result is never negative, never above any limit, and never falls when the loss
    rises.

    Raises:
        Invalid: ``currency_mismatch``, the amounts are not all of one currency.
    """
    _refuse_mixed_currencies(loss, terms)
    working = _Working(terms.limit.currency, loss.value.exact)
    working.step(
        "loss_value", working.exact, f"valued at {loss.basis.replace('_', ' ')}"
    )
    if terms.deductible_order is DeductibleOrder.FIRST:
        _deduct(working, terms.deductible)
        _coinsure(working, terms.coinsurance)
    else:
        _coinsure(working, terms.coinsurance)
        _deduct(working, terms.deductible)
    _pay_at_least_cash_value(working, loss.actual_cash_value, terms.deductible)
    _limit(working, "sub_limit", "the sub-limit", terms.sub_limit)
    _limit(working, "occurrence_limit", "the limit per occurrence", terms.limit)
    _limit(
        working,
        "aggregate_limit",
        "what is left of the aggregate",
        terms.aggregate_remaining,
    )
    return Settlement(working.rounded, tuple(working.steps))


def refuse_negative(**amounts: Money | None) -> None:
    """Refuse amounts below nothing, by the name of the first one.

    Raises:
        Invalid: ``negative_amount``.
    """
    for name, amount in amounts.items():
        if amount is not None and amount.minor < 0:
            raise Invalid("negative_amount", field=name, amount=str(amount))


@dataclass
class _Working:
    currency: str
    exact: Fraction
    steps: list[SettlementStep] = field(default_factory=list[SettlementStep])

    @property
    def rounded(self) -> Money:
        return Money.rounded(self.exact, self.currency)

    def step(self, name: str, after: Fraction, explanation: str) -> None:
        before = self.rounded
        self.exact = after
        self.steps.append(SettlementStep(name, before, self.rounded, explanation))


def _deduct(working: _Working, deductible: Money) -> None:
    after = max(_ZERO, working.exact - deductible.exact)
    working.step("deductible", after, f"less the deductible of {deductible}")


def _coinsure(working: _Working, coinsurance: Coinsurance | None) -> None:
    if coinsurance is None:
        return
    required = Money.rounded(coinsurance.required, working.currency)
    working.step(
        "coinsurance",
        working.exact * coinsurance.share,
        f"{coinsurance.carried} carried against {required} required: "
        f"{coinsurance.share} of the loss is borne",
    )


def _pay_at_least_cash_value(
    working: _Working, cash_value: Money | None, deductible: Money
) -> None:
    if cash_value is None:
        return
    floor = max(_ZERO, cash_value.exact - deductible.exact)
    working.step(
        "actual_cash_value",
        max(working.exact, floor),
        f"at least the actual cash value of {cash_value} less the deductible",
    )


def _limit(working: _Working, name: str, words: str, limit: Money | None) -> None:
    if limit is None:
        return
    within = working.exact <= limit.exact
    explanation = f"{'within' if within else 'bounded by'} {words}, {limit}"
    working.step(name, min(working.exact, limit.exact), explanation)


def _refuse_mixed_currencies(loss: LossValuation, terms: SettlementTerms) -> None:
    amounts = [loss.value, terms.deductible, terms.aggregate_remaining]
    amounts += [a for a in (loss.actual_cash_value, terms.sub_limit) if a is not None]
    if terms.coinsurance is not None:
        amounts += [terms.coinsurance.value_at_risk, terms.coinsurance.carried]
    total(amounts, terms.limit.currency)
