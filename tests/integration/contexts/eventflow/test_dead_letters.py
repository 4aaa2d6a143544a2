"""Dead letters over HTTP: seen, corrected, replayed and given up, once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest
from sqlalchemy import func, select, update

from robosure.contexts.eventflow.service.processing import EventProcessor
from robosure.contexts.eventflow.tables import batches, events
from robosure.contexts.policies.consumers import consumers as policies_consumers
from robosure.contexts.policies.tables import organisations
from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database
from robosure.platform.events import Envelope, Told
from robosure.platform.outbox import outbox
from robosure.platform.runtime import Runtime
from robosure.platform.streams import Postman, subscriptions
from robosure.platform.streams.bus import INGEST_GROUP
from robosure.platform.streams.facts import Subscription
from robosure.platform.streams.inbox import inbox
from robosure.platform.streams.ingest import Batch, read, written
from robosure.platform.streams.letters import dead_letters, put_aside
from tests.integration.contexts.eventflow.conftest import an_event
from tests.journey import Json, World, answered
from tests.support import ApiClient, Delivery, code_of


@pytest.fixture
async def world(api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
    return await World.build(api, deliver, runtime)


@pytest.fixture
async def robot(world: World) -> UUID:
    (robot_id,) = await world.robots()
    return robot_id


async def fail(
    runtime: Runtime, robot_id: UUID, *numbers: int, error: Exception | None = None
) -> list[str]:
    """Put a robot's events aside, as the engine does; return the letters' ids."""
    processor = EventProcessor([])
    failing = error or Invalid("out_of_range")
    for number in numbers:
        event = an_event(number, subject=robot_id)
        batch = Batch(uuid7(), "request-1", runtime.clock.now(), None)
        (item,) = read(written(batch, 0, [event]))
        async with runtime.database.write() as session:
            await put_aside(
                session,
                processor.letter(item),
                error=failing,
                attempts=3,
                at=runtime.clock.now(),
            )
    async with runtime.database.read() as session:
        statement = select(dead_letters.c.id).order_by(dead_letters.c.id)
        return [str(each) for each in (await session.execute(statement)).scalars()]


async def letter(world: World, letter_id: str) -> Json:
    found: Json = answered(await world.admin.get(f"/dead-letters/{letter_id}"))
    return found


async def listed(world: World, **asked: str) -> list[str]:
    answer = await world.admin.get("/dead-letters", params=asked)
    return [each["id"] for each in answered(answer)["items"]]


async def stored(database: Database) -> list[tuple[str, Any]]:
    async with database.read() as session:
        statement = select(events.c.key, events.c.data).order_by(events.c.time)
        return [(str(r.key), r.data) for r in await session.execute(statement)]


async def fact(runtime: Runtime, kind: str, payload: Json) -> str:
    """Put a fact of ours aside, as the engine does; return the letter's id."""
    told = Told(
        Envelope(uuid7(), kind, 1, runtime.clock.now(), None, None, None), payload
    )
    async with runtime.database.write() as session:
        await put_aside(
            session,
            of_policies("identity").letter(told),
            error=Invalid("unlucky"),
            attempts=2,
            at=runtime.clock.now(),
        )
        statement = select(dead_letters.c.id).where(dead_letters.c.type == kind)
        return str((await session.execute(statement)).scalar_one())


async def audited(database: Database) -> Sequence[Any]:
    async with database.read() as session:
        statement = (
            select(audit_entries)
            .where(audit_entries.c.action.like("%dead-letters%"))
            .order_by(audit_entries.c.id)
        )
        return (await session.execute(statement)).all()


def changed(letter_id: str, before: Json, after: Json) -> Json:
    return {
        "object_type": "dead_letter",
        "object_id": letter_id,
        "before": before,
        "after": after,
    }


async def post(world: World, path: str, **document: Any) -> Any:
    return await world.admin.post(f"/dead-letters/{path}", json=document)


