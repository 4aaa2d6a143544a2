from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from robosure.contexts.notifications.domain import (
    PATIENCE,
    REPEAT_AFTER,
    Channel,
    Content,
    Delivery,
    DeliveryStatus,
    Occasion,
    Recipient,
    Template,
)
from robosure.kernel.errors import InvalidState
from robosure.kernel.ids import uuid7

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CONTENT = Content("Your policy", "Dear Acme", "<p>Dear Acme</p>")
ACME = Recipient(UUID(int=7), "Acme", "fleet@acme.example")


def an_occasion(event_id: UUID | None = None) -> Occasion:
    return Occasion(
        event_id=event_id or uuid7(),
        template=Template.POLICY_BOUND,
        reference="POL-2026-000001",
        insurer_id=uuid7(),
        holder_id=ACME.organisation_id,
    )


def an_email() -> Delivery:
    return Delivery.by_email(an_occasion(), ACME, CONTENT, at=NOON)


def test_an_email_waits_to_be_sent() -> None:
    occasion = an_occasion()
    delivery = Delivery.by_email(occasion, ACME, CONTENT, at=NOON)
    assert delivery.channel is Channel.EMAIL
    assert delivery.recipient == "fleet@acme.example"
    assert delivery.status is DeliveryStatus.PENDING
    assert delivery.next_attempt_at == NOON
    assert (delivery.event_id, delivery.reference) == (
        occasion.event_id,
        "POL-2026-000001",
    )


def test_a_message_in_the_app_is_there_at_once() -> None:
    delivery = Delivery.in_app(an_occasion(), ACME, CONTENT, at=NOON)
    assert delivery.channel is Channel.IN_APP
    assert delivery.recipient == str(ACME.organisation_id)
    assert delivery.status is DeliveryStatus.SENT
    assert delivery.sent_at == NOON
    assert delivery.next_attempt_at is None


def test_the_same_fact_recipient_and_channel_have_the_same_message_id() -> None:
    # given one fact
    occasion = an_occasion()
    # when it is told by e-mail twice, in the app, and to another
    told = Delivery.by_email(occasion, ACME, CONTENT, at=NOON).message_id
    again = Delivery.by_email(occasion, ACME, CONTENT, at=NOON).message_id
    in_app = Delivery.in_app(occasion, ACME, CONTENT, at=NOON).message_id
    other = Delivery.by_email(
        occasion, Recipient(uuid7(), "B", "b@b.example"), CONTENT, at=NOON
    ).message_id
    # then only the repetition shares its id
    assert told == again
    assert len({told, in_app, other}) == 3


def test_a_claimed_delivery_is_nobody_elses() -> None:
    delivery = an_email()
    delivery.claim(at=NOON, repeatable=False)
    assert delivery.status is DeliveryStatus.SENDING
    assert delivery.attempts == 1
    with pytest.raises(InvalidState, match="delivery not due"):
        delivery.claim(at=NOON + PATIENCE - timedelta(seconds=1), repeatable=False)
    assert delivery.attempts == 1


def test_an_accepted_delivery_is_done() -> None:
    delivery = an_email()
    delivery.claim(at=NOON, repeatable=False)
    delivery.accepted(at=NOON)
    assert delivery.status is DeliveryStatus.SENT
    assert delivery.sent_at == NOON
    with pytest.raises(InvalidState, match="delivery not due"):
        delivery.claim(at=NOON + timedelta(days=9), repeatable=True)


def test_a_postponed_delivery_is_tried_six_times_in_all() -> None:
    # given a server that has no time
    delivery, now, waits = an_email(), NOON, list[timedelta | None]()
    for _ in range(6):
        # when it is tried whenever it is due
        delivery.claim(at=now, repeatable=False)
        delivery.postponed("451 try later", at=now)
        due = delivery.next_attempt_at
        waits.append(due - now if due else None)
        now = due or now
    # then the waits grow, and in the end it has failed
    assert waits == [
        timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30),
        timedelta(hours=2), timedelta(hours=12), None,
    ]  # fmt: skip
    assert delivery.status is DeliveryStatus.FAILED
    assert delivery.error == "451 try later"


def test_a_success_forgets_the_earlier_trouble() -> None:
    delivery = an_email()
    delivery.claim(at=NOON, repeatable=False)
    delivery.postponed("451 try later", at=NOON)
    later = NOON + timedelta(minutes=1)
    delivery.claim(at=later, repeatable=False)
    delivery.accepted(at=later)
    assert delivery.error is None
    assert delivery.attempts == 2


def test_a_delivery_whose_end_nobody_knows_is_never_sent_again() -> None:
    # given a delivery that was being sent when its process died
    delivery = an_email()
    delivery.claim(at=NOON, repeatable=False)
    # when its time is up
    delivery.claim(at=NOON + PATIENCE, repeatable=False)
    # then it is left to a person
    assert delivery.status is DeliveryStatus.UNCERTAIN
    assert delivery.next_attempt_at is None
    assert delivery.attempts == 1


def test_where_sending_again_is_harmless_it_is_sent_again_soon() -> None:
    # given a delivery whose end nobody knows, over a channel that knows repetitions
    delivery = an_email()
    delivery.claim(at=NOON, repeatable=True)
    # when a minute has passed
    delivery.claim(at=NOON + REPEAT_AFTER, repeatable=True)
    # then it is being sent again
    assert delivery.status is DeliveryStatus.SENDING
    assert delivery.attempts == 2


def test_a_refused_delivery_has_failed_for_good() -> None:
    delivery = an_email()
    delivery.claim(at=NOON, repeatable=False)
    delivery.refused("550 no such user")
    assert delivery.status is DeliveryStatus.FAILED
    assert delivery.next_attempt_at is None
    assert delivery.error == "550 no such user"
