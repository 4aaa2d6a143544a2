"""Webhooks over real HTTP: signed, retried, held, given up, and never lost."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from sqlalchemy import delete
from standardwebhooks import Webhook

from robosure.contexts.notifications.domain import EventType
from robosure.contexts.notifications.domain.health import AT_ONCE, HOLD_AFTER
from robosure.contexts.notifications.domain.webhook import LEASE
from robosure.contexts.notifications.jobs import (
    WEBHOOKS_KEPT,
    forget_webhooks,
    send_webhooks,
)
from robosure.contexts.notifications.repository import (
    SqlWebhookDeliveries,
    SqlWebhookEndpoints,
)
from robosure.contexts.notifications.service import WebhookEndpointService
from robosure.contexts.notifications.tables import webhook_endpoints
from robosure.platform.client import HttpClient
from robosure.platform.metrics import summary
from robosure.platform.runtime import Runtime
from robosure.platform.security.vault import FernetVault
from tests.integration.contexts.notifications.conftest import HOLDER, Rows
from tests.integration.contexts.notifications.receiver import (
    Answer,
    Receiver,
    Request,
)
from tests.integration.contexts.notifications.webhooks import World
from tests.support import Delivery, FixedClock
from tests.unit.contexts.payments.factories import NOON

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def world(runtime: Runtime, clock: FixedClock) -> World:
    return World(runtime)


async def test_a_receiver_gets_the_fact_and_can_trust_it(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given an endpoint, and a present in which its receiver believes
    clock.set(datetime.now(UTC))
    _, secret = await world.endpoint(f"{receiver.url}?key=1")
    await world.tell()
    before = summary().get("notifications_webhook_attempts_total{outcome=delivered}", 0)
    # when what is due is sent
    await world.send()
    # then it arrives as it was written down, and its signature is right
    (request,) = receiver.requests
    (delivery,) = await world.deliveries()
    assert request.path == "/in?key=1"
    assert request.body.decode() == delivery.body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "Robosure-Webhooks/1"
    message = Webhook(secret).verify(request.body, request.headers)
    assert message["type"] == "instalment.paid"
    assert message["data"]["policy_number"] == "POL-2026-000042"
    assert request.message_id == delivery.message_id
    # and that is written down, with what the receiver said, and counted
    assert (delivery.status, delivery.attempts) == ("delivered", 1)
    assert (delivery.delivered_at, delivery.next_attempt_at) == (clock.now(), None)
    (attempt,) = await world.attempts()
    assert (attempt.outcome, attempt.status, attempt.answer, attempt.number) == (
        "delivered", 200, "ok", 1,
    )  # fmt: skip
    assert (await world.health()).delivered_at == clock.now()
    counted = summary()["notifications_webhook_attempts_total{outcome=delivered}"]
    assert counted == before + 1


async def test_while_a_secret_rotates_both_sign(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given an endpoint whose secret was rotated
    clock.set(datetime.now(UTC))
    endpoint, old = await world.endpoint(receiver.url)
    async with world.runtime.database.write() as session:
        service = WebhookEndpointService.on(
            session, settings=world.runtime.settings, organisation_id=HOLDER,
            at=clock.now(),
        )  # fmt: skip
        _, _, new = await service.rotate_secret(endpoint.id, end_previous=False)
    # when something is sent
    await world.tell()
    await world.send()
    # then a receiver with either believes it
    (request,) = receiver.requests
    for secret in (old, new):
        Webhook(secret).verify(request.body, request.headers)
    # and a day later only the new one signs
    clock.advance(DAY)
    await world.tell()
    await world.send()
    assert receiver.requests[1].headers["webhook-signature"].count("v1,") == 1


async def test_what_is_refused_is_sent_again_with_the_same_id(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given a receiver that is broken
    await world.endpoint(receiver.url)
    await world.tell()
    receiver.answer = Answer(500, "we broke\x00 something" + "x" * 9_000)
    await world.send()
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.error) == ("pending", "answered 500")
    assert delivery.next_attempt_at == NOON + 5 * SECOND
    # when it is too early, and when five seconds have passed
    clock.advance(4 * SECOND)
    await world.send()
    assert len(receiver.requests) == 1
    clock.advance(SECOND)
    receiver.answer = Answer(204, "")
    await world.send()
    # then it is the same message, signed at another time
    first, second = receiver.requests
    assert first.message_id == second.message_id
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) == NOON.timestamp() + 5
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    # and the log has both, the answer cut off
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.attempts, delivery.error) == (
        "delivered",
        2,
        None,
    )
    refused, delivered = await world.attempts()
    assert (refused.outcome, refused.status) == ("refused", 500)
    assert refused.answer.startswith("we broke\ufffd something")
    assert len(refused.answer.encode()) <= 4_100
    assert (delivered.outcome, delivered.status, delivered.number) == (
        "delivered", 204, 2,
    )  # fmt: skip


async def test_after_ten_attempts_it_has_failed(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given a receiver that takes nothing, and whose holds are over when it is time
    await world.endpoint(receiver.url)
    await world.tell()
    receiver.answer = Answer(500)
    for _ in range(9):
        await world.send()
        (delivery,) = await world.deliveries()
        clock.set(delivery.next_attempt_at)
    await world.send()
    # then it was sent ten times over three days, and that was all
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.attempts) == ("failed", 10)
    waited = clock.now() - NOON
    assert waited == timedelta(hours=75, minutes=35, seconds=5)
    clock.advance(30 * DAY)
    await world.send()
    assert len(receiver.requests) == 10


@pytest.mark.parametrize("written", ["seconds", "date"])
async def test_a_receiver_that_asks_for_time_is_left_alone(
    world: World, receiver: Receiver, clock: FixedClock, written: str
) -> None:
    # given a receiver that wants to be left alone for twenty minutes
    asked = "1200" if written == "seconds" else format_datetime(NOON + 20 * MINUTE)
    await world.endpoint(receiver.url)
    await world.tell()
    receiver.answer = Answer(429, headers={"Retry-After": asked})
    await world.send()
    receiver.answer = Answer()
    # when there is more for it
    await world.tell()
    clock.advance(20 * MINUTE - SECOND)
    await world.send()
    # then it hears of nothing until its time is over
    assert len(receiver.requests) == 1
    clock.advance(SECOND)
    await world.send()
    assert {row.status for row in await world.deliveries()} == {"delivered"}


@pytest.mark.parametrize("asked", ["soon", "Mon, 02 Mar 2026 13:00:00 -0000", "-5"])
async def test_a_wish_that_makes_no_sense_is_passed_over(
    world: World, receiver: Receiver, asked: str
) -> None:
    await world.endpoint(receiver.url)
    await world.tell()
    receiver.answer = Answer(503, headers={"Retry-After": asked})
    await world.send()
    (delivery,) = await world.deliveries()
    assert delivery.next_attempt_at == NOON + 5 * SECOND
    assert (await world.health()).held_until is None


async def test_an_endpoint_that_keeps_failing_is_probed_and_others_are_served(
    world: World, receiver: Receiver, other_receiver: Receiver, clock: FixedClock
) -> None:
    # given a broken endpoint with much to take, and one that works
    await world.endpoint(receiver.url)
    await world.endpoint(other_receiver.url)
    receiver.answer = Answer(500)
    await world.tell(30)
    # when all is sent that may be
    await world.send()
    # then the broken one was left alone after ten failures, give or take what was
    # under way; the other has everything
    tried = len(receiver.requests)
    assert HOLD_AFTER <= tried < HOLD_AFTER + AT_ONCE
    assert len(other_receiver.requests) == 30
    # and when the hold is over, one is sent to see
    clock.advance(MINUTE)
    await world.send()
    assert len(receiver.requests) == tried + 1
    # and when that one is taken, everything follows
    receiver.answer = Answer()
    clock.advance(2 * MINUTE)
    await world.send()
    waiting = [row for row in await world.deliveries() if row.status != "delivered"]
    assert all(row.next_attempt_at > clock.now() for row in waiting)
    clock.advance(5 * MINUTE)
    await world.send()
    assert {row.status for row in await world.deliveries()} == {"delivered"}


@pytest.mark.usefixtures("acme_registered")
async def test_an_endpoint_that_is_gone_is_disabled_and_its_organisation_told(
    world: World,
    receiver: Receiver,
    deliver: Delivery,
    rows: Rows,
) -> None:
    # given an endpoint that says it is gone, with more to take
    endpoint, _ = await world.endpoint(f"{receiver.url}?token=s3cret")
    receiver.answer = Answer(410)
    await world.tell()
    # when it is sent something, and more happens
    await world.send()
    await world.tell()
    await world.send()
    # then it is sent nothing else, and nothing else is noted for it
    assert len(receiver.requests) == 1
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.error) == ("failed", "answered 410")
    (stored,) = await world.endpoints()
    assert (stored.status, stored.disabled_reason) == ("disabled_by_failures", "gone")
    # and the organisation hears of it by e-mail and in the app, without the secret
    await deliver()
    email, in_app = await rows()
    for row in (email, in_app):
        assert (row.template, row.status) == ("webhook_disabled", "sent")
        assert (row.holder_id, row.insurer_id) == (HOLDER, HOLDER)
        assert row.reference == str(endpoint.id)
        assert row.subject == f"Webhook endpoint disabled: {receiver.url}"
        assert "gone for good (410)" in row.text
        assert "s3cret" not in row.text + row.html + row.subject


@pytest.mark.usefixtures("acme_registered")
async def test_five_days_of_nothing_but_failure_disable_an_endpoint(
    world: World,
    receiver: Receiver,
    clock: FixedClock,
    deliver: Delivery,
    rows: Rows,
) -> None:
    # given an endpoint that has failed for almost five days
    await world.endpoint(receiver.url)
    receiver.answer = Answer(500)
    await world.tell()
    await world.send()
    clock.set(NOON + 5 * DAY - SECOND)
    await world.tell()
    await world.send()
    assert (await world.endpoints())[0].status == "enabled"
    # when it fails once more
    clock.advance(MINUTE)
    await world.send()
    # then it is disabled, what waits stays, and its organisation is told since when
    (stored,) = await world.endpoints()
    assert (stored.status, stored.disabled_reason) == (
        "disabled_by_failures", "failing",
    )  # fmt: skip
    assert {row.status for row in await world.deliveries()} == {"pending"}
    await deliver()
    assert "Since 2 March 2026 it has taken nothing" in (await rows())[0].text


async def test_a_success_begins_the_five_days_anew(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    await world.endpoint(receiver.url)
    await world.tell()
    for answer, later in ((500, 4 * DAY), (200, MINUTE), (500, 2 * DAY), (500, DAY)):
        receiver.answer = Answer(answer)
        await world.tell()
        await world.send()
        clock.advance(later)
    assert (await world.endpoints())[0].status == "enabled"


async def test_a_slow_receiver_holds_up_nobody(
    world: World, receiver: Receiver, other_receiver: Receiver
) -> None:
    # given a receiver that answers only when another has everything
    served = asyncio.Event()

    async def wait(_: Request) -> Answer:
        await served.wait()
        return Answer()

    async def count(_: Request) -> Answer:
        if len(other_receiver.requests) == 20:
            served.set()
        return Answer()

    receiver.behaviour, other_receiver.behaviour = wait, count
    await world.endpoint(receiver.url)
    await world.endpoint(other_receiver.url)
    await world.tell(20)
    # when both are sent the same
    await world.send()
    # then neither waited for ever, and neither had more than its share under way
    assert {row.status for row in await world.deliveries()} == {"delivered"}
    assert receiver.most_at_once == AT_ONCE
    assert other_receiver.most_at_once <= AT_ONCE


async def test_what_happens_meanwhile_is_sent_in_the_same_run(
    world: World, receiver: Receiver, other_receiver: Receiver
) -> None:
    # given a receiver that takes its time, during which something else happens
    arrived, done = asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> Answer:
        arrived.set()
        await done.wait()
        return Answer()

    async def finish(_: Request) -> Answer:
        done.set()
        return Answer()

    receiver.behaviour, other_receiver.behaviour = wait, finish
    await world.endpoint(receiver.url)
    await world.tell()
    run = asyncio.create_task(world.send())
    await arrived.wait()
    # when that is noted for another endpoint
    await world.endpoint(other_receiver.url)
    await world.tell()
    await run
    # then it did not wait for the next run
    assert {row.status for row in await world.deliveries()} == {"delivered"}


async def test_senders_that_race_send_each_once(
    world: World, receiver: Receiver
) -> None:
    await world.endpoint(receiver.url)
    await world.tell(20)
    await asyncio.gather(*(world.send() for _ in range(4)))
    sent = [request.message_id for request in receiver.requests]
    assert len(sent) == len(set(sent)) == 20
    assert {row.status for row in await world.deliveries()} == {"delivered"}


async def test_a_database_that_goes_away_does_not_end_what_is_under_way(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a sender that cannot look for more while a receiver takes its time
    away = asyncio.Event()

    async def wait(_: Request) -> Answer:
        await away.wait()
        return Answer()

    receiver.behaviour = wait
    await world.endpoint(receiver.url)
    await world.tell()
    due = SqlWebhookDeliveries.due
    looked = 0

    async def once(self: SqlWebhookDeliveries, **options: Any) -> Any:
        nonlocal looked
        looked += 1
        if looked > 1:
            away.set()
            raise ConnectionError("the database is away")
        return await due(self, **options)

    monkeypatch.setattr(SqlWebhookDeliveries, "due", once)
    # when it sends
    with pytest.raises(ExceptionGroup):
        await world.send()
    # then what the receiver took is written down
    assert (await world.deliveries())[0].status == "delivered"


async def test_what_could_not_be_written_down_is_sent_again(
    world: World,
    receiver: Receiver,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a database that goes away before the end can be written down
    async def away(*_: object) -> None:
        raise ConnectionError("the database is away")

    await world.endpoint(receiver.url)
    await world.tell()
    with monkeypatch.context() as patched:
        patched.setattr(SqlWebhookEndpoints, "health", away)
        await world.send()
    assert (await world.deliveries())[0].status == "sending"
    # when its lease is over
    clock.advance(LEASE)
    await world.send()
    # then it was sent twice, as the same message
    first, second = receiver.requests
    assert first.message_id == second.message_id
    assert (await world.deliveries())[0].status == "delivered"


_SENDER = """
import asyncio, os
from robosure.contexts.notifications.jobs import send_webhooks
from robosure.platform.runtime import open_runtime
from robosure.platform.settings import Settings

