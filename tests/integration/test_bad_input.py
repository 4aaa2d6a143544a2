"""Bad input gets a clear problem document, changes nothing, and loses nothing good."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from robosure.entrypoints.demo.simulator import simulate_fleet
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from robosure.platform.security import Tokens
from tests.journey import (
    BATCH,
    Json,
    World,
    answered,
    events_of,
    nothing_changes,
)
from tests.support import ApiClient, Delivery, FixedClock, code_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""Of the first day of cover, and the present in these tests."""
TEN_MEGABYTES = 10 * 1024 * 1024


@pytest.fixture
async def world(api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
    return await World.build(api, deliver, runtime)


@pytest.fixture
async def robot_id(world: World) -> UUID:
    (robot_id,) = await world.robots()
    return robot_id


def some_events(robot_id: UUID) -> list[Json]:
    (samples,) = simulate_fleet(seed=1, robots=1, hours=0.01)
    return events_of(robot_id, samples)


def assert_refused(response: httpx.Response, status: int, code: str) -> Json:
    """Assert that it is a problem document that says this, and quotes the request."""
    assert (response.status_code, code_of(response)) == (status, code)
    problem: Json = response.json()
    assert problem["type"] == f"https://robosure.dev/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-ID"]
    return problem


# --- the shape of a request -----------------------------------------------------------


async def test_malformed_json_is_refused_and_says_where(
    world: World, database: Database
) -> None:
    async with nothing_changes(database):
        answer = await world.underwriter.post(
            "/quotes",
            content=b'{"holder_id": "x",',
            headers={"Content-Type": "application/json"},
        )
    problem = assert_refused(answer, 400, "malformed_json")
    assert problem["errors"][0]["field"] == "body.18"


@pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", BATCH, "application/x-ndjson"]
)
async def test_malformed_events_are_refused_and_nothing_is_taken_in(
    world: World, database: Database, content_type: str
) -> None:
    async with nothing_changes(database):
        answer = await world.device.post(
            "/events", content=b'[{"id": ', headers={"Content-Type": content_type}
        )
        await world.deliver()
    assert_refused(answer, 400, "malformed_json")


async def test_a_field_that_is_missing_wrong_or_unknown_is_named(
    world: World, database: Database
) -> None:
    async with nothing_changes(database):
        answer = await world.underwriter.post(
            "/quotes", json={"holder_id": "nobody", "colour": "red"}
        )
    problem = assert_refused(answer, 422, "invalid_request")
    fields = {each["field"]: each["code"] for each in problem["errors"]}
    assert fields["body.holder_id"] == "uuid_parsing"
    assert fields["body.colour"] == "extra_forbidden"
    assert fields["body.term"] == "missing"


async def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(
    world: World, robot_id: UUID, database: Database
) -> None:
    async with nothing_changes(database):
        answer = await world.device.post(
            "/events",
            content=b" " * TEN_MEGABYTES,
            headers={"Content-Type": BATCH},
        )
    problem = assert_refused(answer, 413, "body_too_large")
    assert problem["context"] == {"limit_bytes": 8 * 1024 * 1024}


