"""Authority: what passes, what does not, and who is named as able to."""

from __future__ import annotations

import pytest

from robosure.kernel.authority import Authority
from robosure.kernel.errors import Forbidden, Invalid
from robosure.kernel.money import Money


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


AUTHORITY = Authority(
    limit=eur("100.00"),
    by_role={
        "clerk": eur("100.00"),
        "admin": eur("5000.00"),
        "adjuster": eur("500.00"),
        "lead": eur("500.00"),
    },
)


@pytest.mark.parametrize("amount", ["0.00", "99.99", "100.00"])
def test_what_is_not_above_the_limit_passes(amount: str) -> None:
    AUTHORITY.check(eur(amount))


def test_a_cent_above_is_refused_with_those_who_may() -> None:
    with pytest.raises(Forbidden) as refused:
        AUTHORITY.check(eur("100.01"))
    assert refused.value.code == "above_authority"
    assert refused.value.details == {
        "amount": eur("100.01"),
        "allowed": eur("100.00"),
        "allowed_minor": 100_00,
        "currency": "EUR",
        "roles": ["adjuster", "lead", "admin"],
    }


def test_only_roles_that_may_approve_as_much_are_named() -> None:
    for amount, roles in (("500.00", 3), ("500.01", 1), ("5000.01", 0)):
        with pytest.raises(Forbidden) as refused:
            AUTHORITY.check(eur(amount))
        assert len(refused.value.details["roles"]) == roles  # type: ignore[arg-type]


def test_an_amount_in_another_currency_is_not_compared() -> None:
    with pytest.raises(Invalid, match="currency mismatch"):
        AUTHORITY.check(Money.of("1.00", "USD"))