async def main():
    async with open_runtime(Settings(_env_file=None)) as runtime:
        await send_webhooks.run(runtime)

asyncio.run(main())
"""


async def test_a_sender_killed_before_it_could_say_leaves_nothing_unsent(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given a receiver that has taken the message, and has not answered yet
    received = asyncio.Event()

    async def silence(_: Request) -> Answer:
        received.set()
        await asyncio.Event().wait()
        raise AssertionError

    receiver.behaviour = silence
    await world.endpoint(receiver.url)
    await world.tell()
    settings = world.runtime.settings
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SENDER,
        env={
            **os.environ,
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "ROBOSURE_WEBHOOKS_TO_PRIVATE_NETWORKS": "true",
        },
    )  # fmt: skip
    ended = asyncio.create_task(sender.wait())
    arrived = asyncio.create_task(received.wait())
    await asyncio.wait({ended, arrived}, return_when=asyncio.FIRST_COMPLETED)
    assert not ended.done()
    # when the sender is killed
    sender.send_signal(signal.SIGKILL)
    await ended
    (delivery,) = await world.deliveries()
    assert (delivery.status, await world.attempts()) == ("sending", [])
    # then nobody sends it while it may still be under way
    receiver.behaviour = None
    clock.set(delivery.next_attempt_at - SECOND)
    await world.send()
    assert len(receiver.requests) == 1
    # and afterwards it is sent again, as the same message
    clock.advance(SECOND)
    await world.send()
    first, second = receiver.requests
    assert (first.message_id, first.body) == (second.message_id, second.body)
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.attempts) == ("delivered", 1)
    assert [row.outcome for row in await world.attempts()] == ["lost", "delivered"]


async def test_who_was_overtaken_says_nothing_about_the_end(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given a sender that took longer than its lease
    arrived, release = asyncio.Event(), asyncio.Event()

    async def wait_once(_: Request) -> Answer:
        if len(receiver.requests) == 1:
            arrived.set()
            await release.wait()
            return Answer(500)
        return Answer()

    receiver.behaviour = wait_once
    await world.endpoint(receiver.url)
    await world.tell()
    slow = asyncio.create_task(world.send())
    await arrived.wait()
    # when another has delivered it meanwhile
    clock.advance(LEASE)
    await asyncio.wait_for(world.send(), 10)
    release.set()
    await slow
    # then that stands
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.error) == ("delivered", None)
    assert [row.outcome for row in await world.attempts()] == ["lost", "delivered"]
    assert (await world.health()).failures == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_that_is_not_public_is_not_called(
    world: World, receiver: Receiver, host: str
) -> None:
    # given an endpoint whose name leads to this machine
    await world.endpoint(receiver.url.replace("127.0.0.1", host))
    await world.tell()
    # when it is sent as it is unless told otherwise
    await world.sender(private=False).send_due()
    # then nothing was called
    assert receiver.requests == []
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.error) == ("pending", "not a public address")
    assert (await world.attempts())[0].outcome == "address_refused"


async def test_a_redirect_is_not_followed(
    world: World, receiver: Receiver, other_receiver: Receiver
) -> None:
    await world.endpoint(receiver.url)
    await world.tell()
    receiver.answer = Answer(307, headers={"Location": other_receiver.url})
    await world.send()
    assert other_receiver.requests == []
    (delivery,) = await world.deliveries()
    assert delivery.error == "answered 307; redirects are not followed"


async def test_a_receiver_that_does_not_answer_is_not_waited_for(
    world: World, receiver: Receiver
) -> None:
    async def silence(_: Request) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    receiver.behaviour = silence
    await world.endpoint(receiver.url)
    await world.tell()
    settings = world.runtime.settings.model_copy(
        update={"outgoing_timeout_seconds": 0.2}
    )
    async with HttpClient(settings) as http:
        await world.sender(http=http).send_due()
    (attempt,) = await world.attempts()
    assert (attempt.outcome, attempt.status) == ("timed_out", None)


async def test_without_the_key_to_its_secret_it_waits_and_costs_nothing(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given a process with another key
    await world.endpoint(receiver.url)
    await world.tell()
    # when it is to send
    await world.sender(vault=FernetVault(["another"])).send_due()
    # then nothing was sent, and nobody is to blame
    assert receiver.requests == []
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.attempts) == ("pending", 0)
    assert (await world.health()).failures == 0
    # and with the key it is sent a minute later
    clock.advance(MINUTE)
    await world.send()
    assert len(receiver.requests) == 1


async def test_where_nobody_listens_it_is_tried_later(
    world: World, receiver: Receiver
) -> None:
    await world.endpoint("http://127.0.0.1:1/in")
    await world.tell()
    await world.send()
    (delivery,) = await world.deliveries()
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    assert (await world.attempts())[0].outcome == "unreachable"


async def test_an_endpoint_removed_while_it_is_sent_to_is_gone_without_a_trace(
    world: World, receiver: Receiver
) -> None:
    async def remove(_: Request) -> Answer:
        async with world.runtime.database.write() as session:
            await session.execute(delete(webhook_endpoints))
        return Answer()

    receiver.behaviour = remove
    await world.endpoint(receiver.url)
    await world.tell()
    await world.send()
    assert await world.deliveries() == await world.attempts() == []


async def test_a_disabled_endpoint_gets_what_waited_when_it_is_enabled(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given an endpoint that is disabled while something waits for it
    endpoint, _ = await world.endpoint(receiver.url)
    await world.tell()

    async def change(action: str) -> None:
        async with world.runtime.database.write() as session:
            service = WebhookEndpointService.on(
                session, settings=world.runtime.settings, organisation_id=HOLDER,
                at=clock.now(),
            )  # fmt: skip
            await getattr(service, action)(endpoint.id)

    await change("disable")
    # when it is sent, and more happens
    await world.send()
    await world.tell()
    assert receiver.requests == []
    # then that goes out when it is enabled, and what happened meanwhile does not
    await change("enable")
    await world.send()
    (delivery,) = await world.deliveries()
    assert [each.message_id for each in receiver.requests] == [delivery.message_id]


async def test_an_endpoint_is_told_of_a_fact_once(
    world: World, receiver: Receiver
) -> None:
    endpoint, _ = await world.endpoint(receiver.url)
    await world.tell(2, event_id=endpoint.id)
    assert len(await world.deliveries()) == 1


async def test_the_job_sends_what_is_due(world: World, receiver: Receiver) -> None:
    await world.endpoint(receiver.url, event_types=[EventType.INSTALMENT_PAID])
    await world.tell()
    await send_webhooks.run(world.runtime)
    assert len(receiver.requests) == 1


async def test_a_slow_receiver_takes_one_job_process_and_not_the_next(
    world: World, receiver: Receiver
) -> None:
    # given a job that waits for a receiver
    arrived, release = asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> Answer:
        arrived.set()
        await release.wait()
        return Answer()

    receiver.behaviour = wait
    await world.endpoint(receiver.url)
    await world.tell()
    first = asyncio.ensure_future(send_webhooks.run(world.runtime))
    await arrived.wait()
    # when another is run
    await world.tell()
    await send_webhooks.run(world.runtime)
    # then that one is over, and the first sends what was for it
    assert not first.done()
    release.set()
    await first
    assert {row.status for row in await world.deliveries()} == {"delivered"}


async def test_the_log_goes_back_thirty_days(
    world: World, receiver: Receiver, clock: FixedClock
) -> None:
    # given something that was delivered, and something a second later
    await world.endpoint(receiver.url)
    await world.tell()
    clock.advance(SECOND)
    await world.tell()
    await world.send()
    # when thirty days have passed since the second
    clock.advance(WEBHOOKS_KEPT)
    await forget_webhooks.run(world.runtime)
    # then only that is left
    (delivery,) = await world.deliveries()
    assert delivery.created_at == NOON + SECOND
    assert [row.delivery_id for row in await world.attempts()] == [delivery.id]
