"""What instalments and payouts share: asking once, and hearing an answer twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from robosure.contexts.payments.domain import PATIENCE, Movement, Outcome, Status
from robosure.kernel.errors import InvalidState, NotFound
from tests.unit.contexts.payments.factories import (
    NOON,
    a_payout,
    an_instalment,
    declined,
)

both = pytest.mark.parametrize("make", [an_instalment, a_payout])
Make = Callable[[], Movement]


@both
def test_asking_says_so_under_a_reference_of_its_own(make: Make) -> None:
    movement = make()
    order = movement.ask(at=NOON)
    assert order.reference == f"{movement.id}:1"
    assert order.amount == movement.amount
    assert order.method == "tok_ok"
    assert not order.asked_before
    assert movement.status is movement.asking
    assert movement.next_attempt_at == NOON + PATIENCE


@both
def test_nobody_else_asks_while_an_answer_may_still_come(make: Make) -> None:
    movement = make()
    movement.ask(at=NOON)
    with pytest.raises(InvalidState, match="movement not due"):
        movement.ask(at=NOON + PATIENCE - timedelta(seconds=1))
    assert movement.attempts == 1


@both
def test_without_an_answer_the_same_reference_is_asked_again(make: Make) -> None:
    movement = make()
    first = movement.ask(at=NOON)
    again = movement.ask(at=NOON + PATIENCE)
    assert again.reference == first.reference
    assert again.asked_before
    assert movement.next_attempt_at == NOON + 2 * PATIENCE


@both
def test_an_outcome_that_arrives_twice_has_one_effect(make: Make) -> None:
    movement = make()
    outcome = Outcome(movement.ask(at=NOON).reference)
    assert movement.record_outcome(outcome, at=NOON) is not None
    assert movement.record_outcome(outcome, at=NOON + PATIENCE) is None
    assert movement.paid_at == NOON
    assert len(movement.pending_events) == 1


@both
def test_a_refusal_that_arrives_twice_is_one_failure(make: Make) -> None:
    movement = make()
    outcome = declined(movement.ask(at=NOON).reference)
    movement.record_outcome(outcome, at=NOON)
    movement.record_outcome(outcome, at=NOON + PATIENCE)
    assert movement.status is Status.FAILED
    assert len(movement.pending_events) == 1


@both
@pytest.mark.parametrize("paid_first", [True, False])
def test_an_outcome_that_contradicts_another_changes_nothing(
    make: Make, paid_first: bool
) -> None:
    # given a recorded outcome
    movement = make()
    reference = movement.ask(at=NOON).reference
    outcomes = [Outcome(reference), declined(reference)]
    first, second = outcomes if paid_first else reversed(outcomes)
    movement.record_outcome(first, at=NOON)
    status = movement.status
    # when the processor says the opposite of the same reference
    with pytest.raises(InvalidState, match="contradicting outcome"):
        movement.record_outcome(second, at=NOON)
    # then nothing moves
    assert movement.status is status
    assert len(movement.pending_events) == 1


def test_an_earlier_attempt_stays_declined_while_another_is_under_way() -> None:
    # given a second attempt after a refusal
    instalment = an_instalment()
    first = instalment.ask(at=NOON)
    instalment.record_outcome(declined(first.reference), at=NOON)
    instalment.retry(at=NOON)
    instalment.ask(at=NOON)
    # when the first refusal is repeated, and then denied
    assert instalment.record_outcome(declined(first.reference), at=NOON) is None
    with pytest.raises(InvalidState, match="contradicting outcome"):
        instalment.record_outcome(Outcome(first.reference), at=NOON)
    # then the second attempt goes on
    assert instalment.status is Status.CHARGING


@both
def test_an_outcome_of_an_order_never_made_is_unknown(make: Make) -> None:
    movement = make()
    with pytest.raises(NotFound, match="payment order"):
        movement.record_outcome(Outcome(f"{movement.id}:1"), at=NOON)
    movement.ask(at=NOON)
    with pytest.raises(NotFound, match="payment order"):
        movement.record_outcome(Outcome(f"{movement.id}:2"), at=NOON)
    assert movement.status is movement.asking


def test_an_outcome_names_whose_attempt_it_was() -> None:
    instalment = an_instalment()
    assert Outcome(f"{instalment.id}:3").movement_id == instalment.id
    with pytest.raises(NotFound, match="payment order"):
        _ = Outcome("nonsense").movement_id
