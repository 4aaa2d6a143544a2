"""Authority limits: four eyes, and whose limit counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from robosure.contexts.identity.domain import (
    AuthorityLimit,
    LimitStatus,
    authority_from,
)
from robosure.kernel.authority import Decision
from robosure.kernel.errors import DomainError, Forbidden, Invalid, InvalidState
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
INSURER = uuid7()
PROPOSER = uuid7()


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


def a_limit(amount: str = "5000.00", **given: Any) -> AuthorityLimit:
    holder = {"role": "adjuster", "user_id": None}
    values: dict[str, Any] = {
        "organisation_id": INSURER,
        "decision": Decision.SETTLEMENT,
        "amount": eur(amount),
        "reason": "Grace heads the team.",
        "by": PROPOSER,
        "at": NOON,
    }
    return AuthorityLimit.propose(**(holder | values | given))


def refusal(error: type[DomainError], code: str) -> pytest.RaisesExc[DomainError]:
    return pytest.RaisesExc(error, check=lambda raised: raised.code == code)


def standing(limit: AuthorityLimit) -> LimitStatus:
    """Read the status anew, whatever the type checker knows of it."""
    return limit.status


# --- four eyes ------------------------------------------------------------------------


def test_a_limit_is_proposed_by_one_and_approved_by_another() -> None:
    limit = a_limit()
    assert standing(limit) is LimitStatus.PROPOSED
    other, later = uuid7(), NOON + timedelta(hours=1)
    limit.approve(by=other, roles={"admin"}, at=later)
    assert standing(limit) is LimitStatus.APPROVED
    assert (limit.decided_by, limit.decided_at) == (other, later)


@pytest.mark.parametrize("holder", [{"role": None}, {"user_id": uuid7()}])
def test_a_limit_is_for_a_role_or_for_a_person(holder: dict[str, Any]) -> None:
    with refusal(Invalid, "limit_needs_one_holder"):
        a_limit(**holder)


def test_a_limit_is_not_negative_but_may_be_nothing() -> None:
    with refusal(Invalid, "negative_amount"):
        a_limit("-0.01")
    assert a_limit("0.00").amount == eur("0.00")


def test_nobody_approves_what_they_proposed() -> None:
    limit = a_limit()
    with refusal(Forbidden, "proposer_cannot_approve"):
        limit.approve(by=PROPOSER, roles={"admin"}, at=NOON)
    assert (standing(limit), limit.decided_by) == (LimitStatus.PROPOSED, None)


def test_nobody_decides_on_a_limit_of_their_own_or_of_their_roles() -> None:
    person = uuid7()
    for limit in (a_limit(role=None, user_id=person), a_limit(role="admin")):
        with refusal(Forbidden, "own_limit"):
            limit.approve(by=person, roles={"admin", "support"}, at=NOON)
        with refusal(Forbidden, "own_limit"):
            limit.reject(by=person, roles={"admin", "support"}, at=NOON)
        assert (standing(limit), limit.decided_by) == (LimitStatus.PROPOSED, None)


def test_a_proposal_is_rejected_by_another_or_withdrawn() -> None:
    for by in (uuid7(), PROPOSER):
        limit = a_limit()
        limit.reject(by=by, roles={"admin"}, at=NOON)
        assert standing(limit) is LimitStatus.REJECTED
        assert (limit.decided_by, limit.decided_at) == (by, NOON)


def test_one_may_withdraw_a_proposal_for_oneself() -> None:
    limit = a_limit(role=None, user_id=PROPOSER)
    limit.reject(by=PROPOSER, roles={"admin"}, at=NOON)
    assert standing(limit) is LimitStatus.REJECTED


def test_what_is_decided_stays_decided() -> None:
    approved, rejected, ended = a_limit(), a_limit(), a_limit()
    approved.approve(by=uuid7(), roles=(), at=NOON)
    rejected.reject(by=uuid7(), roles=(), at=NOON)
    ended.approve(by=uuid7(), roles=(), at=NOON)
    ended.end(at=NOON)
    assert (standing(ended), ended.ended_at) == (LimitStatus.ENDED, NOON)
    for limit in (approved, rejected, ended):
        before = standing(limit)
        with refusal(InvalidState, "limit_decided"):
            limit.approve(by=uuid7(), roles=(), at=NOON)
        with refusal(InvalidState, "limit_decided"):
            limit.reject(by=uuid7(), roles=(), at=NOON)
        assert standing(limit) is before


# --- whose limit counts ---------------------------------------------------------------


def authority(
    *limits: AuthorityLimit, roles: set[str], user_id: UUID | None = None
) -> Money:
    return authority_from(
        limits, user_id=user_id or uuid7(), roles=roles, currency="EUR"
    ).limit


def test_without_a_limit_there_is_no_authority() -> None:
    assert authority(roles={"adjuster"}) == eur("0.00")
    assert authority(a_limit(), roles={"support"}) == eur("0.00")


def test_of_ones_roles_the_highest_limit_counts() -> None:
    limits = a_limit("5000.00"), a_limit("700.00", role="support")
    assert authority(*limits, roles={"support"}) == eur("700.00")
    assert authority(*limits, roles={"support", "adjuster", "x"}) == eur("5000.00")


@pytest.mark.parametrize("amount", ["0.00", "100.00", "90000.00"])
def test_ones_own_limit_goes_before_those_of_ones_roles(amount: str) -> None:
    person = uuid7()
    own = a_limit(amount, role=None, user_id=person)
    others = a_limit("1.00", role=None, user_id=uuid7())
    limits = (a_limit(), own, others)
    assert authority(*limits, roles={"adjuster"}, user_id=person) == eur(amount)
    assert authority(*limits, roles={"adjuster"}) == eur("5000.00")


def test_the_roles_that_may_are_known_with_their_limits() -> None:
    limits = (
        a_limit(),
        a_limit("9.00", role="admin"),
        a_limit("8.00", role=None, user_id=uuid7()),
    )
    found = authority_from(limits, user_id=uuid7(), roles=(), currency="EUR")
    assert found.by_role == {"adjuster": eur("5000.00"), "admin": eur("9.00")}


def test_every_insurer_starts_with_limits_that_nobody_proposed() -> None:
    standard = AuthorityLimit.standard(INSURER, at=NOON)
    assert {each.organisation_id for each in standard} == {INSURER}
    assert {each.status for each in standard} == {LimitStatus.APPROVED}
    assert {each.proposed_by for each in standard} == {None}
    in_euros = [each for each in standard if each.amount.currency == "EUR"]
    assert authority(*in_euros, roles={"adjuster"}) == eur("10000.00")
    assert authority(*in_euros, roles={"admin"}) == eur("1000000.00")
    assert authority(*in_euros, roles={"underwriter"}) == eur("0.00")
