"""Webhook endpoints and their delivery log over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from robosure.contexts.notifications.repository.webhooks import MOST_ENDPOINTS
from robosure.kernel.ids import uuid7
from robosure.platform.runtime import Runtime
from tests.integration.contexts.notifications.conftest import HOLDER
from tests.integration.contexts.notifications.receiver import Answer, Receiver
from tests.integration.contexts.notifications.webhooks import World
from tests.support import ApiClient, Deferred, FixedClock, code_of

URL = "https://fleet.acme.example/robosure"
NOON = "2026-03-02T12:00:00Z"


@pytest.fixture
def world(runtime: Runtime, clock: FixedClock) -> World:
    return World(runtime)


@pytest.fixture
def acme(api: ApiClient) -> httpx.AsyncClient:
    """Who manages the holder's endpoints."""
    return api.as_("operator_admin", organisation=HOLDER, kind="operator")


async def registered(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Register an endpoint; return it with its secret."""
    response = await client.post("/webhook-endpoints", json={"url": URL, **fields})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return {**answer["endpoint"], "secret": answer["secret"]}


async def test_an_endpoint_is_registered_read_changed_and_removed(
    acme: httpx.AsyncClient,
) -> None:
    # given an endpoint that is told of everything
    response = await acme.post(
        "/webhook-endpoints", json={"url": URL, "description": " Fleet "}
    )
    assert (response.status_code, response.headers["etag"]) == (201, '"1"')
    assert response.headers["cache-control"] == "no-store"
    endpoint = response.json()["endpoint"]
    path = f"/webhook-endpoints/{endpoint['id']}"
    assert endpoint == {
        "id": endpoint["id"],
        "url": URL,
        "description": "Fleet",
        "event_types": None,
        "status": "enabled",
        "disabled_at": None,
        "disabled_reason": None,
        "created_at": NOON,
        "secrets": [{"made_at": NOON, "ends_at": None}],
        "failures": 0,
        "failing_since": None,
        "held_until": None,
        "delivered_at": None,
    }
    # when it is read, alone and in the list
    read = await acme.get(path)
    assert (read.json(), read.headers["etag"]) == (endpoint, '"1"')
    assert (await acme.get("/webhook-endpoints")).json()["items"] == [endpoint]
    # and described anew by who has seen it
    changed = await acme.put(
        path,
        json={"url": f"{URL}/2", "event_types": ["claim.paid", "policy.bound"]},
        headers={"If-Match": '"1"'},
    )
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == {
        **endpoint,
        "url": f"{URL}/2",
        "description": "",
        "event_types": ["policy.bound", "claim.paid"],
    }
    assert (await acme.get(path)).json() == changed.json()
    # then it is removed by nobody who has not, and by who has
    stale = await acme.delete(path, headers={"If-Match": '"1"'})
    assert (stale.status_code, code_of(stale)) == (412, "stale_version")
    assert (await acme.get(path)).status_code == 200
    removed = await acme.delete(path, headers={"If-Match": '"2"'})
    assert removed.status_code == 204
    gone = await acme.get(path)
    assert (gone.status_code, code_of(gone)) == (404, "webhook_endpoint_not_found")


async def test_a_change_of_what_somebody_else_changed_is_refused(
    acme: httpx.AsyncClient,
) -> None:
    endpoint = await registered(acme)
    path = f"/webhook-endpoints/{endpoint['id']}"
    await acme.put(path, json={"url": f"{URL}/2"})
    stale = await acme.put(path, json={"url": f"{URL}/3"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, code_of(stale)) == (412, "stale_version")
    assert (await acme.get(path)).json()["url"] == f"{URL}/2"


async def test_how_it_answers_does_not_make_stale_what_somebody_edits(
    acme: httpx.AsyncClient, world: World, receiver: Receiver
) -> None:
    # given an endpoint that fails after it was read
    endpoint, _ = await world.endpoint(receiver.url)
    path = f"/webhook-endpoints/{endpoint.id}"
    etag = (await acme.get(path)).headers["etag"]
    receiver.answer = Answer(500)
    await world.tell()
    await world.send()
    assert (await acme.get(path)).json()["failures"] == 1
    # when it is changed as it was read, then nobody is in the way
    changed = await acme.put(path, json={"url": URL}, headers={"If-Match": etag})
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"url": "http://fleet.acme.example/"}, "invalid_webhook_url"),
        ({"url": "https://10.0.0.1/"}, "invalid_webhook_url"),
        ({"url": "https://[::ffff:127.0.0.1]:8443/"}, "invalid_webhook_url"),
        ({"url": "fleet.acme.example"}, "invalid_webhook_url"),
        ({"url": ""}, "invalid_request"),
        ({"event_types": []}, "invalid_request"),
        ({"event_types": ["claim.eaten"]}, "invalid_request"),
        ({"event_types": ["webhook.ping"]}, "invalid_request"),
        ({"description": "a\nb"}, "invalid_request"),
        ({"secret": "whsec_mine"}, "invalid_request"),
    ],
)
async def test_an_endpoint_that_cannot_be_is_refused(
    acme: httpx.AsyncClient, world: World, fields: dict[str, Any], code: str
) -> None:
    response = await acme.post("/webhook-endpoints", json={"url": URL, **fields})
    assert (response.status_code, code_of(response)) == (422, code)
    (wrong,) = response.json()["errors"]
    assert wrong["field"].split(".")[1 if code == "invalid_request" else 0] in fields
    assert await world.endpoints() == []
    # and an endpoint that is there does not become one
    endpoint = await registered(acme)
    path = f"/webhook-endpoints/{endpoint['id']}"
    response = await acme.put(path, json={"url": URL, **fields})
    assert (response.status_code, code_of(response)) == (422, code)
    assert (await acme.get(path)).headers["etag"] == '"1"'


async def test_an_organisation_has_so_many_endpoints_and_no_more(
    acme: httpx.AsyncClient, api: ApiClient, world: World
) -> None:
    for _ in range(MOST_ENDPOINTS):
        await world.endpoint(URL)
    response = await acme.post("/webhook-endpoints", json={"url": URL})
    assert (response.status_code, code_of(response)) == (
        409, "too_many_webhook_endpoints",
    )  # fmt: skip
    assert len(await world.endpoints()) == MOST_ENDPOINTS
    async with api.as_("manufacturer_admin", kind="manufacturer") as other:
        await registered(other)


async def test_the_secret_is_shown_once_and_nowhere_else(
    acme: httpx.AsyncClient, runtime: Runtime, world: World
) -> None:
    # given an endpoint whose secret was rotated, with the same key as somebody's retry
    endpoint = await registered(acme)
    path = f"/webhook-endpoints/{endpoint['id']}"
    rotated = await acme.post(f"{path}/rotate-secret", json={})
    assert rotated.status_code == 200
    assert rotated.headers["cache-control"] == "no-store"
    new = rotated.json()["secret"]
    assert new.startswith("whsec_")
    assert new != endpoint["secret"]
    assert rotated.json()["endpoint"]["secrets"] == [
        {"made_at": NOON, "ends_at": None},
        {"made_at": NOON, "ends_at": "2026-03-03T12:00:00Z"},
    ]
    # then neither is in what is read, nor as it is in the database
    for secret in (endpoint["secret"], new):
        assert secret not in (await acme.get(path)).text
        assert secret not in (await acme.get("/webhook-endpoints")).text
        assert secret not in str(await world.endpoints())
    async with runtime.database.read() as session:
        kept = await session.execute(text("SELECT * FROM platform.idempotency_keys"))
        assert kept.all() == []
    # and after a leak the old one ends at once
    leaked = await acme.post(f"{path}/rotate-secret", json={"end_previous": True})
    assert len(leaked.json()["endpoint"]["secrets"]) == 1


async def test_a_test_sends_a_ping_and_the_log_shows_what_came_of_it(
    acme: httpx.AsyncClient, world: World, receiver: Receiver, deferred: Deferred
) -> None:
    # given an endpoint that refuses
    endpoint, _ = await world.endpoint(receiver.url)
    receiver.answer = Answer(503, "come back later")
    # when it is tested, by somebody who repeats himself
    asked = [
        await acme.post(
            f"/webhook-endpoints/{endpoint.id}/test",
            headers={"Idempotency-Key": "test-1"},
        )
        for _ in range(2)
    ]
    ping = asked[0].json()
    assert [(each.status_code, each.json()) for each in asked] == [(202, ping)] * 2
    assert (ping["event_type"], ping["status"], ping["attempts"]) == (
        "webhook.ping", "pending", 0,
    )  # fmt: skip
    assert [job.name for job, _ in deferred.jobs] == ["notifications.send_webhooks"]
    await world.send()
    # then the log tells of one ping, and of what the receiver said
    read = (await acme.get(f"/webhook-deliveries/{ping['id']}")).json()
    assert (read["status"], read["attempts"], read["error"]) == (
        "pending", 1, "answered 503",
    )  # fmt: skip
    assert read["next_attempt_at"] == "2026-03-02T12:00:05Z"
    assert read["body"] == receiver.requests[0].body.decode()
    assert read["body"] == (
        f'{{"type":"webhook.ping","timestamp":"{NOON}",'
        f'"data":{{"endpoint_id":"{endpoint.id}"}}}}'
    )
    (attempt,) = read["tries"]
    assert (attempt["outcome"], attempt["status"], attempt["answer"]) == (
        "refused", 503, "come back later",
    )  # fmt: skip
    assert attempt["duration_ms"] >= 0
    assert len(receiver.requests) == 1


async def test_a_held_endpoint_is_asked_at_once_when_somebody_wants_to_know(
    acme: httpx.AsyncClient, world: World, receiver: Receiver
) -> None:
    # given an endpoint that wants to be left alone
    endpoint, _ = await world.endpoint(receiver.url)
    receiver.answer = Answer(429, headers={"Retry-After": "3600"})
    await world.tell()
    await world.send()
    path = f"/webhook-endpoints/{endpoint.id}"
    assert (await acme.get(path)).json()["held_until"] == "2026-03-02T13:00:00Z"
    # when it is tested
    receiver.answer = Answer()
    await acme.post(f"{path}/test")
    await world.send()
    # then it was asked, and is well again
    assert len(receiver.requests) == 2
    health = (await acme.get(path)).json()
    assert (health["held_until"], health["failures"]) == (None, 0)


async def test_a_delivery_is_sent_once_more_with_the_same_id(
    acme: httpx.AsyncClient, world: World, receiver: Receiver, deferred: Deferred
) -> None:
    # given a delivery that arrived, and that the receiver lost
    await world.endpoint(receiver.url)
    await world.tell()
    await world.send()
    (delivery,) = await world.deliveries()
    # when somebody asks for it, and repeats himself
    for _ in range(2):
        response = await acme.post(
            f"/webhook-deliveries/{delivery.id}/redeliver",
            headers={"Idempotency-Key": "again-1"},
        )
        assert response.status_code == 202
        assert response.json()["status"] == "pending"
        await world.send()
    # then it arrived once more
    first, second = receiver.requests
    assert (first.message_id, first.body) == (second.message_id, second.body)
    read = (await acme.get(f"/webhook-deliveries/{delivery.id}")).json()
    assert (read["status"], read["attempts"]) == ("delivered", 2)
    assert [each["number"] for each in read["tries"]] == [2, 1]
    assert len(deferred.jobs) == 1


async def test_nothing_is_sent_to_a_disabled_endpoint_even_if_asked_for(
    acme: httpx.AsyncClient, world: World, receiver: Receiver, deferred: Deferred
) -> None:
    # given a disabled endpoint, with a delivery that arrived
    endpoint, _ = await world.endpoint(receiver.url)
    await world.tell()
    await world.send()
    path = f"/webhook-endpoints/{endpoint.id}"
    disabled = await acme.post(f"{path}/disable")
    assert (disabled.json()["status"], disabled.json()["disabled_at"]) == (
        "disabled", NOON,
    )  # fmt: skip
    before = await world.deliveries()
    # when it is tested, and the delivery asked for
    for asked in (f"{path}/test", f"/webhook-deliveries/{before[0].id}/redeliver"):
        response = await acme.post(asked)
        # then that is refused, and nothing has changed
        assert (response.status_code, code_of(response)) == (
            409, "webhook_endpoint_disabled",
        )  # fmt: skip
    assert await world.deliveries() == before
    assert deferred.jobs == []
    # and enabled it is served again
    enabled = await acme.post(f"{path}/enable")
    assert (enabled.json()["status"], enabled.json()["disabled_at"]) == (
        "enabled", None,
    )  # fmt: skip
    assert [job.name for job, _ in deferred.jobs] == ["notifications.send_webhooks"]


async def test_what_is_being_sent_is_not_asked_for_again(
    acme: httpx.AsyncClient, world: World, receiver: Receiver
) -> None:
    # given a delivery that is asked for while it is under way
    await world.endpoint(receiver.url)
    await world.tell()
    (delivery,) = await world.deliveries()
    answers: list[httpx.Response] = []

    async def ask(_: Any) -> Answer:
        path = f"/webhook-deliveries/{delivery.id}/redeliver"
        answers.append(await acme.post(path))
        return Answer()

    receiver.behaviour = ask
    await world.send()
    # then that is refused, and it arrived once
    (response,) = answers
    assert (response.status_code, code_of(response)) == (409, "webhook_being_sent")
    assert (await world.deliveries())[0].status == "delivered"


async def test_the_log_is_searched(
    acme: httpx.AsyncClient, world: World, receiver: Receiver
) -> None:
    # given one delivery that arrived, and a ping that waits
    endpoint, _ = await world.endpoint(receiver.url)
    await world.tell()
    await world.send()
    path = f"/webhook-endpoints/{endpoint.id}"
    await acme.post(f"{path}/test")

    async def found(**params: str) -> list[str]:
        response = await acme.get(f"{path}/deliveries", params=params)
        assert response.status_code == 200, response.text
        return [each["event_type"] for each in response.json()["items"]]

    # then each is found by what it is
    assert await found() == ["webhook.ping", "instalment.paid"]
    assert await found(status="delivered") == ["instalment.paid"]
    assert await found(event_type="webhook.ping") == ["webhook.ping"]
    assert await found(status="failed") == []
    assert len(await found(since=NOON)) == 2
    assert await found(until=NOON) == []


@pytest.mark.parametrize("role", ["operator_admin", "manufacturer_admin", "admin"])
async def test_an_organisation_manages_its_own_and_finds_nobody_elses(
    api: ApiClient, world: World, receiver: Receiver, role: str
) -> None:
    # given an endpoint of one organisation, and a delivery to it
    endpoint, _ = await world.endpoint(receiver.url)
    await world.tell()
    path = f"/webhook-endpoints/{endpoint.id}"
    (delivery,) = await world.deliveries()
    before = [await world.endpoints(), await world.deliveries()]
    # when somebody of another asks for either, in any way
    async with api.as_(role) as stranger:
        answers = [
            await stranger.get(path),
            await stranger.put(path, json={"url": URL}),
            await stranger.delete(path),
            await stranger.post(f"{path}/rotate-secret", json={}),
            await stranger.post(f"{path}/enable"),
            await stranger.post(f"{path}/disable"),
            await stranger.post(f"{path}/test"),
            await stranger.get(f"{path}/deliveries"),
            await stranger.get(f"/webhook-deliveries/{delivery.id}"),
            await stranger.post(f"/webhook-deliveries/{delivery.id}/redeliver"),
        ]
        listed = await stranger.get("/webhook-endpoints")
    # then there is none, and nothing has changed
    assert {answer.status_code for answer in answers} == {404}
    assert {code_of(answer) for answer in answers} == {
        "webhook_endpoint_not_found", "webhook_delivery_not_found",
    }  # fmt: skip
    assert listed.json()["items"] == []
    assert [await world.endpoints(), await world.deliveries()] == before


@pytest.mark.parametrize("role", ["policyholder", "device", "adjuster", "support"])
@pytest.mark.parametrize("path", ["/webhook-endpoints", "/webhook-event-types"])
async def test_who_does_not_manage_webhooks_is_refused(
    api: ApiClient, role: str, path: str
) -> None:
    async with api.as_(role, organisation=HOLDER) as someone:
        response = await someone.get(path)
    assert (response.status_code, code_of(response)) == (403, "permission_required")


async def test_every_type_of_event_can_be_looked_up(acme: httpx.AsyncClient) -> None:
    response = await acme.get("/webhook-event-types")
    found = {each["type"]: each for each in response.json()["items"]}
    assert set(found) == {
        "policy.bound", "instalment.paid", "instalment.failed", "claim.reported",
        "claim.decided", "claim.paid", "robot.registered", "robot.changed",
        "robot.risk_changed", "webhook.ping",
    }  # fmt: skip
    assert found["claim.paid"]["description"] == (
        "A settlement was paid, and the claim is closed."
    )


async def test_what_is_not_there_is_not_found(acme: httpx.AsyncClient) -> None:
    endpoint, delivery = (
        f"/webhook-endpoints/{uuid7()}",
        f"/webhook-deliveries/{uuid7()}",
    )
    answers = [
        await acme.get(endpoint),
        await acme.post(f"{endpoint}/test"),
        await acme.get(delivery),
        await acme.post(f"{delivery}/redeliver"),
    ]
    assert [(each.status_code, code_of(each)) for each in answers] == [
        (404, "webhook_endpoint_not_found"), (404, "webhook_endpoint_not_found"),
        (404, "webhook_delivery_not_found"), (404, "webhook_delivery_not_found"),
    ]  # fmt: skip


async def test_null_asks_for_everything_as_leaving_the_types_out_does(
    acme: httpx.AsyncClient,
) -> None:
    endpoint = await registered(acme, event_types=None)
    assert endpoint["event_types"] is None
    # and an empty choice is still refused
    answer = await acme.post("/webhook-endpoints", json={"url": URL, "event_types": []})
    assert (answer.status_code, code_of(answer)) == (422, "invalid_request")
