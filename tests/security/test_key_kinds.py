"""API keys speak for the robots of their kind, in whichever way they are used.

Two operators run robots of two makers. A key of each kind tries to speak for every
robot, in every way there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import select, update

from robosure.contexts.eventflow.tables import events
from robosure.contexts.identity.tables import api_keys
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from tests.journey import World, answered
from tests.support import ApiClient, Delivery, code_of

ROBOTS: Final = ("a1", "a2", "b1")
"""By name: who runs it, and its number there."""
MAKERS: Final = {"a1": "m", "a2": "n", "b1": "m"}
SPEAKS_FOR: Final[Mapping[str, tuple[str, ...]]] = {
    "insurer": ROBOTS,
    "insurer's of a1": ("a1",),
    "fleet a": ("a1", "a2"),
    "fleet b": ("b1",),
    "robot a1": ("a1",),
    "robot a2": ("a2",),
    "robot a1, of b": (),
    "manufacturer m": ("a1", "b1"),
    "manufacturer n": ("a2",),
    "manufacturer's of b1": ("b1",),
    "manufacturer's of a2": (),
}
"""For which robots each key speaks."""
BOUND: Final = {
    "insurer's of a1": "a1",
    "robot a1": "a1",
    "robot a2": "a2",
    "robot a1, of b": "a1",
    "manufacturer's of b1": "b1",
    "manufacturer's of a2": "a2",
}
OWNERS: Final = {
    "insurer": "insurer",
    "insurer's of a1": "insurer",
    "fleet a": "a",
    "fleet b": "b",
    "robot a1": "a",
    "robot a2": "a",
    "robot a1, of b": "b",
    "manufacturer m": "m",
    "manufacturer n": "n",
    "manufacturer's of b1": "m",
    "manufacturer's of a2": "m",
}
SCOPES: Final = [
    "events:read",
    "events:write",
    "risk:read",
    "robots:read",
    "telemetry:write",
]


@dataclass(frozen=True)
class Scene:
    """Who and what there is, by name.

    Attributes:
        kinds: of the keys.
    """

    api: ApiClient
    world: World
    organisations: Mapping[str, str]
    robots: Mapping[str, str]
    keys: Mapping[str, str]
    kinds: Mapping[str, str]

    def with_key(self, name: str) -> httpx.AsyncClient:
        client = self.api.anonymous()
        client.headers["X-API-Key"] = self.keys[name]
        return client


@pytest.fixture
async def scene(api: ApiClient, deliver: Delivery, runtime: Runtime) -> Scene:
    world = await World.build(api, deliver, runtime)
    organisations = {"insurer": str(world.insurer_id)}
    for name in ("a", "b", "m", "n"):
        kind = "operator" if name in "ab" else "manufacturer"
        body = {"kind": kind, "name": name, "email": "x@y.example", "country": "DE"}
        made = answered(await world.admin.post("/organisations", json=body), 201)
        organisations[name] = made["id"]
    await deliver()
    models: dict[str, str] = {}
    for name in ("m", "n"):
        model: dict[str, Any] = {
            "manufacturer_id": organisations[name],
            "name": "CW3",
            "robot_class": "cobot",
            "joint_current_limits": ["5"],
            "joint_temperature_limit": "50",
        }
        made = answered(await world.admin.post("/robot-models", json=model), 201)
        models[name] = made["id"]
    robots: dict[str, str] = {}
    for name in ROBOTS:
        robot = a_robot(name, models[MAKERS[name]], organisations[name[0]])
        made = answered(await world.admin.post("/robots", json=robot), 201)
        robots[name] = made["id"]
    await deliver()
    keys: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for name, owner in OWNERS.items():
        bound = BOUND.get(name)
        key = {
            "organisation_id": organisations[owner],
            "name": name,
            "scopes": SCOPES,
            "robot_id": None if bound is None else robots[bound],
        }
        issued = answered(await world.admin.post("/api-keys", json=key), 201)
        keys[name], kinds[name] = issued["key"], issued["api_key"]["kind"]
    return Scene(api, world, organisations, robots, keys, kinds)


def a_robot(serial: str, model: str, operator: str) -> dict[str, Any]:
    return {
        "serial_number": serial,
        "model_id": model,
        "operator_id": operator,
        "insured_value": {"minor": 2_800_000, "currency": "EUR"},
        "commissioned_on": "2021-06-01",
        "operating_environment": "factory",
    }


def an_event(robot_id: str, *, source: str = "/cells/4") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid7().hex,
        "source": source,
        "type": "robot.telemetry.v1",
        "subject": robot_id,
        "time": "2026-03-02T08:00:00Z",
        "data": {"battery": 0.5},
    }


async def send(
    client: httpx.AsyncClient, events: Sequence[dict[str, Any]], form: str
) -> httpx.Response:
    match form:
        case "single":
            content, kind = json.dumps(events[0]), "application/cloudevents+json"
        case "batch":
            content, kind = json.dumps(events), "application/cloudevents-batch+json"
        case _:
            content = "".join(f"{json.dumps(each)}\n" for each in events)
            kind = "application/x-ndjson"
    return await client.post("/events", content=content, headers={"Content-Type": kind})


async def stored(database: Database) -> list[str]:
    async with database.read() as session:
        return [str(s) for s in (await session.scalars(select(events.c.subject)))]


def test_of_each_kind_there_is_a_key_and_its_opposite() -> None:
    assert OWNERS.keys() == SPEAKS_FOR.keys()
    assert BOUND.keys() < OWNERS.keys()


async def test_a_key_is_of_the_kind_that_follows(scene: Scene) -> None:
    assert scene.kinds == {
        name: "robot" if name in BOUND else name.split()[0] for name in OWNERS
    }


@pytest.mark.parametrize("form", ["single", "batch", "lines"])
async def test_no_key_speaks_for_another_s_robot_alone(
    scene: Scene, database: Database, deliver: Delivery, form: str
) -> None:
    # when each key sends an event of each robot, twice: the second time it is known
    heard: list[str] = []
    for name, own in SPEAKS_FOR.items():
        async with scene.with_key(name) as client:
            for robot in (*ROBOTS, *ROBOTS):
                sent = await send(client, [an_event(scene.robots[robot])], form)
                # then it is taken in if it is the key's to tell, and not otherwise
                receipt = answered(sent, 202)
                assert receipt["accepted"] == (robot in own), (name, robot, receipt)
                heard += [scene.robots[robot]] * receipt["accepted"]
    await deliver()
    assert sorted(await stored(database)) == sorted(heard)


async def test_no_key_brings_another_s_robot_in_among_its_own(
    scene: Scene, database: Database, deliver: Delivery
) -> None:
    heard: list[str] = []
    for name, own in SPEAKS_FOR.items():
        # when a key sends events of all robots, in every order, with one in between
        # whose source is another robot's own
        told = [*ROBOTS, *reversed(ROBOTS)]
        batch = [an_event(scene.robots[robot]) for robot in told]
        for robot, other in (("a1", "a2"), ("a2", "b1"), ("b1", "a1")):
            source = f"/robots/{scene.robots[other]}"
            batch.append(an_event(scene.robots[robot], source=source))
        async with scene.with_key(name) as client:
            receipt = answered(await send(client, batch, "batch"), 202)
        # then what is the key's to tell comes in, and only that
        refused = {each["index"]: each["code"] for each in receipt["refusals"]}
        expected = {n for n, robot in enumerate(told) if robot not in own}
        assert refused.keys() == expected | {6, 7, 8}, name
        assert set(refused.values()) <= {
            "bound_to_another_robot",
            "robot_not_known",
            "source_of_another_robot",
        }
        heard += [scene.robots[robot] for robot in told if robot in own]
    await deliver()
    assert sorted(await stored(database)) == sorted(heard)


async def test_no_key_sends_another_s_raw_telemetry(
    scene: Scene, database: Database, deliver: Delivery
) -> None:
    profile = {
        "name": "cell",
        "title": "Cell",
        "document": {
            "format": "json",
            "timestamp": {"step_milliseconds": 1000},
            "readings": {"battery": {"column": "soc", "unit": "ratio"}},
        },
    }
    answered(await scene.world.admin.post("/integration-profiles", json=profile), 201)
    heard: list[str] = []
    for name, own in SPEAKS_FOR.items():
        async with scene.with_key(name) as client:
            for robot in ROBOTS:
                sent = await client.post(
                    f"/robots/{scene.robots[robot]}/telemetry",
                    params={"profile": "cell", "start": "2026-03-02T08:00:00Z"},
                    json=[{"soc": 0.5}],
                )
                bound = BOUND.get(name, robot) == robot
                if not bound:
                    assert (sent.status_code, code_of(sent)) == (
                        403,
                        "bound_to_another_robot",
                    )
                elif robot not in own:
                    assert (sent.status_code, code_of(sent)) == (404, "robot_not_found")
                elif OWNERS[name] in {"m", "n"}:
                    # A maker tells events; it sends no telemetry on others' behalf.
                    assert (sent.status_code, code_of(sent)) == (
                        403,
                        "acts_for_another_organisation",
                    )
                else:
                    assert answered(sent, 202)["accepted"] == 1
                    heard.append(scene.robots[robot])
    await deliver()
    # Two keys say the same of a robot: that is one event.
    assert sorted(await stored(database)) == sorted(set(heard))


async def test_no_key_reads_of_another_s_robot(scene: Scene, deliver: Delivery) -> None:
    # given an event of each robot
    batch = [an_event(robot_id) for robot_id in scene.robots.values()]
    async with scene.with_key("insurer") as insurer:
        assert answered(await send(insurer, batch, "batch"), 202)["accepted"] == 3
    await deliver()
    for name, own in SPEAKS_FOR.items():
        mine = {scene.robots[robot] for robot in own}
        async with scene.with_key(name) as client:
            # then lists show what is its own
            shown = answered(await client.get("/robots"))["items"]
            assert {robot["id"] for robot in shown} == mine, name
            seen = answered(await client.get("/events"))["items"]
            assert {event["subject"] for event in seen} == mine, name
            # and what is not is not there
            for robot, robot_id in scene.robots.items():
                for path, code in (
                    (f"/robots/{robot_id}", "robot_not_found"),
                    (f"/robots/{robot_id}/risk", "robot_not_found"),
                    (f"/event-counts?subject={robot_id}", "subject_not_found"),
                ):
                    answer = await client.get(path)
                    refused = answer.status_code == 404 and code_of(answer) == code
                    assert refused == (robot not in own), (name, path, answer.text)


async def test_a_robot_s_key_carries_nothing_with_which_it_could_speak_for_others(
    scene: Scene, database: Database
) -> None:
    # when a robot's key is to carry what an administrator may do
    allowed = {"products:read", *SCOPES}
    admin = scene.api.as_(
        "operator_admin",
        organisation=scene.world.operator_id,
        kind="operator",
        roles=["policyholder"],
    )
    held = scene.api.principal("operator_admin", roles=["policyholder"]).permissions
    for scope in sorted(held - allowed):
        key = {"name": "x", "scopes": [scope], "robot_id": scene.robots["a1"]}
        refused = await admin.post("/api-keys", json=key)
        # then it is not made
        assert (refused.status_code, code_of(refused)) == (
            422,
            "scopes_not_for_one_robot",
        ), scope
    # and one that was made before opens no more than it may
    async with database.write() as session:
        before = ["api-keys:manage", "robots:manage", "robots:read"]
        await session.execute(
            update(api_keys)
            .where(api_keys.c.name == "robot a1")
            .values(scopes=tuple(before))
        )
    async with scene.with_key("robot a1") as robot:
        assert answered(await robot.get("/auth/me"))["permissions"] == ["robots:read"]
        path = f"/robots/{scene.robots['a1']}"
        refused = await robot.patch(path, json={"firmware": "2"})
        assert (refused.status_code, code_of(refused)) == (403, "permission_required")


async def test_a_fleet_s_key_manages_its_own_robots_and_no_others(
    scene: Scene,
) -> None:
    key = {
        "organisation_id": scene.organisations["a"],
        "kind": "fleet",
        "name": "manager",
        "scopes": ["robots:manage", "robots:read"],
    }
    issued = answered(await scene.world.admin.post("/api-keys", json=key), 201)
    async with scene.api.anonymous() as client:
        client.headers["X-API-Key"] = issued["key"]
        for robot, robot_id in scene.robots.items():
            answer = await client.patch(f"/robots/{robot_id}", json={"firmware": "2"})
            assert answer.status_code == (404 if robot == "b1" else 200)
        model = answered(await client.get(f"/robots/{scene.robots['a1']}"))["model_id"]
        foreign = a_robot("b2", model, scene.organisations["b"])
        refused = await client.post("/robots", json=foreign)
        assert (refused.status_code, code_of(refused)) == (
            403,
            "acts_for_another_organisation",
        )


@pytest.mark.parametrize(
    ("owner", "scope"),
    [
        ("m", "robots:manage"),
        ("m", "claims:report"),
        ("m", "policies:read"),
        ("a", "models:manage"),
        ("a", "claims:approve"),
        ("a", "audit:read"),
    ],
)
async def test_a_key_carries_only_what_somebody_of_its_organisation_may(
    scene: Scene, owner: str, scope: str
) -> None:
    # when the insurer, who may do it, gives it to a customer's key
    key = {
        "organisation_id": scene.organisations[owner],
        "name": "x",
        "scopes": ["events:write", scope],
    }
    refused = await scene.world.admin.post("/api-keys", json=key)
    # then it is refused
    assert (refused.status_code, code_of(refused)) == (403, "scopes_not_grantable")
    assert refused.json()["context"] == {"scopes": scope}


@pytest.mark.parametrize(
    ("owner", "bound", "asked", "actual"),
    [
        ("a", False, "manufacturer", "fleet"),
        ("a", False, "robot", "fleet"),
        ("m", False, "fleet", "manufacturer"),
        ("m", True, "manufacturer", "robot"),
        ("insurer", False, "fleet", "insurer"),
    ],
)
async def test_who_names_another_kind_gets_no_key(
    scene: Scene, owner: str, asked: str, actual: str, *, bound: bool
) -> None:
    key = {
        "organisation_id": scene.organisations[owner],
        "kind": asked,
        "name": "x",
        "scopes": ["events:write"],
        "robot_id": scene.robots["a1"] if bound else None,
    }
    refused = await scene.world.admin.post("/api-keys", json=key)
    assert (refused.status_code, code_of(refused)) == (422, "wrong_api_key_kind")
    assert refused.json()["context"] == {"expected": actual, "actual": asked}


async def test_a_successor_is_bound_as_its_predecessor_was(
    scene: Scene,
) -> None:
    admin = scene.world.admin
    listed = answered(await admin.get("/api-keys", params={"limit": 100}))["items"]
    before = {each["name"]: each for each in listed}
    for name in ("robot a1", "fleet a", "manufacturer m"):
        rotated = await admin.post(f"/api-keys/{before[name]['id']}/rotate", json={})
        made = answered(rotated, 201)
        for same in ("kind", "robot_id", "scopes", "organisation_id"):
            assert made["api_key"][same] == before[name][same]
        async with scene.api.anonymous() as client:
            client.headers["X-API-Key"] = made["key"]
            for robot in ROBOTS:
                event = an_event(scene.robots[robot])
                receipt = answered(await send(client, [event], "single"), 202)
                assert receipt["accepted"] == (robot in SPEAKS_FOR[name])