async def test_they_are_listed_filtered_and_counted_by_kind(
    world: World, robot: UUID, runtime: Runtime
) -> None:
    # given events that failed for two reasons
    one, two = await fail(runtime, robot, 1, 2)
    *_, three = await fail(runtime, robot, 3, error=KeyError("cycle"))
    # then the last is first
    assert await listed(world) == [three, two, one]
    assert await listed(world, consumer=INGEST_GROUP, status="waiting") == [
        three,
        two,
        one,
    ]
    assert await listed(world, subject=str(robot), limit="1") == [three]
    assert await listed(world, type="robots.RobotRegistered") == []
    assert await listed(world, status="discarded") == []
    assert await listed(world, correlation_id="request-1") == [three, two, one]
    shown = await letter(world, one)
    assert (shown["error"], shown["attempts"]) == ("Invalid: out of range", 3)
    assert shown["event"] == an_event(1, subject=robot)
    assert await listed(world, traceback_digest=shown["traceback_digest"]) != []
    kinds = answered(await world.admin.get("/dead-letters/kinds"))["items"]
    assert sum(each["letters"] for each in kinds) == 3
    assert {each["consumer"] for each in kinds} == {INGEST_GROUP}


async def test_an_organisation_sees_its_own_robots_and_changes_none(
    world: World, robot: UUID, runtime: Runtime, api: ApiClient
) -> None:
    # given a letter of the operator's robot
    (letter_id,) = await fail(runtime, robot, 1)
    # then its people see it, and others do not
    seen = await world.holder.get("/dead-letters")
    assert [each["id"] for each in answered(seen)["items"]] == [letter_id]
    stranger = api.as_("policyholder", kind="operator")
    assert answered(await stranger.get("/dead-letters"))["items"] == []
    assert (await stranger.get(f"/dead-letters/{letter_id}")).status_code == 404
    assert answered(await stranger.get("/dead-letters/kinds"))["items"] == []
    # and neither may change it
    before = await letter(world, letter_id)
    for person in (world.holder, stranger, world.underwriter):
        for asking in (
            person.post(f"/dead-letters/{letter_id}/replay", json={}),
            person.post(
                f"/dead-letters/{letter_id}/discard", json={"reason": "no reason"}
            ),
            person.patch(f"/dead-letters/{letter_id}", json={"data": {}}),
            person.post("/dead-letters/replay", json={"ids": [letter_id]}),
        ):
            assert (await asking).status_code == 403
    assert await letter(world, letter_id) == before


async def test_a_correction_keeps_which_event_it_is(
    world: World, robot: UUID, runtime: Runtime, database: Database, deliver: Delivery
) -> None:
    # given
    (letter_id,) = await fail(runtime, robot, 1)
    before = await letter(world, letter_id)
    path = f"/dead-letters/{letter_id}"
    # when what it says is not valid, then it is refused, and says what it said
    answer = await world.admin.patch(path, json={"data": {"battery": 200}})
    assert (answer.status_code, code_of(answer)) == (422, "invalid_data")
    assert "battery" in answer.json()["errors"][0]["field"]
    assert await letter(world, letter_id) == before
    # when it is corrected, then nothing but what it says has changed
    answer = await world.admin.patch(path, json={"data": {"battery": 20}})
    assert answer.status_code == 204
    after = await letter(world, letter_id)
    assert after["event"] == {**before["event"], "data": {"battery": 20}}
    changed = {"event", "edited", "settled_by"}
    assert {k: v for k, v in after.items() if k not in changed} == {
        k: v for k, v in before.items() if k not in changed
    }
    assert (after["edited"], after["settled_by"]) == (
        True,
        str(world.people["admin"]),
    )
    # and it is stored as itself when it is replayed
    answered(await post(world, f"{letter_id}/replay"), 202)
    await deliver()
    assert await stored(database) == [(before["event_id"], {"battery": 20})]
    # and cannot be corrected any more
    answer = await world.admin.patch(path, json={"data": {"battery": 30}})
    assert code_of(answer) == "dead_letter_not_editable"


