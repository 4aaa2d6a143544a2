"""Money as integer minor units of an ISO 4217 currency; never a float.

Exact intermediate results are :class:`fractions.Fraction` counts of minor units
(:attr:`Money.exact`). They become money again in one place, :meth:`Money.rounded`,
half-up and once, at the end of a calculation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Final

from robosure.kernel.errors import Invalid

_MINOR_DIGITS: Final = {
    # ISO 4217 table A.1: currencies whose minor unit is not 1/100.
    "BHD": 3, "BIF": 0, "CLF": 4, "CLP": 0, "DJF": 0, "GNF": 0, "IQD": 3, "ISK": 0,
    "JOD": 3, "JPY": 0, "KMF": 0, "KRW": 0, "KWD": 3, "LYD": 3, "OMR": 3, "PYG": 0,
    "RWF": 0, "TND": 3, "UGX": 0, "UYI": 0, "UYW": 4, "VND": 0, "VUV": 0, "XAF": 0,
    "XOF": 0, "XPF": 0,
}  # fmt: skip
_CURRENCY_CODE: Final = re.compile(r"[A-Z]{3}")


def minor_digits(currency: str) -> int:
    """Return how many decimal digits the currency's minor unit has (EUR 2, JPY 0)."""
    return _MINOR_DIGITS.get(currency, 2)


def round_half_up(exact: Fraction) -> int:
    """Round to the nearest integer, halves away from zero."""
    magnitude = floor(abs(exact) + Fraction(1, 2))
    return magnitude if exact >= 0 else -magnitude


@dataclass(frozen=True, order=False)
class Money:
    """An amount in minor units (cents) of one currency.

    Attributes:
        minor: signed count of minor units; 12345 is 123.45 EUR or 12345 JPY.
        currency: ISO 4217 alphabetic code, upper case.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is not a currency code."""
        if not _CURRENCY_CODE.fullmatch(self.currency):
            raise Invalid("invalid_currency", currency=self.currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return nothing, in that currency."""
        return cls(0, currency)

    @classmethod
    def of(cls, amount: str | int | Decimal, currency: str) -> Money:
        """Build from major units: ``Money.of("12.34", "EUR")``.

        Raises:
            Invalid: the amount is no number, or has more digits than the currency's
                minor unit.
        """
        try:
            exact = Fraction(Decimal(amount)) * 10 ** minor_digits(currency)
        except (ArithmeticError, ValueError) as error:
            raise Invalid("invalid_amount", amount=str(amount)) from error
        if exact.denominator != 1:
            raise Invalid("too_many_digits", amount=str(amount), currency=currency)
        return cls(exact.numerator, currency)

    @classmethod
    def rounded(cls, minor_units: Fraction, currency: str) -> Money:
        """Round an exact count of minor units half-up; the one place that rounds."""
        return cls(round_half_up(minor_units), currency)

    @property
    def exact(self) -> Fraction:
        """The count of minor units, for exact arithmetic."""
        return Fraction(self.minor)

    @property
    def major(self) -> Decimal:
        """The amount in major units: 123.45."""
        return Decimal(self.minor).scaleb(-minor_digits(self.currency))

    def times(self, factor: Decimal | Fraction | int) -> Money:
        """Multiply and round half-up to the minor unit."""
        return Money.rounded(self.exact * Fraction(factor), self.currency)

    def split(self, parts: int) -> list[Money]:
        """Split evenly; the parts sum exactly and the larger ones come first.

        Raises:
            Invalid: fewer than one part.
        """
        if parts < 1:
            raise Invalid("split_needs_parts", parts=parts)
        return self.allocate([1] * parts)

    def allocate(self, weights: Sequence[int | Decimal | Fraction]) -> list[Money]:
        """Share out by weight with the largest remainder; the shares sum exactly.

        Raises:
            Invalid: a weight is negative, or they sum to nothing.
        """
        exact_weights = [Fraction(weight) for weight in weights]
        total = sum(exact_weights, Fraction(0))
        if total <= 0 or min(exact_weights) < 0:
            raise Invalid("invalid_weights", weights=[str(w) for w in weights])
        magnitude = abs(self.minor)
        quotas = [magnitude * weight / total for weight in exact_weights]
        shares = [floor(quota) for quota in quotas]
        by_remainder = sorted(
            range(len(quotas)), key=lambda i: (shares[i] - quotas[i], i)
        )
        for index in by_remainder[: magnitude - sum(shares)]:
            shares[index] += 1
        sign = 1 if self.minor >= 0 else -1
        return [Money(sign * share, self.currency) for share in shares]

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.minor), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def __str__(self) -> str:
        digits = minor_digits(self.currency)
        return f"{self.major:,.{digits}f} {self.currency}"

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise Invalid("currency_mismatch", left=self.currency, right=other.currency)
        return other.minor


def total(amounts: Iterable[Money], currency: str) -> Money:
    """Sum amounts of one currency; nothing sums to zero."""
    result = Money.zero(currency)
    for amount in amounts:
        result += amount
    return result
