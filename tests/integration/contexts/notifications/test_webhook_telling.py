"""Facts of other contexts become webhooks for whom they concern, and nobody else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from robosure.contexts.claims.events import ClaimDecided, ClaimPaid, ClaimReported
from robosure.contexts.notifications.domain import EventType
from robosure.contexts.notifications.tables import robot_followers
from robosure.contexts.payments.events import InstalmentFailed
from robosure.contexts.policies.events import InsuredRobot
from robosure.contexts.risk.events import RobotScored
from robosure.contexts.robots.events import RobotChanged, RobotRegistered
from robosure.kernel.events import DomainEvent
from robosure.kernel.ids import uuid7
from robosure.platform.events import publish
from robosure.platform.jobs import Job, install_sender
from robosure.platform.runtime import Runtime
from tests.integration.contexts.notifications.conftest import (
    HOLDER,
    INSURER,
    handle_again,
    instalment_paid,
)
from tests.integration.contexts.notifications.webhooks import World
from tests.support import Delivery, FixedClock
from tests.unit.contexts.payments.factories import NOON, eur, policy_bound

MAKER, ROBOT = uuid7(), uuid7()
OFFICE = "https://office.example/in"

CLAIM: dict[str, Any] = {
    "claim_id": uuid7(),
    "number": "CLM-2026-000007",
    "policy_number": "POL-2026-000042",
    "insurer_id": INSURER,
    "holder_id": HOLDER,
}
OF_TWO_PARTIES = [
    (policy_bound(insurer_id=INSURER, holder_id=HOLDER), "policy.bound"),
    (instalment_paid(), "instalment.paid"),
    (
        InstalmentFailed(
            instalment_id=uuid7(),
            policy_id=uuid7(),
            policy_number="POL-2026-000042",
            insurer_id=INSURER,
            holder_id=HOLDER,
            sequence=1,
            instalments=12,
            amount=eur("93.34"),
            attempt=1,
            reason="card_declined",
        ),
        "instalment.failed",
    ),
    (
        ClaimReported(
            **CLAIM,
            policy_id=uuid7(),
            robot_id=ROBOT,
            incident_type="collision",
            incident_at=NOON,
        ),
        "claim.reported",
    ),
    (
        ClaimDecided(**CLAIM, approved=True, amount=eur("7304.69"), reason="See p. 3."),
        "claim.decided",
    ),
    (ClaimPaid(**CLAIM, paid=eur("7304.69")), "claim.paid"),
]


def robot_registered(robot: UUID = ROBOT) -> RobotRegistered:
    return RobotRegistered(
        robot_id=robot,
        serial_number="UR3-0001",
        model_id=uuid7(),
        manufacturer_id=MAKER,
        operator_id=HOLDER,
        robot_class="cobot",
        insured_value=eur("25000.00"),
        commissioned_on=date(2024, 5, 1),
        operating_environment="factory",
    )


def robot_scored(band: str, *, minutes: int, robot: UUID = ROBOT) -> RobotScored:
    return RobotScored(
        robot_id=robot,
        score_id=uuid7(),
        score=Decimal("61.4"),
        band=band,
        multiplier=Decimal("1.5"),
        model_version="1",
        samples=600,
        scored_at=NOON + timedelta(minutes=minutes),
    )


@pytest.fixture
def world(runtime: Runtime, clock: FixedClock) -> World:
    return World(runtime)


@pytest.fixture
def deliver(deliver: Delivery, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    """Deliver facts; webhooks stay where they are."""

    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(
        "robosure.contexts.notifications.service.WebhookSender.send_due", nothing
    )
    return deliver


async def tell(runtime: Runtime, *facts: DomainEvent) -> None:
    """Publish each in a transaction of its own, as they become true."""
    for fact in facts:
        async with runtime.database.write() as session:
            publish(session, fact)


async def told(world: World) -> list[tuple[UUID, str]]:
    """Which organisation is told of what."""
    return [(row.organisation_id, row.event_type) for row in await world.deliveries()]


@pytest.mark.usefixtures("acme_registered")
@pytest.mark.parametrize(("fact", "event_type"), OF_TWO_PARTIES)
async def test_a_fact_between_two_is_told_to_both_and_nobody_else(
    world: World, deliver: Delivery, fact: DomainEvent, event_type: str
) -> None:
    # given endpoints of the holder, the insurer and a stranger
    only = [EventType(event_type)]  # a policy bound has an instalment paid, too
    for organisation in (HOLDER, INSURER, uuid7()):
        await world.endpoint(OFFICE, organisation=organisation, event_types=only)
    # when something happens between the first two
    await tell(world.runtime, fact)
    await deliver()
    # then both are to be told, at once and the same
    deliveries = await world.deliveries()
    assert sorted(await told(world)) == sorted(
        [(HOLDER, event_type), (INSURER, event_type)]
    )
    assert len({row.body for row in deliveries}) == 1
    assert len({row.message_id for row in deliveries}) == 2
    for row in deliveries:
        assert (row.status, row.occurred_at, row.next_attempt_at) == (
            "pending", NOON, NOON,
        )  # fmt: skip
        message = json.loads(row.body)
        assert message["type"] == event_type
        assert message["timestamp"] == "2026-03-02T12:00:00Z"
        assert message["data"]["holder_id"] == str(HOLDER)


@pytest.mark.usefixtures("acme_registered")
async def test_an_endpoint_is_told_of_what_it_chose(
    world: World, deliver: Delivery
) -> None:
    # given an endpoint that wants one thing, another that wants two
    chosen, _ = await world.endpoint(OFFICE, event_types=[EventType.CLAIM_PAID])
    both = [EventType.CLAIM_DECIDED, EventType.INSTALMENT_PAID]
    other, _ = await world.endpoint(OFFICE, event_types=both)
    # when all of it happens
    await tell(world.runtime, *(fact for fact, _ in OF_TWO_PARTIES))
    await deliver()
    # then each is told of its own
    found = {(row.endpoint_id, row.event_type) for row in await world.deliveries()}
    assert found == {
        (chosen.id, "claim.paid"),
        (other.id, "claim.decided"),
        (other.id, "instalment.paid"),
    }


@pytest.mark.usefixtures("acme_registered")
async def test_sending_is_asked_for_where_there_is_something_to_send(
    world: World, deliver: Delivery
) -> None:
    # given a way to see which jobs are asked for
    sent: list[str] = []

    async def remember(job: Job, _ids: tuple[str, ...]) -> None:
        sent.append(job.name)

    install_sender(remember)
    # when a fact concerns nobody's endpoint, and when it does
    await tell(world.runtime, instalment_paid())
    await deliver()
    assert sent == ["notifications.deliver_due"]
    sent.clear()
    await world.endpoint(OFFICE)
    await tell(world.runtime, instalment_paid())
    await deliver()
    # then webhooks are to be sent only for the second
    assert sorted(sent) == [
        "notifications.deliver_due", "notifications.send_webhooks",
    ]  # fmt: skip


@pytest.mark.usefixtures("acme_registered")
async def test_a_fact_that_is_delivered_again_is_one_webhook(
    world: World, deliver: Delivery
) -> None:
    # given a fact that was told
    await world.endpoint(OFFICE)
    fact = instalment_paid()
    await tell(world.runtime, fact)
    await deliver()
    before = await world.deliveries()
    # when the stream and even the inbox forget it was handled
    await handle_again(world.runtime, fact, before[0].event_id)
    # then nothing was added
    assert await world.deliveries() == before
    assert len(before) == 1


async def test_a_robot_concerns_its_operator_its_maker_and_who_insures_it(
    world: World, deliver: Delivery
) -> None:
    # given endpoints of all that might be concerned
    types = [
        EventType.ROBOT_REGISTERED, EventType.ROBOT_CHANGED, EventType.POLICY_BOUND
    ]  # fmt: skip
    for organisation in (HOLDER, MAKER, INSURER, uuid7()):
        await world.endpoint(OFFICE, organisation=organisation, event_types=types)
    # when a robot is registered, changed, insured and changed again
    insured = InsuredRobot(ROBOT, "UR3-0001", "cobot", eur("25000.00"))
    policy = policy_bound(insurer_id=INSURER, holder_id=HOLDER)
    await tell(world.runtime, robot_registered())
    await deliver()
    await tell(world.runtime, RobotChanged(ROBOT, "5.12.2", "factory"))
    await deliver()
    await tell(world.runtime, replace(policy, robots=(insured,)))
    await deliver()
    await tell(world.runtime, RobotChanged(ROBOT, None, "warehouse"))
    await deliver()
    # then each is told from when it is concerned
    assert sorted(await told(world)) == sorted(
        [
            (HOLDER, "robot.registered"), (MAKER, "robot.registered"),
            (HOLDER, "robot.changed"), (MAKER, "robot.changed"),
            (HOLDER, "policy.bound"), (INSURER, "policy.bound"),
            (HOLDER, "robot.changed"), (MAKER, "robot.changed"),
            (INSURER, "robot.changed"),
        ]
    )  # fmt: skip
    async with world.runtime.database.read() as session:
        followers = await session.execute(select(robot_followers.c.organisation_id))
        assert set(followers.scalars()) == {HOLDER, MAKER, INSURER}


async def test_a_robots_risk_is_told_when_it_moves_into_another_band(
    world: World, deliver: Delivery
) -> None:
    # given a maker's endpoint
    await world.endpoint(OFFICE, organisation=MAKER)
    await tell(world.runtime, robot_registered())
    await deliver()
    # when its robot is scored again and again, once too late to matter
    scores = [
        robot_scored("low", minutes=1),
        robot_scored("low", minutes=2),
        robot_scored("high", minutes=3),
        robot_scored("low", minutes=2),
        robot_scored("high", minutes=4),
        robot_scored("severe", minutes=5),
    ]
    await tell(world.runtime, *scores)
    await deliver()
    # then it is told of the first score, and of each other band
    changes = [
        json.loads(row.body)["data"]
        for row in await world.deliveries()
        if row.event_type == "robot.risk_changed"
    ]
    assert [each["band"] for each in changes] == ["low", "high", "severe"]
    assert changes[1]["score_id"] == str(scores[2].score_id)


async def test_of_many_robots_scored_at_once_each_is_judged_for_itself(
    world: World, deliver: Delivery
) -> None:
    # given robots of which one is not known
    one, other, unknown = uuid7(), uuid7(), uuid7()
    await world.endpoint(OFFICE, organisation=MAKER)
    await tell(world.runtime, robot_registered(one), robot_registered(other))
    await deliver()
    # when they are scored, some of them again
    scores = [
        robot_scored(band, minutes=minutes, robot=robot)
        for robot, band, minutes in [
            (one, "low", 1), (other, "low", 1), (one, "high", 2), (unknown, "low", 1),
            (other, "low", 2), (one, "low", 3), (other, "severe", 3),
        ]
    ]  # fmt: skip
    await tell(world.runtime, *scores)
    await deliver()
    # then what is news of the known is told, each as the fact that it is
    news = [s for s in scores if s.robot_id != unknown and s is not scores[4]]
    changes = [
        json.loads(row.body)["data"]
        for row in await world.deliveries()
        if row.event_type == "robot.risk_changed"
    ]
    assert [each["score_id"] for each in changes] == [str(s.score_id) for s in news]
    assert [each["band"] for each in changes] == ["low", "low", "high", "low", "severe"]


async def test_a_robot_nobody_knows_yet_is_waited_for(
    world: World, deliver: Delivery
) -> None:
    # given facts about a robot that come before its registration
    await world.endpoint(OFFICE, organisation=MAKER)
    await tell(world.runtime, robot_scored("low", minutes=1))
    await tell(world.runtime, RobotChanged(ROBOT, None, "factory"))
    await deliver()
    # then nothing is told, and nothing of it remembered
    assert await told(world) == []
    # and when it is known, what follows is
    await tell(world.runtime, robot_registered())
    await deliver()
    await tell(world.runtime, robot_scored("low", minutes=2))
    await deliver()
    assert await told(world) == [
        (MAKER, "robot.registered"), (MAKER, "robot.risk_changed"),
    ]  # fmt: skip