async def test_a_body_that_hides_its_length_is_refused_as_well(
    world: World, robot_id: UUID, database: Database
) -> None:
    async def in_parts() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * (TEN_MEGABYTES // 10)

    async with nothing_changes(database):
        for path, content_type in (
            ("/events", BATCH),
            (f"/robots/{robot_id}/telemetry?profile=ur3-cobotops", "text/csv"),
        ):
            answer = await world.device.post(
                path, content=in_parts(), headers={"Content-Type": content_type}
            )
            assert_refused(answer, 413, "body_too_large")


async def test_a_method_that_a_path_does_not_know_is_told_which_it_knows(
    world: World, database: Database
) -> None:
    # given paths of one route, of several, and one that another's parameter fits too
    known = {
        "/quotes": "GET, POST",
        f"/users/{uuid7()}": "GET, PATCH",
        f"/webhook-endpoints/{uuid7()}": "DELETE, GET, PUT",
        "/dead-letters/replay": "POST",
        "/roles": "GET",
    }
    async with nothing_changes(database):
        for path, methods in known.items():
            answer = await world.admin.request("OPTIONS", path)
            assert_refused(answer, 405, "method_not_allowed")
            assert answer.headers["Allow"] == methods


# --- telemetry ------------------------------------------------------------------------


async def test_a_value_of_the_wrong_type_does_not_keep_good_events_out(
    world: World, robot_id: UUID
) -> None:
    # given good events with bad ones among them: text for a number, a number for yes
    # or no, a negative battery, and no time
    events = some_events(robot_id)
    bad = {
        3: {**events[3], "data": {"joint_currents": [1.0, "2.0"]}},
        7: {**events[7], "data": {"protective_stop": 1}},
        11: {**events[11], "data": {"battery": -1}},
        13: {name: value for name, value in events[13].items() if name != "time"},
    }
    sent = [bad.get(index, event) for index, event in enumerate(events)]
    # when they are sent together
    answer = await world.device.post(
        "/events", json=sent, headers={"Content-Type": BATCH}
    )
    # then each bad one is named with what is wrong about it
    receipt = answered(answer, 202)
    refused = {
        each["index"]: (each["code"], each["detail"]) for each in receipt["refusals"]
    }
    assert refused == {
        3: ("invalid_data", "data.joint_currents.1: Input should be a valid number"),
        7: ("invalid_data", "data.protective_stop: Input should be a valid boolean"),
        11: (
            "invalid_data",
            "data.battery: Input should be greater than or equal to 0",
        ),
        13: ("missing_attribute", "time: Field required"),
    }
    # and every good one is stored
    await world.deliver()
    good = len(events) - len(bad)
    assert receipt["accepted"] == good
    assert await world.counts(robot_id) == (good, 0, 0)
    # and what was bad may be sent again once it is right
    assert await world.send_events(events) == len(events)
    await world.deliver()
    assert await world.counts(robot_id) == (len(events), good, 0)


async def test_an_unknown_type_of_event_is_refused_and_the_others_are_stored(
    world: World, robot_id: UUID
) -> None:
    events = some_events(robot_id)
    sent = [{**events[0], "type": "robot.gossip.v1"}, *events[1:]]
    answer = await world.device.post(
        "/events", json=sent, headers={"Content-Type": BATCH}
    )
    receipt = answered(answer, 202)
    assert receipt["refused"] == 1
    assert receipt["refusals"] == [
        {
            "index": 0,
            "id": events[0]["id"],
            "code": "unknown_event_type",
            "detail": "type: one of robot.telemetry.v1",
        }
    ]
    await world.deliver()
    assert await world.counts(robot_id) == (len(events) - 1, 0, 0)


async def test_a_vendors_row_that_cannot_be_read_does_not_keep_the_others_out(
    world: World, robot_id: UUID
) -> None:
    # given a profile, and rows of which one holds a word where a number should be
    document = {
        "format": "csv",
        "csv": {"delimiter": ";"},
        "timestamp": {"column": "t"},
        "readings": {"tool_current": {"column": "i", "unit": "ampere"}},
    }
    profile = {"name": "my-arm", "title": "My arm", "document": document}
    answered(await world.admin.post("/integration-profiles", json=profile), 201)
    rows = [f"2026-01-05T08:00:{second:02d}Z;0.5" for second in range(10)]
    rows[4] = "2026-01-05T08:00:04Z;much"
    # when they are sent
    answer = await world.device.post(
        f"/robots/{robot_id}/telemetry",
        params={"profile": "my-arm"},
        content="\n".join(["t;i", *rows]),
        headers={"Content-Type": "text/csv"},
    )
    # then the row is named, and the nine others are stored
    receipt = answered(answer, 202)
    (refused,) = receipt["refused"]
    assert (refused["row"], refused["code"]) == (4, "not_a_number")
    assert "much" in refused["detail"]
    await world.deliver()
    assert await world.counts(robot_id) == (9, 0, 0)


# --- quotes, policies and claims ------------------------------------------------------


async def test_an_unknown_policy_is_not_found(world: World, database: Database) -> None:
    async with nothing_changes(database):
        answer = await world.holder.get(f"/policies/{uuid7()}")
        assert_refused(answer, 404, "policy_not_found")
        assert answered(await world.holder.get("/policies?number=POL-2026-000001")) == {
            "items": [],
            "next_cursor": None,
        }
        answer = await world.report("POL-2026-000001", uuid7(), at=NOON)
        assert_refused(answer, 404, "policy_not_found")


@pytest.mark.parametrize(
    ("incident_at", "code"),
    [
        # Cover begins at midnight in Berlin, an hour before it does in UTC.
        (datetime(2026, 3, 1, 22, 59, 59, tzinfo=UTC), "incident_outside_term"),
        (NOON + timedelta(minutes=10), "incident_in_future"),
    ],
)
async def test_a_claim_outside_the_term_is_refused(
    world: World, robot_id: UUID, database: Database, incident_at: datetime, code: str
) -> None:
    policy = await world.policy([robot_id])
    async with nothing_changes(database):
        answer = await world.report(policy["number"], robot_id, at=incident_at)
        assert_refused(answer, 422, code)


async def test_a_claim_after_the_term_is_refused(
    world: World, robot_id: UUID, database: Database, clock: FixedClock
) -> None:
    policy = await world.policy([robot_id])
    clock.advance(timedelta(days=366))
    async with nothing_changes(database):
        midnight = datetime(2027, 3, 1, 23, tzinfo=UTC)
        answer = await world.report(policy["number"], robot_id, at=midnight)
        assert_refused(answer, 422, "incident_outside_term")


async def test_a_quote_is_bound_once(
    world: World, robot_id: UUID, database: Database
) -> None:
    # given a quote that is bound
    quote = await world.quote([robot_id])
    headers = {"Idempotency-Key": "the-intent"}
    policy = answered(await world.bind(quote, **headers), 201)
    await world.deliver()
    # when it is bound again, then that is refused, and there is one policy still
    async with nothing_changes(database):
        problem = assert_refused(await world.bind(quote), 409, "quote_already_bound")
        assert problem["context"] == {"policy_id": policy["id"]}
        # and saying the same again under its key gives the same answer
        again = await world.bind(quote, **headers)
        assert answered(again, 201) == policy
        assert again.headers["Idempotency-Replayed"] == "true"
        await world.deliver()
    held = answered(await world.holder.get("/policies"))["items"]
    assert [each["id"] for each in held] == [policy["id"]]


async def test_a_quote_that_has_expired_cannot_be_bound(
    world: World, robot_id: UUID, database: Database, clock: FixedClock
) -> None:
    quote = await world.quote([robot_id])
    clock.set(datetime.fromisoformat(quote["valid_until"]))
    async with nothing_changes(database):
        assert_refused(await world.bind(quote), 409, "quote_expired")
    assert answered(await world.holder.get("/policies"))["items"] == []


async def test_a_negative_amount_is_refused_wherever_it_is_sent(
    world: World, robot_id: UUID, database: Database
) -> None:
    # given a claim under a policy
    negative = {"minor": -1, "currency": "EUR"}
    policy = await world.policy([robot_id])
    number = policy["number"]
    claim = answered(await world.report(number, robot_id, at=NOON), 201)
    await world.deliver()
    robot = answered(await world.admin.get(f"/robots/{robot_id}"))
    # when an amount below nothing is sent, then it is refused
    async with nothing_changes(database):
        answer = await world.admin.post(
            "/robots",
            json={
                "serial_number": "CW3-999",
                "model_id": robot["model_id"],
                "operator_id": robot["operator_id"],
                "insured_value": negative,
                "commissioned_on": "2021-06-01",
                "operating_environment": "factory",
            },
        )
        assert_refused(answer, 422, "insured_value_not_positive")
        answer = await world.report(number, robot_id, at=NOON, estimated_loss=negative)
        assert_refused(answer, 422, "negative_amount")
        answer = await world.adjuster.post(
            f"/claims/{claim['id']}/assessment",
            json={
                "coverage_code": "physical-damage",
                "basis": "replacement_cost",
                "loss_value": negative,
            },
        )
        assert_refused(answer, 422, "negative_amount")
        cover = {"code": "physical-damage", "deductible": negative}
        answer = await world.underwriter.post(
            "/quotes",
            json={
                "product_code": "robot-comprehensive",
                "holder_id": str(world.operator_id),
                "robot_ids": [str(robot_id)],
                "term": {"inception": "2026-03-02"},
                "jurisdiction": "DE",
                "coverages": [cover, {"code": "third-party-liability"}],
            },
        )
        assert_refused(answer, 422, "negative_amount")


# --- who asks -------------------------------------------------------------------------


async def test_a_token_that_has_expired_proves_nothing_any_more(
    world: World, robot_id: UUID, database: Database, clock: FixedClock
) -> None:
    quote = await world.quote([robot_id])
    underwriter = world.underwriter
    clock.advance(timedelta(minutes=10))
    async with nothing_changes(database):
        answer = await underwriter.post(
            f"/quotes/{quote['id']}/bind", json={"payment_method": "tok_ok"}
        )
    assert_refused(answer, 401, "token_expired")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def _token_of(client: httpx.AsyncClient) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")


def signed_by_another(world: World) -> str:
    ours = world.api.edge.runtime.settings
    tokens = Tokens(
        Ed25519PrivateKey.generate(),
        issuer=ours.issuer,
        audience=ours.audience,
        lifetime=timedelta(minutes=10),
    )
    principal = world.api.principal("admin", organisation=world.insurer_id)
    return tokens.issue(principal, now=NOON)


def signed_by_nobody(world: World) -> str:
    claims = jwt.decode(_token_of(world.admin), options={"verify_signature": False})
    return jwt.encode(claims, "", algorithm="none", headers={"typ": "at+jwt"})


def with_more_permissions(world: World) -> str:
    header, _, signature = _token_of(world.holder).split(".")
    _, payload, _ = _token_of(world.admin).split(".")
    return f"{header}.{payload}.{signature}"


def nonsense(_: World) -> str:
    return "not.a.token"


@pytest.mark.parametrize(
    "forge", [signed_by_another, signed_by_nobody, with_more_permissions, nonsense]
)
async def test_a_forged_token_proves_nothing(
    world: World, robot_id: UUID, database: Database, forge: Callable[[World], str]
) -> None:
    quote = await world.quote([robot_id])
    async with nothing_changes(database):
        answer = await world.api.anonymous().post(
            f"/quotes/{quote['id']}/bind",
            json={"payment_method": "tok_ok"},
            headers={"Authorization": f"Bearer {forge(world)}"},
        )
    assert_refused(answer, 401, "invalid_token")


async def test_a_token_for_another_role_is_not_enough(
    world: World, robot_id: UUID, database: Database
) -> None:
    quote = await world.quote([robot_id])
    path = f"/quotes/{quote['id']}/bind"
    async with nothing_changes(database):
        for client in (world.adjuster, world.holder, world.device):
            answer = await client.post(path, json={"payment_method": "tok_ok"})
            problem = assert_refused(answer, 403, "permission_required")
            assert problem["context"] == {"permission": "policies:bind"}


async def test_a_token_of_another_insurer_does_not_see_the_quote(
    world: World, robot_id: UUID, database: Database
) -> None:
    quote = await world.quote([robot_id])
    async with nothing_changes(database):
        answer = await world.api.as_("underwriter").post(
            f"/quotes/{quote['id']}/bind", json={"payment_method": "tok_ok"}
        )
    assert_refused(answer, 404, "quote_not_found")


async def test_nobody_is_let_in_without_a_token(
    world: World, database: Database
) -> None:
    async with nothing_changes(database):
        for path in ("/policies", "/claims", "/ledger/balances", "/events"):
            answer = await world.api.anonymous().get(path)
            assert_refused(answer, 401, "not_signed_in")
