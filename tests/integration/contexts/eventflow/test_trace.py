"""The way of an event: from receipt to effects, or to where it got stuck."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.contexts.eventflow.tables import batches, events
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from robosure.platform.streams.bus import INGEST_GROUP
from robosure.platform.streams.inbox import inbox
from robosure.platform.streams.ingest import read, written
from robosure.platform.streams.letters import dead_letters, put_aside
from tests.integration.contexts.eventflow.storing import (
    NOON,
    SENDER,
    a_batch,
    a_robot,
    an_event,
    store,
    uid_of,
)
from tests.support import ApiClient, code_of


async def a_fact(
    database: Database,
    *,
    correlation_id: str = "of-nothing-else",
    robot: UUID | None = None,
    kind: str = "risk.ScoreUpdated",
    at: datetime = NOON,
    handled_by: tuple[str, ...] = (),
) -> UUID:
    """A fact that was told and relayed, and who handled it."""
    event_id = uuid7()
    async with database.write() as session:
        await session.execute(
            insert(outbox).values(
                event_id=event_id,
                context="risk",
                type=kind,
                version=1,
                payload={"robot_id": str(robot)} if robot else {},
                occurred_at=at,
                correlation_id=correlation_id,
                published_at=NOON + timedelta(seconds=1),
            )
        )
        for n, consumer in enumerate(handled_by):
            await session.execute(
                insert(inbox).values(
                    consumer=consumer,
                    event_id=event_id,
                    processed_at=NOON + timedelta(seconds=2 + n),
                )
            )
    return event_id


async def an_aside_event(database: Database, event: dict[str, Any]) -> None:
    """An event that failed, and is a dead letter."""
    processor = EventProcessor([])
    (item,) = read(written(a_batch(correlation_id="request-9"), 3, [event]))
    async with database.write() as session:
        error = ValueError("no such joint")
        await put_aside(
            session, processor.letter(item), error=error, attempts=2, at=NOON
        )


async def an_operators_event(
    database: Database, operator: UUID
) -> tuple[UUID, dict[str, Any]]:
    """A robot of the operator's, and an event of it that is stored."""
    robot = await a_robot(database, operator=operator)
    event = an_event(0, robot=robot)
    await store(database, [event], batch=a_batch(correlation_id="request-7"))
    return robot, event


async def test_a_stored_event_is_followed_to_its_effects(
    api: ApiClient, database: Database
) -> None:
    # given a batch of three, one of which repeats another, processed 40 ms later
    robot = uuid7()
    event = an_event(0, robot=robot)
    batch = a_batch(correlation_id="request-7")
    await store(database, [event, an_event(1, robot=robot), event], batch=batch, part=2)
    async with database.write() as session:
        processed = NOON + timedelta(milliseconds=40)
        await session.execute(update(batches).values(processed_at=processed))
    # and facts told in its course, handled by two contexts, and another request's
    fact = await a_fact(
        database, correlation_id="request-7", handled_by=("claims", "policies")
    )
    await a_fact(database, correlation_id="request-8")
    # when it is followed
    answer = await api.as_("support").get(f"/events/{uid_of(event)}/trace")
    # then all of that is told
    assert answer.json() == {
        "uid": str(uid_of(event)),
        "source": event["source"],
        "id": "event-0",
        "type": "robot.telemetry.v1",
        "subject": str(robot),
        "time": "2026-03-02T12:00:00Z",
        "outcome": "stored",
        "received": {
            "at": "2026-03-02T12:00:00Z",
            "batch_id": str(batch.batch_id),
            "part": 2,
            "principal": str(SENDER),
            "correlation_id": "request-7",
        },
        "processed": {
            "at": "2026-03-02T12:00:00.040000Z",
            "latency_ms": 40.0,
            "events": 3,
            "stored": 2,
            "repeated": 1,
        },
        "dead_letters": [],
        "facts": [
            {
                "event_id": str(fact),
                "type": "risk.ScoreUpdated",
                "occurred_at": "2026-03-02T12:00:00Z",
                "published_at": "2026-03-02T12:00:01Z",
                "handled": [
                    {"consumer": "claims", "at": "2026-03-02T12:00:02Z"},
                    {"consumer": "policies", "at": "2026-03-02T12:00:03Z"},
                ],
                "dead_letters": [],
            }
        ],
        "next_facts": [],
    }


async def test_a_stored_event_is_followed_to_what_is_told_next_about_its_robot(
    api: ApiClient, database: Database
) -> None:
    # given an operator's event, processed at noon
    operator = uuid7()
    robot, event = await an_operators_event(database, operator)
    async with database.write() as session:
        await session.execute(update(batches).values(processed_at=NOON))
    # and facts about its robot: some before and after, one of its own course
    scored = "risk.RobotScored"
    await a_fact(database, kind=scored, robot=robot, at=NOON - timedelta(seconds=1))
    score = await a_fact(
        database, kind=scored, robot=robot, at=NOON + timedelta(seconds=9),
        handled_by=("policies",),
    )  # fmt: skip
    await a_fact(database, kind=scored, robot=robot, at=NOON + timedelta(seconds=19))
    claim = await a_fact(
        database, kind="claims.Reported", robot=robot, at=NOON + timedelta(hours=1)
    )
    await a_fact(database, correlation_id="request-7", robot=robot)
    await a_fact(database, kind=scored, robot=uuid7(), at=NOON)
    path = f"/events/{uid_of(event)}/trace"
    # when an insurer follows it
    trace = (await api.as_("support").get(path)).json()
    # then the first of each type after it is told, and what became of that
    assert [
        (each["event_id"], [by["consumer"] for by in each["handled"]])
        for each in trace["next_facts"]
    ] == [(str(score), ["policies"]), (str(claim), [])]
    # and others who see its events are told of scores, but not that there is a claim
    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    trace = (await operators.get(path)).json()
    assert [each["event_id"] for each in trace["next_facts"]] == [str(score)]


