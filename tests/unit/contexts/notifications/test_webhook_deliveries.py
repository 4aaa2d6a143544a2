"""Deliveries: the schedule, what answers mean, and what a lost sender leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from robosure.contexts.notifications.domain import (
    Attempt,
    EventType,
    Outcome,
    Result,
    WebhookDelivery,
    WebhookStatus,
)
from robosure.contexts.notifications.domain.webhook import LEASE, LOST
from robosure.kernel.errors import InvalidState
from robosure.kernel.ids import uuid7

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
REFUSED = Result.of_answer(500, "oops", retry_after=None)


def a_delivery(
    event_id: UUID | None = None, endpoint_id: UUID | None = None
) -> WebhookDelivery:
    return WebhookDelivery.of(
        event_id=event_id or uuid7(),
        endpoint_id=endpoint_id or uuid7(),
        organisation_id=uuid7(),
        event_type=EventType.CLAIM_PAID,
        occurred_at=NOON,
        body="{}",
        at=NOON,
    )


def test_one_fact_has_one_id_for_one_endpoint() -> None:
    fact, endpoint = uuid7(), uuid7()
    first = a_delivery(fact, endpoint).message_id
    assert a_delivery(fact, endpoint).message_id == first
    assert a_delivery(fact).message_id != first
    assert a_delivery(endpoint_id=endpoint).message_id != first
    assert first.startswith("msg_")
    assert "." not in first  # it would end the id in what is signed


def test_a_delivery_that_keeps_failing_is_tried_ten_times_over_three_days() -> None:
    # given a receiver that never takes it
    delivery, now, waits = a_delivery(), NOON, list[timedelta | None]()
    for _ in range(10):
        # when it is tried whenever it is due
        assert delivery.claim(at=now) is None
        delivery.ended(REFUSED, at=now, jitter=0)
        due = delivery.next_attempt_at
        waits.append(due - now if due else None)
        now = due or now
    # then the waits are those that receivers are told of
    assert waits == [
        timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30),
        timedelta(hours=2), timedelta(hours=5), timedelta(hours=10),
        timedelta(hours=14), timedelta(hours=20), timedelta(hours=24), None,
    ]  # fmt: skip
    # and it has failed
    assert (delivery.status, delivery.attempts) == (WebhookStatus.FAILED, 10)
    assert delivery.error == "answered 500"
    with pytest.raises(InvalidState, match="webhook not due"):
        delivery.claim(at=now + timedelta(days=9))


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 5.0), (0.5, 5.5), (1.0, 6.0)])
def test_jitter_makes_a_wait_longer_and_never_shorter(
    jitter: float, wait: float
) -> None:
    delivery = a_delivery()
    delivery.claim(at=NOON)
    delivery.ended(REFUSED, at=NOON, jitter=jitter)
    assert delivery.next_attempt_at == NOON + timedelta(seconds=wait)


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (timedelta(seconds=1), timedelta(seconds=5)),
        (timedelta(minutes=7), timedelta(minutes=7)),
        (timedelta(days=400), timedelta(hours=24)),
    ],
)
def test_a_receiver_may_ask_for_more_time_within_reason(
    asked: timedelta, waited: timedelta
) -> None:
    delivery = a_delivery()
    delivery.claim(at=NOON)
    delivery.ended(Result.of_answer(429, "", retry_after=asked), at=NOON, jitter=0)
    assert delivery.next_attempt_at == NOON + waited


@pytest.mark.parametrize(
    ("status", "outcome", "error"),
    [
        (200, Outcome.DELIVERED, None),
        (204, Outcome.DELIVERED, None),
        (302, Outcome.REFUSED, "answered 302; redirects are not followed"),
        (400, Outcome.REFUSED, "answered 400"),
        (410, Outcome.GONE, "answered 410"),
        (503, Outcome.REFUSED, "answered 503"),
    ],
)
def test_the_status_decides(status: int, outcome: Outcome, error: str | None) -> None:
    result = Result.of_answer(status, "said", retry_after=None)
    assert (result.outcome, result.error) == (outcome, error)
    assert (result.status, result.answer) == (status, "said")


def test_what_was_delivered_is_done() -> None:
    # given a delivery that failed once
    delivery = a_delivery()
    delivery.claim(at=NOON)
    delivery.ended(REFUSED, at=NOON, jitter=0)
    later = NOON + timedelta(seconds=5)
    delivery.claim(at=later)
    # when it is taken
    delivery.ended(Result.of_answer(200, "", retry_after=None), at=later, jitter=0)
    # then there is nothing left to do, and no trouble left to tell
    assert delivery.status is WebhookStatus.DELIVERED
    assert (delivery.delivered_at, delivery.next_attempt_at) == (later, None)
    assert (delivery.attempts, delivery.error) == (2, None)


def test_gone_is_the_end() -> None:
    delivery = a_delivery()
    delivery.claim(at=NOON)
    delivery.ended(Result.of_answer(410, "", retry_after=None), at=NOON, jitter=0)
    assert (delivery.status, delivery.next_attempt_at) == (WebhookStatus.FAILED, None)


def test_a_sender_that_died_costs_no_attempt() -> None:
    # given a delivery whose sender died
    delivery = a_delivery()
    delivery.claim(at=NOON)
    # when it is too early, and when its lease is over
    with pytest.raises(InvalidState, match="webhook not due"):
        delivery.claim(at=NOON + LEASE - timedelta(seconds=1))
    lost = delivery.claim(at=NOON + LEASE)
    # then it is sent again as the same attempt, and the lost one is told
    assert lost == Attempt(delivery.id, 1, NOON, None, LOST)
    assert (delivery.status, delivery.attempts) == (WebhookStatus.SENDING, 1)
    # and only who holds it now may say how it ended
    assert not delivery.is_claimed(since=NOON)
    assert delivery.is_claimed(since=NOON + LEASE)


def test_what_could_not_be_sent_by_our_own_fault_costs_no_attempt() -> None:
    # given a delivery that is claimed, and cannot be signed
    delivery = a_delivery()
    delivery.claim(at=NOON)
    # when it is put back
    delivery.put_back(at=NOON)
    # then it waits for its first attempt, for a while
    assert (delivery.status, delivery.attempts) == (WebhookStatus.PENDING, 0)
    assert delivery.next_attempt_at == NOON + LEASE


def test_asked_for_again_it_begins_the_schedule_anew() -> None:
    # given a delivery that has failed
    delivery, now = a_delivery(), NOON
    for _ in range(10):
        delivery.claim(at=now)
        delivery.ended(REFUSED, at=now, jitter=0)
        now = delivery.next_attempt_at or now
    # when somebody asks for it
    delivery.ask_again(at=now)
    delivery.claim(at=now)
    delivery.ended(REFUSED, at=now, jitter=0)
    # then it is tried as if it were new; the log goes on counting
    assert delivery.next_attempt_at == now + timedelta(seconds=5)
    assert delivery.attempts == 11


def test_what_is_being_sent_is_not_asked_for_again() -> None:
    delivery = a_delivery()
    delivery.claim(at=NOON)
    with pytest.raises(InvalidState, match="webhook being sent"):
        delivery.ask_again(at=NOON)
    assert delivery.status is WebhookStatus.SENDING
