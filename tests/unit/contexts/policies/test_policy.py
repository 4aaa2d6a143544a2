from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from robosure.contexts.policies.domain.policy import (
    Segment,
    Transaction,
    TransactionKind,
)
from robosure.kernel.errors import Invalid
from robosure.kernel.time import Term
from tests.unit.contexts.policies.factories import (
    NOON,
    YEAR,
    a_quote,
    bound,
    eur,
)


def test_a_policy_begins_with_new_business_for_the_whole_term() -> None:
    policy = bound(a_quote())
    [first] = policy.transactions
    assert (first.sequence, first.kind) == (1, TransactionKind.NEW_BUSINESS)
    assert (first.effective_on, first.issued_at) == (YEAR.inception, NOON)
    assert (first.premium, first.tax) == (eur("529.00"), eur("100.51"))
    assert first.segments == (
        Segment(YEAR, policy.robots, policy.coverages, eur("529.00")),
    )
    assert policy.total == eur("629.51")


@pytest.mark.parametrize(
    ("day", "in_force"),
    [
        (date(2026, 3, 2), False),
        (date(2026, 3, 3), True),
        (date(2027, 3, 2), True),
        (date(2027, 3, 3), False),
    ],
)
def test_cover_is_from_inception_to_the_day_before_expiry(
    day: date, in_force: bool
) -> None:
    assert bound(a_quote()).in_force_on(day) is in_force


def test_what_was_known_is_what_had_been_issued_by_then() -> None:
    # given a policy whose stack says since a day after binding that it ends in June
    policy = bound(a_quote())
    first = policy.transactions[0]
    shortened = Segment(
        Term(YEAR.inception, date(2026, 6, 1), YEAR.time_zone),
        policy.robots,
        policy.coverages,
        eur("130.00"),
    )
    policy.transactions.append(
        Transaction(
            sequence=2,
            kind=TransactionKind.CANCELLATION,
            effective_on=date(2026, 6, 1),
            issued_at=NOON + timedelta(days=1),
            premium=eur("-399.00"),
            tax=eur("-75.81"),
            segments=(shortened,),
        )
    )
    # then what is known depends on when one asks
    assert policy.as_known_at(NOON - timedelta(seconds=1)) == ()
    assert policy.as_known_at(NOON) == first.segments
    assert policy.as_known_at(NOON + timedelta(days=1)) == (shortened,)
    # and cover is what the latest transaction says
    assert policy.effective_on(date(2026, 5, 31)) == shortened
    assert not policy.in_force_on(date(2026, 6, 1))


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(Invalid, match="naive datetime"):
        bound(a_quote()).as_known_at(datetime(2026, 3, 2))  # noqa: DTZ001 - the point
