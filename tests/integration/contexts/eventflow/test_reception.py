"""Events over HTTP: what is taken in, what is refused, and what can be seen."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from robosure.contexts.eventflow.tables import events
from robosure.contexts.identity.tables import api_keys
from robosure.contexts.robots.events import RobotRegistered
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.platform.database import Database
from robosure.platform.events import publish
from robosure.platform.runtime import Runtime
from robosure.platform.streams.bus import INGEST, INGEST_GROUP
from tests.integration.contexts.eventflow.conftest import (
    ROBOT,
    cloud_event,
    rows,
)
from tests.support import ApiClient, Delivery, FixedClock, code_of

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"


async def send(
    client: httpx.AsyncClient, content: Any, kind: str = BATCH, **headers: str
) -> httpx.Response:
    body = content if isinstance(content, (str, bytes)) else json.dumps(content)
    return await client.post(
        "/events", content=body, headers={"Content-Type": kind, **headers}
    )


async def a_robot_of(
    database: Database, operator: UUID, maker: UUID, *, robot: UUID = ROBOT
) -> None:
    async with database.write() as session:
        registered = RobotRegistered(
            robot_id=robot,
            serial_number="1",
            model_id=uuid7(),
            manufacturer_id=maker,
            operator_id=operator,
            robot_class="cobot",
            insured_value=Money(1, "EUR"),
            commissioned_on=date(2022, 3, 1),
            operating_environment="factory",
        )
        publish(session, registered)


def refused(answer: httpx.Response) -> dict[int, str]:
    """Why which events were refused, by their place, having checked the counts."""
    assert answer.status_code == 202, answer.text
    receipt = answer.json()
    assert receipt["refused"] == len(receipt["refusals"])
    return {refusal["index"]: refusal["code"] for refusal in receipt["refusals"]}


async def waiting(runtime: Runtime) -> int:
    """How many entries wait to be processed."""
    partitions = runtime.settings.event_partitions
    backlog = await runtime.bus.backlog(INGEST, INGEST_GROUP, partitions=partitions)
    return backlog.entries


@pytest.mark.parametrize(
    ("kind", "content", "accepted"),
    [
        (ONE, cloud_event(), 1),
        (f"{ONE}; charset=utf-8", cloud_event(), 1),
        (BATCH, [cloud_event(0), cloud_event(1)], 2),
        (BATCH, [], 0),
        (LINES, f"{json.dumps(cloud_event(0))}\n{json.dumps(cloud_event(1))}\n", 2),
    ],
)
async def test_events_come_alone_as_a_batch_or_as_lines(
    api: ApiClient, deliver: Delivery, kind: str, content: Any, accepted: int
) -> None:
    admin = api.as_("admin")

    sent = await send(admin, content, kind)
    await deliver()

    assert refused(sent) == {}
    assert sent.json()["accepted"] == accepted
    listed = (await admin.get("/events")).json()["items"]
    assert len(listed) == accepted


async def test_each_event_is_judged_for_itself(
    api: ApiClient, deliver: Delivery
) -> None:
    # given a batch with one of every fault between good events
    without_id = cloud_event(3)
    del without_id["id"]
    batch = [
        cloud_event(0),
        cloud_event(1, data={"joint_currents": ["1.5"]}),
        cloud_event(2, type="robot.gossip.v1"),
        without_id,
        cloud_event(4, time="this morning"),
        cloud_event(5, subject="the red one"),
        "not an event",
        cloud_event(7, source=f"/robots/{uuid7()}"),
        cloud_event(8),
    ]

    # when it is sent
    admin = api.as_("admin")
    sent = await send(admin, batch)
    await deliver()

    # then the good ones are accepted and each other is refused with its reason
    assert refused(sent) == {
        1: "invalid_data",
        2: "unknown_event_type",
        3: "missing_attribute",
        4: "invalid_time",
        5: "invalid_subject",
        6: "not_an_object",
        7: "source_of_another_robot",
    }
    assert sent.json()["accepted"] == 2
    assert sent.json()["refusals"][0] == {
        "index": 1,
        "id": "event-1",
        "code": "invalid_data",
        "detail": "data.joint_currents.0: Input should be a valid number",
    }
    listed = (await admin.get("/events")).json()["items"]
    assert sorted(event["id"] for event in listed) == ["event-0", "event-8"]


@pytest.mark.parametrize(
    ("kind", "content", "status", "code"),
    [
        ("application/json", "[]", 415, "unsupported_media_type"),
        (BATCH, "[{", 400, "malformed_json"),
        (ONE, "", 400, "malformed_json"),
        (LINES, "nonsense\n", 400, "malformed_json"),
        (BATCH, '[{"id": NaN}]', 400, "malformed_json"),
        (BATCH, "{}", 422, "not_a_batch"),
        (BATCH, [cloud_event(n) for n in range(1001)], 413, "too_many_events"),
        (BATCH, b" " * 10_000_000, 413, "body_too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused_as_a_whole(
    *,
    api: ApiClient,
    runtime: Runtime,
    kind: str,
    content: Any,
    status: int,
    code: str,
) -> None:
    answer = await send(api.as_("admin"), content, kind)

    assert (answer.status_code, code_of(answer)) == (status, code)
    assert await waiting(runtime) == 0


async def test_a_thousand_events_are_taken_at_once(
    api: ApiClient, deliver: Delivery
) -> None:
    admin = api.as_("admin")

    sent = await send(admin, [cloud_event(n) for n in range(1000)])
    await deliver()

    assert sent.json()["accepted"] == 1000
    counts = await admin.get("/event-counts", params={"subject": str(ROBOT)})
    assert counts.json() == {
        "subject": str(ROBOT),
        "stored": 1000,
        "repeated": 0,
        "failed": 0,
        "first_at": "2026-03-02T08:00:00Z",
        "last_at": "2026-03-02T08:16:39Z",
    }


async def test_a_request_repeated_with_its_key_counts_no_repeats(
    api: ApiClient, deliver: Delivery
) -> None:
    admin = api.as_("admin", subject=uuid7())
    batch = [cloud_event(0)]
    key = {"Idempotency-Key": "6a1c"}

    first = await send(admin, batch, **key)
    again = await send(admin, batch, **key)
    await deliver()
    assert first.json() == again.json()
    counts = await admin.get("/event-counts", params={"subject": str(ROBOT)})
    assert (counts.json()["stored"], counts.json()["repeated"]) == (1, 0)

    # without the key it is a repeat like any other
    await send(admin, batch)
    await deliver()
    counts = await admin.get("/event-counts", params={"subject": str(ROBOT)})
    assert (counts.json()["stored"], counts.json()["repeated"]) == (1, 1)


async def test_what_was_refused_and_is_accepted_when_sent_again_is_not_lost(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    # given a request of which one event is of a robot not heard of yet
    operator, late = uuid7(), uuid7()
    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    await a_robot_of(database, operator, uuid7())
    await deliver()
    batch, key = [cloud_event(0), cloud_event(1, subject=str(late))], "one-intent"
    first = await send(operators, batch, **{"Idempotency-Key": key})
    assert refused(first) == {1: "robot_not_known"}
    # when it is sent again, with its key, once that robot is known
    await a_robot_of(database, operator, uuid7(), robot=late)
    await deliver()
    again = await send(operators, batch, **{"Idempotency-Key": key})
    await deliver()
    # then both are accepted, and both are there
    assert refused(again) == {}
    for robot in (ROBOT, late):
        counts = await operators.get("/event-counts", params={"subject": str(robot)})
        assert counts.json()["stored"] == 1


async def test_a_key_bound_to_another_operators_robot_speaks_for_nobody(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    # given a robot, and a stranger's API key that claims to be bound to it
    await a_robot_of(database, uuid7(), uuid7())
    await deliver()
    strangers_key = await an_api_key(api, robot_id=str(ROBOT))
    # when it sends an event of it
    sent = await send(strangers_key, [cloud_event(0)])
    await deliver()
    # then nothing comes in
    assert refused(sent) == {0: "robot_not_known"}
    assert await rows(database, events) == []


async def test_more_readers_with_keys_than_connections_all_get_their_answer(
    api: ApiClient,
) -> None:
    reader = await an_api_key(api, scopes=["events:read"])
    answers = await asyncio.gather(*(reader.get("/events") for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}


async def test_a_key_bound_to_one_robot_reads_of_no_other_even_an_insurers(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    # given events of two robots, and an insurer's key bound to the first
    other = uuid7()
    await a_robot_of(database, uuid7(), uuid7())
    batch = [cloud_event(0), cloud_event(1, subject=str(other))]
    await send(api.as_("admin"), batch)
    await deliver()
    key = replace(api.principal("admin"), kind="api_key", robot_id=ROBOT)
    # when it lists events
    with api.taking_all_for(key):
        answer = await api.anonymous().get("/events")
    # then it sees those of its robot
    assert [event["subject"] for event in answer.json()["items"]] == [str(ROBOT)]


async def an_api_key(api: ApiClient, **given: Any) -> httpx.AsyncClient:
    """A key of a new operator's."""
    admin = api.as_("admin")
    operator = {"kind": "operator", "name": "Stranger", "country": "DE"}
    organisation = await admin.post(
        "/organisations", json={**operator, "email": "stranger@example.com"}
    )
    asked = {"name": "a key", "scopes": ["events:write"]} | given
    key = await admin.post(
        "/api-keys", json={**asked, "organisation_id": organisation.json()["id"]}
    )
    assert key.status_code == 201, key.text
    client = api.anonymous()
    client.headers["X-API-Key"] = key.json()["key"]
    return client