async def test_who_corrects_says_which_version_they_saw(
    world: World, robot: UUID, runtime: Runtime
) -> None:
    # given two who look at the same letter
    (letter_id,) = await fail(runtime, robot, 1)
    path = f"/dead-letters/{letter_id}"
    seen = (await world.admin.get(path)).headers["ETag"]

    async def correct(battery: int, etag: str) -> httpx.Response:
        json = {"data": {"battery": battery}}
        return await world.admin.patch(path, json=json, headers={"If-Match": etag})

    # when one corrects it, and then the other
    first = await correct(20, seen)
    second = await correct(30, seen)
    # then the second is told so, and nothing is lost
    assert first.status_code == 204
    assert (second.status_code, code_of(second)) == (412, "stale_version")
    now = await world.admin.get(path)
    assert now.json()["event"]["data"] == {"battery": 20}
    # and who has seen the correction may correct it again
    assert first.headers["ETag"] == now.headers["ETag"] != seen
    assert (await correct(30, now.headers["ETag"])).status_code == 204
    # and what is no version is none
    refused = await correct(40, "latest")
    assert (refused.status_code, code_of(refused)) == (422, "invalid_if_match")
    assert (await letter(world, letter_id))["event"]["data"] == {"battery": 30}


async def test_a_letter_that_failed_again_meanwhile_is_another_version(
    world: World, robot: UUID, runtime: Runtime
) -> None:
    # given a letter that someone looks at
    (letter_id,) = await fail(runtime, robot, 1)
    path = f"/dead-letters/{letter_id}"
    seen = (await world.admin.get(path)).headers["ETag"]
    # when its event fails once more
    assert await fail(runtime, robot, 1) == [letter_id]
    # then they have to look again
    edit = {"data": {"battery": 20}}
    refused = await world.admin.patch(path, json=edit, headers={"If-Match": seen})
    assert (refused.status_code, code_of(refused)) == (412, "stale_version")
    assert (await letter(world, letter_id))["edited"] is False