async def test_an_event_that_failed_is_followed_to_its_dead_letter(
    api: ApiClient, database: Database
) -> None:
    # given an event that is not stored, for it failed
    event = an_event(0, robot=uuid7())
    await an_aside_event(database, event)
    path = f"/events/{uid_of(event)}/trace"
    # when it is followed
    trace = (await api.as_("support").get(path)).json()
    # then it is told where it is, and why
    assert trace["outcome"] == "failed"
    assert trace["processed"] is None
    assert trace["received"]["part"] == 3
    assert trace["received"]["correlation_id"] == "request-9"
    (letter,) = trace["dead_letters"]
    assert letter["consumer"] == INGEST_GROUP
    assert letter["error"] == "ValueError: no such joint"
    assert (letter["attempts"], letter["status"]) == (2, "waiting")
    # and once it was given up, that too
    async with database.write() as session:
        await session.execute(update(dead_letters).values(status="discarded"))
    assert (await api.as_("support").get(path)).json()["outcome"] == "discarded"


async def test_a_fact_that_a_consumer_failed_on_says_so(
    api: ApiClient, database: Database
) -> None:
    event = an_event(0, robot=uuid7())
    await store(database, [event], batch=a_batch(correlation_id="request-7"))
    fact = await a_fact(database, correlation_id="request-7")
    async with database.write() as session:
        await session.execute(
            insert(dead_letters).values(
                id=uuid7(), consumer="claims", stream="events.risk",
                event_id=str(fact), type="risk.ScoreUpdated", content="{}",
                error="KeyError: 'cover'", traceback_digest="", attempts=8,
                occurred_at=NOON, first_failed_at=NOON, failed_at=NOON,
                status="waiting", retries=0, edited=False,
            )
        )  # fmt: skip

    trace = (await api.as_("support").get(f"/events/{uid_of(event)}/trace")).json()

    (told,) = trace["facts"]
    assert told["handled"] == []
    (letter,) = told["dead_letters"]
    assert (letter["consumer"], letter["error"]) == ("claims", "KeyError: 'cover'")


async def test_an_operator_follows_its_own_events_and_sees_its_own_facts(
    api: ApiClient, database: Database
) -> None:
    # given an operator's event, and facts of that course, also about other robots
    operator = uuid7()
    robot, event = await an_operators_event(database, operator)
    own = await a_fact(database, correlation_id="request-7", robot=robot)
    await a_fact(database, correlation_id="request-7", robot=uuid7())
    await a_fact(database, correlation_id="request-7")
    path = f"/events/{uid_of(event)}/trace"
    # then it sees what is about its robot
    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    trace = (await operators.get(path)).json()
    assert [fact["event_id"] for fact in trace["facts"]] == [str(own)]
    # and a stranger sees nothing, neither of stored events nor of failed ones
    stranger = api.as_("operator_admin", kind="operator")
    assert code_of(await stranger.get(path)) == "event_not_found"
    failed = an_event(1, robot=robot)
    await an_aside_event(database, failed)
    unseen = await stranger.get(f"/events/{uid_of(failed)}/trace")
    assert code_of(unseen) == "event_not_found"
    seen = await operators.get(f"/events/{uid_of(failed)}/trace")
    assert seen.json()["outcome"] == "failed"


async def test_an_event_from_before_batches_were_kept_is_followed_as_far_as_known(
    api: ApiClient, database: Database
) -> None:
    event = an_event(0, robot=uuid7())
    await store(database, [event])
    async with database.write() as session:
        await session.execute(update(events).values(batch_id=None, part=None))

    trace = (await api.as_("support").get(f"/events/{uid_of(event)}/trace")).json()

    assert (trace["outcome"], trace["processed"], trace["facts"]) == (
        "stored",
        None,
        [],
    )
    assert trace["received"] == {
        "at": "2026-03-02T12:00:00Z",
        "batch_id": None,
        "part": None,
        "principal": None,
        "correlation_id": None,
    }


async def test_counts_say_what_was_put_aside(
    api: ApiClient, database: Database
) -> None:
    robot = uuid7()
    first = an_event(0, robot=robot)
    await store(database, [first, first, an_event(1, robot=robot)])
    await an_aside_event(database, an_event(2, robot=robot))

    params = {"subject": str(robot)}
    counts = (await api.as_("support").get("/event-counts", params=params)).json()

    assert counts == {
        "subject": str(robot),
        "stored": 2,
        "repeated": 1,
        "failed": 1,
        "first_at": "2026-03-02T12:00:00Z",
        "last_at": "2026-03-02T12:00:01Z",
    }


@pytest.mark.parametrize("uid", ["nothing", "0"])
async def test_what_is_no_uid_is_refused(api: ApiClient, uid: str) -> None:
    answer = await api.as_("support").get(f"/events/{uid}/trace")

    assert code_of(answer) == "invalid_request"