async def test_an_operator_tells_and_sees_only_of_its_own_robots(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    # given a robot of an operator, not heard of here yet
    operator, maker = uuid7(), uuid7()
    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    early = await send(operators, [cloud_event(0)])
    assert refused(early) == {0: "robot_not_known"}
    await a_robot_of(database, operator, maker)
    await deliver()

    # when the operator and a stranger send events of it
    sent = await send(operators, [cloud_event(0), cloud_event(1, subject=str(uuid7()))])
    stranger = api.as_("operator_admin", kind="operator")
    strange = await send(stranger, [cloud_event(2)])
    await deliver()

    # then only its own come in
    assert refused(sent) == {1: "robot_not_known"}
    assert refused(strange) == {0: "robot_not_known"}

    # and only those related to it see them
    makers = api.as_("manufacturer_admin", organisation=maker, kind="manufacturer")
    params = {"subject": str(ROBOT)}
    for client in (operators, makers, api.as_("underwriter")):
        (event,) = (await client.get("/events")).json()["items"]
        assert (await client.get(f"/events/{event['uid']}")).json() == event
        counts = await client.get("/event-counts", params=params)
        assert counts.json()["stored"] == 1
    (event,) = (await operators.get("/events")).json()["items"]
    assert (await stranger.get("/events")).json()["items"] == []
    unseen = await stranger.get(f"/events/{event['uid']}")
    assert code_of(unseen) == "event_not_found"
    uncounted = await stranger.get("/event-counts", params=params)
    assert code_of(uncounted) == "subject_not_found"


async def test_events_are_found_by_what_they_are(
    api: ApiClient, deliver: Delivery
) -> None:
    admin = api.as_("admin")
    await send(admin, [cloud_event(n) for n in range(5)])
    await send(admin, [cloud_event(9, source="/cells/9", subject=str(uuid7()))])
    await deliver()

    async def found(**params: str) -> list[str]:
        answer = await admin.get("/events", params=params)
        assert answer.status_code == 200, answer.text
        return [event["id"] for event in answer.json()["items"]]

    assert len(await found()) == 6
    assert await found(source="/cells/9") == ["event-9"]
    assert await found(source="/cells/4", id="event-3") == ["event-3"]
    assert len(await found(subject=str(ROBOT), type="robot.telemetry.v1")) == 5
    assert await found(type="robot.gossip.v1") == []
    window = {"from": "2026-03-02T08:00:01Z", "to": "2026-03-02T08:00:03Z"}
    assert sorted(await found(**window)) == ["event-1", "event-2"]

    first = (await admin.get("/events", params={"limit": "4"})).json()
    rest = await admin.get(
        "/events", params={"limit": "4", "cursor": first["next_cursor"]}
    )
    pages = [*first["items"], *rest.json()["items"]]
    assert len({event["uid"] for event in pages}) == 6
    assert rest.json()["next_cursor"] is None

    for bad in ({"from": "2026-03-02T08:00:01"}, {"source": "a\0b"}, {"subject": "x"}):
        assert code_of(await admin.get("/events", params=bad)) == "invalid_request"


async def test_counts_of_a_robot_that_sent_nothing_are_zero(api: ApiClient) -> None:
    silent = str(uuid7())

    counts = await api.as_("admin").get("/event-counts", params={"subject": silent})

    assert counts.json() == {
        "subject": silent,
        "stored": 0,
        "repeated": 0,
        "failed": 0,
        "first_at": None,
        "last_at": None,
    }


async def test_who_may_not_write_is_refused(api: ApiClient, runtime: Runtime) -> None:
    batch = [cloud_event(0)]

    assert code_of(await send(api.anonymous(), batch)) == "not_signed_in"
    forbidden = await send(api.as_("adjuster"), batch)
    assert (forbidden.status_code, code_of(forbidden)) == (403, "permission_required")
    assert await waiting(runtime) == 0


async def test_batches_sent_at_the_same_time_are_all_accepted(
    api: ApiClient, deliver: Delivery
) -> None:
    admin = api.as_("admin")
    batches = [[cloud_event(n * 10 + k) for k in range(10)] for n in range(20)]

    answers = await asyncio.gather(*(send(admin, batch) for batch in batches))
    await deliver()

    assert {answer.status_code for answer in answers} == {202}
    counts = await admin.get("/event-counts", params={"subject": str(ROBOT)})
    assert counts.json()["stored"] == 200


async def test_a_key_bound_to_a_robot_tells_and_sees_of_that_one_only(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    # given an operator with a robot, and a key bound to it
    organisation = {
        "kind": "operator",
        "name": "Fjord Assembly",
        "email": "office@example.com",
        "country": "NO",
    }
    registered = await api.as_("admin").post("/organisations", json=organisation)
    operator = UUID(registered.json()["id"])
    await a_robot_of(database, operator, uuid7())
    await deliver()
    operators = api.as_("operator_admin", organisation=operator, kind="operator")
    key = {
        "name": "Cell 4",
        "scopes": ["events:write", "events:read"],
        "robot_id": str(ROBOT),
    }
    issued = await operators.post("/api-keys", json=key)
    device = api.anonymous()
    device.headers["X-API-Key"] = issued.json()["key"]

    # when it sends an event of its own and one of another robot
    sent = await send(device, [cloud_event(0), cloud_event(1, subject=str(uuid7()))])
    await deliver()

    # then only its own comes in, and is seen
    assert refused(sent) == {1: "bound_to_another_robot"}
    assert [e["id"] for e in (await device.get("/events")).json()["items"]] == [
        "event-0"
    ]


async def test_a_time_is_stored_as_the_moment_it_is(
    api: ApiClient, deliver: Delivery
) -> None:
    # given the same moment, written with two offsets
    admin = api.as_("admin")
    event = cloud_event(0, time="2026-03-02T13:30:00.25+05:30")
    same = cloud_event(1, time="2026-03-02T08:00:00.25Z")
    # when
    await send(admin, [event, same])
    await deliver()
    # then
    listed = (await admin.get("/events")).json()["items"]
    assert {each["time"] for each in listed} == {"2026-03-02T08:00:00.250000Z"}


async def test_a_subject_in_another_spelling_is_the_same_robot(
    api: ApiClient, deliver: Delivery
) -> None:
    admin = api.as_("admin")
    await send(admin, [cloud_event(0, subject=str(ROBOT).upper())])
    await send(admin, [cloud_event(0)])
    await deliver()

    counts = await admin.get("/event-counts", params={"subject": str(ROBOT)})
    assert (counts.json()["stored"], counts.json()["repeated"]) == (1, 1)


async def test_extension_attributes_are_passed_over(
    api: ApiClient, deliver: Delivery
) -> None:
    admin = api.as_("admin")
    sent = await send(admin, cloud_event(0, traceparent="00-1-2-01"), ONE)
    await deliver()

    assert refused(sent) == {}
    (event,) = (await admin.get("/events")).json()["items"]
    assert event["data"] == {"speed": 0.0}


async def test_events_are_refused_while_too_much_waits(
    api: ApiClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a backlog at its limit
    admin = api.as_("admin")
    await send(admin, [cloud_event(0)])
    edge = api.edge
    settings = runtime.settings.model_copy(update={"event_backlog_limit": 1})
    monkeypatch.setattr(edge.pressure, "_settings", settings)
    await edge.pressure.measure()
    # when more comes
    answer = await send(admin, [cloud_event(1)])
    # then it is refused with the limit, and when to come again
    assert (answer.status_code, code_of(answer)) == (503, "overloaded")
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["context"] == {"of": "backlog", "limit": 1, "measured": 1}
    assert await waiting(runtime) == 1
    # and is taken once there is room
    monkeypatch.undo()
    await edge.pressure.measure()
    assert refused(await send(admin, [cloud_event(1)])) == {}


async def test_a_revoked_key_sends_events_for_less_than_five_seconds_more(
    api: ApiClient, database: Database, clock: FixedClock
) -> None:
    # given a key that has just sent an event
    device = await an_api_key(api)
    assert refused(await send(device, [cloud_event(0)])) == {0: "robot_not_known"}
    # when it is revoked
    (key,) = await rows(database, api_keys)
    revoked = await api.as_("admin").delete(f"/api-keys/{key.id}")
    assert revoked.status_code == 204
    # then all else is refused at once, and events within five seconds
    assert code_of(await device.get("/auth/me")) == "invalid_api_key"
    assert (await send(device, [cloud_event(0)])).status_code == 202
    clock.advance(timedelta(seconds=5))
    late = await send(device, [cloud_event(0)])
    assert (late.status_code, code_of(late)) == (401, "invalid_api_key")