async def test_of_many_who_correct_the_same_version_at_once_one_does(
    world: World, robot: UUID, runtime: Runtime
) -> None:
    (letter_id,) = await fail(runtime, robot, 1)
    path = f"/dead-letters/{letter_id}"
    seen = {"If-Match": (await world.admin.get(path)).headers["ETag"]}
    answers = await asyncio.gather(
        *(
            world.admin.patch(path, json={"data": {"battery": n}}, headers=seen)
            for n in range(10)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, *[412] * 9]


async def test_an_event_of_a_batch_that_was_processed_is_replayed_once(
    world: World, robot: UUID, runtime: Runtime, database: Database, deliver: Delivery
) -> None:
    # given a batch of which one event was put aside, and the others took effect
    sent = [an_event(number, subject=robot) for number in range(4)]
    (letter_id,) = await fail(runtime, robot, 2)
    assert await world.send_events([sent[0], sent[1], sent[3]]) == 3
    await deliver()
    assert await world.counts(robot) == (3, 0, 1)
    # when it is replayed
    answer = answered(await post(world, f"{letter_id}/replay"), 202)
    assert answer == {"letters": 1, "ids": [letter_id]}
    await deliver()
    # then it is stored as itself, and counted as stored, not as failed or repeated
    shown = await letter(world, letter_id)
    assert (shown["status"], shown["settled_by"]) == (
        "replayed",
        str(world.people["admin"]),
    )
    assert shown["event_id"] in [key for key, _ in await stored(database)]
    assert await world.counts(robot) == (4, 0, 0)
    async with database.read() as session:
        counting = select(func.sum(batches.c.stored), func.sum(batches.c.repeated))
        assert tuple((await session.execute(counting)).one()) == (4, 0)
    # and it is not replayed twice
    answer = await post(world, f"{letter_id}/replay")
    assert (answer.status_code, code_of(answer)) == (409, "dead_letter_not_open")
    await deliver()
    assert await world.counts(robot) == (4, 0, 0)


async def test_a_fact_is_replayed_under_its_own_id(
    world: World, database: Database, deliver: Delivery, runtime: Runtime
) -> None:
    # given a fact of which policies had no effect, as it was put aside
    subscription = of_policies("identity")
    async with database.write() as session:
        row = (
            await session.execute(
                select(outbox).where(outbox.c.type == "identity.OrganisationRegistered")
            )
        ).first()
        assert row is not None
        await session.execute(inbox.delete().where(inbox.c.event_id == row.event_id))
        known = organisations.c.organisation_id == UUID(row.payload["organisation_id"])
        await session.execute(organisations.delete().where(known))
        told = {
            "envelope": {n: getattr(row, n) for n in TOLD_FIELDS},
            "payload": row.payload,
        }
        item = subscription.restore(orjson.dumps(told).decode())
        await put_aside(
            session,
            subscription.letter(item),
            error=Invalid("unlucky"),
            attempts=2,
            at=runtime.clock.now(),
        )
    (letter_id,) = await listed(world)
    shown = await letter(world, letter_id)
    assert shown["event_id"] == str(row.event_id)
    assert shown["event"]["payload"] == row.payload
    # when
    answered(await post(world, f"{letter_id}/replay"), 202)
    await deliver()
    # then its inbox row and its effect are there, once
    assert (await letter(world, letter_id))["status"] == "replayed"
    async with database.read() as session:
        handled = select(func.count()).where(
            inbox.c.consumer == "policies", inbox.c.event_id == row.event_id
        )
        assert (await session.execute(handled)).scalar_one() == 1
        effect = select(func.count()).where(known)
        assert (await session.execute(effect)).scalar_one() == 1


async def test_many_are_replayed_that_fit_and_no_others(
    world: World, robot: UUID, runtime: Runtime, database: Database, deliver: Delivery
) -> None:
    # given letters of two kinds, one of them given up
    one, two, three = await fail(runtime, robot, 1, 2, 3)
    *_, four = await fail(runtime, robot, 4, error=KeyError("cycle"))
    answered(await post(world, f"{three}/discard", reason="a test"))
    digest = (await letter(world, one))["traceback_digest"]
    async with database.write() as session:
        other = update(dead_letters).where(dead_letters.c.id == UUID(four))
        await session.execute(other.values(traceback_digest="another"))
    # when those that failed at one place are replayed
    asked = await post(world, "replay", traceback_digest=digest)
    # then
    assert set(answered(asked, 202)["ids"]) == {one, two}
    await deliver()
    found = [(await letter(world, each))["status"] for each in (one, two, three, four)]
    assert found == ["replayed", "replayed", "discarded", "waiting"]
    assert len(await stored(database)) == 2
    # and to mean all, something has to be said
    for answer in (await post(world, "replay"), await post(world, "replay", ids=[])):
        assert answer.status_code == 422
    assert (await letter(world, four))["status"] == "waiting"


async def test_what_is_given_up_stays_so_though_it_fails_again(
    world: World, robot: UUID, runtime: Runtime, database: Database, deliver: Delivery
) -> None:
    # given
    (letter_id,) = await fail(runtime, robot, 1)
    for reason in ({}, {"reason": ""}, {"reason": "  x "}):
        answer = await post(world, f"{letter_id}/discard", **reason)
        assert answer.status_code == 422
    assert (await letter(world, letter_id))["status"] == "waiting"
    # when it is given up, and the same event fails again
    answered(await post(world, f"{letter_id}/discard", reason="the robot is scrap"))
    await fail(runtime, robot, 1, error=TimeoutError("later"))
    # then it is given up still, and nothing tries it again
    shown = await letter(world, letter_id)
    assert (shown["status"], shown["reason"]) == ("discarded", "the robot is scrap")
    assert shown["attempts"] == 6
    await deliver()
    assert await stored(database) == []
    answer = await post(world, f"{letter_id}/replay")
    assert code_of(answer) == "dead_letter_not_open"


async def test_replaying_and_giving_up_at_once_do_one_of_both(
    world: World, robot: UUID, runtime: Runtime, database: Database, deliver: Delivery
) -> None:
    letters = await fail(runtime, robot, *range(10))
    # when both are asked of each at once
    answers = await asyncio.gather(
        *(post(world, f"{each}/replay") for each in letters),
        *(post(world, f"{each}/discard", reason="a race") for each in letters),
    )
    await deliver()
    # then one of both is done, and the other refused
    statuses = [(await letter(world, each))["status"] for each in letters]
    done = [(a.status_code, b.status_code) for a, b in halves(answers)]
    assert done == [
        (202, 409) if status == "replayed" else (409, 200) for status in statuses
    ]
    assert len(await stored(database)) == statuses.count("replayed")


async def test_two_who_deliver_at_once_deliver_each_letter_once(
    world: World, robot: UUID, runtime: Runtime, database: Database
) -> None:
    letters = await fail(runtime, robot, *range(8))
    answered(await post(world, "replay", ids=letters), 202)
    postmen = [Postman(database, [EventProcessor([])]) for _ in range(3)]
    delivered = await asyncio.gather(*(postman.deliver() for postman in postmen))
    assert sum(delivered) == 8
    assert await world.counts(robot) == (8, 0, 0)


async def test_a_replay_that_fails_again_waits_with_its_new_reason(
    world: World, robot: UUID, runtime: Runtime, database: Database, deliver: Delivery
) -> None:
    # given a letter of a type that is not known any more
    (letter_id,) = await fail(runtime, robot, 1)
    content = func.replace(dead_letters.c.content, "robot.telemetry.v1", "gone.v1")
    async with database.write() as session:
        await session.execute(update(dead_letters).values(content=content))
    # when
    answered(await post(world, f"{letter_id}/replay"), 202)
    await deliver()
    # then
    shown = await letter(world, letter_id)
    assert (shown["status"], shown["error"]) == ("waiting", "KeyError: 'gone.v1'")
    assert shown["attempts"] == 4
    assert await stored(database) == []


async def test_what_nobody_can_read_is_shown_and_can_only_be_given_up(
    world: World, robot: UUID, runtime: Runtime, database: Database
) -> None:
    # given
    (letter_id,) = await fail(runtime, robot, 1)
    async with database.write() as session:
        await session.execute(
            update(dead_letters).values(type="unreadable", source=None, content="\\xff")
        )
    shown = await letter(world, letter_id)
    assert (shown["event"], shown["content"]) == (None, "\\xff")
    # when, then
    answer = await post(world, f"{letter_id}/replay")
    assert code_of(answer) == "dead_letter_not_open"
    answer = await world.admin.patch(
        f"/dead-letters/{letter_id}", json={"data": {"cycle": 1}}
    )
    assert code_of(answer) == "dead_letter_not_editable"
    assert (await letter(world, letter_id)) == shown
    answered(await post(world, f"{letter_id}/discard", reason="noise"))
    assert (await letter(world, letter_id))["status"] == "discarded"


async def test_each_command_is_in_the_audit_trail_and_a_refused_one_is_not(
    world: World, robot: UUID, runtime: Runtime, database: Database
) -> None:
    # given letters of which one is corrected and replayed, and the other given up
    one, two = await fail(runtime, robot, 1, 2)
    corrected = {"data": {"battery": 20}}
    await world.admin.patch(f"/dead-letters/{one}", json=corrected)
    await world.admin.patch(f"/dead-letters/{one}", json={"data": {"battery": 200}})
    await post(world, f"{one}/replay")
    await post(world, f"{one}/replay")
    await post(world, "discard", ids=[two], reason="a test")
    # then each that was done has its entry
    found = await audited(database)
    template = "/api/v1/dead-letters"
    assert [(row.action, row.subject) for row in found] == [
        (f"PATCH {template}/{{letter_id}}", {"letter_id": one}),
        (f"POST {template}/{{letter_id}}/replay", {"letter_id": one}),
        (f"POST {template}/discard", {}),
    ]
    assert {row.actor for row in found} == {world.people["admin"]}
    # and it says which letter became what
    assert [row.changes for row in found] == [
        [changed(one, {"data": {"cycle": 1}}, corrected)],
        [changed(one, {"status": "waiting"}, {"status": "replaying"})],
        [
            changed(
                two,
                {"status": "waiting"},
                {"status": "discarded", "reason": "a test"},
            )
        ],
    ]
    assert [(row.object_type, row.object_id) for row in found] == [
        ("dead_letter", one),
        ("dead_letter", one),
        ("dead_letter", two),
    ]
    assert f"dead_letter:{two}" in found[2].objects


async def test_of_many_that_are_replayed_the_audit_names_the_first_and_counts_all(
    world: World, robot: UUID, runtime: Runtime, database: Database
) -> None:
    letters = await fail(runtime, robot, *range(102))
    answered(await post(world, "replay", consumer=INGEST_GROUP), 202)
    (entry,) = await audited(database)
    assert entry.subject == {"changed": "102"}
    assert [each["object_id"] for each in entry.changes] == letters[:100]


async def test_a_fact_is_corrected_only_to_what_its_kind_may_say(
    world: World, database: Database, runtime: Runtime
) -> None:
    # given a fact of a person who joined
    payload = {
        "user_id": str(uuid4()),
        "organisation_id": str(uuid4()),
        "email": "ada@example.org",
        "name": "Ada Lovelace",
        "roles": ["adjuster"],
        "skills": [],
    }
    letter_id = await fact(runtime, "identity.UserRegistered", payload)
    path = f"/dead-letters/{letter_id}"
    before = await letter(world, letter_id)
    # when it is to say what nobody could read, then it is refused
    wrong = {**payload, "user_id": "nobody", "roles": None}
    answer = await world.admin.patch(path, json={"data": wrong})
    assert (answer.status_code, code_of(answer)) == (422, "invalid_data")
    fields = [each["field"] for each in answer.json()["errors"]]
    assert fields == ["data.user_id", "data.roles"]
    assert await letter(world, letter_id) == before
    # when it is corrected, then it says that, and the audit does not say who it is
    right = {**payload, "name": "Grace Hopper", "roles": ["underwriter"]}
    answer = await world.admin.patch(path, json={"data": right})
    assert answer.status_code == 204
    assert (await letter(world, letter_id))["event"]["payload"] == right
    (entry,) = await audited(database)
    assert entry.changes == [
        changed(
            letter_id,
            {"data": {"name": "A***", "roles": ["adjuster"]}},
            {"data": {"name": "G***", "roles": ["underwriter"]}},
        )
    ]


async def test_a_fact_of_a_kind_that_nobody_knows_may_say_anything(
    world: World, runtime: Runtime
) -> None:
    letter_id = await fact(runtime, "gone.OutOfUse", {"reason": "old"})
    path = f"/dead-letters/{letter_id}"
    answer = await world.admin.patch(path, json={"data": {"reason": 1}})
    assert answer.status_code == 204
    assert (await letter(world, letter_id))["event"]["payload"] == {"reason": 1}


async def test_an_event_of_a_type_that_is_not_known_is_not_corrected(
    world: World, robot: UUID, runtime: Runtime, database: Database
) -> None:
    # given
    (letter_id,) = await fail(runtime, robot, 1)
    content = func.replace(dead_letters.c.content, "robot.telemetry.v1", "gone.v1")
    async with database.write() as session:
        await session.execute(update(dead_letters).values(content=content))
    before = await letter(world, letter_id)
    # when
    answer = await world.admin.patch(
        f"/dead-letters/{letter_id}", json={"data": {"battery": 20}}
    )
    # then
    assert (answer.status_code, code_of(answer)) == (409, "unknown_event_type")
    assert await letter(world, letter_id) == before
    assert await audited(database) == []


async def test_there_is_no_such_letter(world: World) -> None:
    missing = uuid4()
    for answer in (
        await world.admin.get(f"/dead-letters/{missing}"),
        await world.admin.patch(f"/dead-letters/{missing}", json={"data": {}}),
        await post(world, f"{missing}/replay"),
        await post(world, f"{missing}/discard", reason="a test"),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "dead_letter_not_found")


TOLD_FIELDS = (
    "event_id",
    "type",
    "version",
    "occurred_at",
    "correlation_id",
    "causation_id",
    "actor",
)


def of_policies(publisher: str) -> Subscription:
    found = [s for s in subscriptions(policies_consumers) if s.publisher == publisher]
    return found[0]


def halves(answers: Sequence[Any]) -> list[tuple[Any, Any]]:
    middle = len(answers) // 2
    return list(zip(answers[:middle], answers[middle:], strict=True))
