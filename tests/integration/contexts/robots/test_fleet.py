"""Models and robots, over HTTP."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from robosure.contexts.robots.tables import robot_models, robots
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from tests.integration.contexts.robots.conftest import (
    a_model,
    a_robot,
    an_organisation,
)
from tests.support import ApiClient, Delivery, code_of


async def told(database: Database, type_: str) -> list[dict[str, Any]]:
    async with database.read() as session:
        statement = (
            select(outbox.c.payload)
            .where(outbox.c.type == type_)
            .order_by(outbox.c.position)
        )
        return list((await session.scalars(statement)).all())


async def count(database: Database, table: Any) -> int:
    async with database.read() as session:
        statement = select(func.count()).select_from(table)
        return int((await session.execute(statement)).scalar_one())


async def test_a_fleet_is_registered_and_seen_by_who_may(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    # given a manufacturer and an operator that identity told of
    maker = await an_organisation(api, "manufacturer")
    operator = await an_organisation(api, "operator")
    await deliver()

    # when the manufacturer registers a model, and the operator a robot
    makers = api.as_("manufacturer_admin", organisation=maker, kind="manufacturer")
    operators = api.as_("policyholder", organisation=operator, kind="operator")
    model = await makers.post("/robot-models", json=a_model(maker))
    assert model.status_code == 201, model.text
    robot = await operators.post("/robots", json=a_robot(model.json()["id"], operator))
    assert robot.status_code == 201, robot.text

    # then both see it, an insurer sees it, another operator does not
    path = f"/robots/{robot.json()['id']}"
    for client in (operators, makers, api.as_("underwriter")):
        seen = await client.get(path)
        assert seen.json() == robot.json()
        assert seen.headers["etag"] == robot.headers["etag"]
        assert [r["id"] for r in (await client.get("/robots")).json()["items"]] == [
            robot.json()["id"]
        ]
    stranger = api.as_("policyholder", kind="operator")
    assert code_of(await stranger.get(path)) == "robot_not_found"
    assert (await stranger.get("/robots")).json()["items"] == []

    # and both facts are told
    (model_told,) = await told(database, "robots.ModelRegistered")
    assert model_told["joint_current_limits"] == ["6.0", "2.5"]
    (robot_told,) = await told(database, "robots.RobotRegistered")
    assert robot_told["robot_id"] == robot.json()["id"]
    assert robot_told["insured_value"] == {"minor": 2_500_000, "currency": "EUR"}


async def test_models_and_manufacturers_are_listed(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    maker = await an_organisation(api, "manufacturer")
    other = await an_organisation(api, "manufacturer")
    await an_organisation(api, "operator")
    await deliver()
    admin = api.as_("admin")
    model = await admin.post("/robot-models", json=a_model(maker))
    await admin.post("/robot-models", json=a_model(other))

    makers = (await admin.get("/manufacturers")).json()["items"]
    assert [found["id"] for found in makers] == [str(other), str(maker)]
    everything = (await admin.get("/robot-models")).json()["items"]
    assert len(everything) == 2
    of_one = await admin.get("/robot-models", params={"manufacturer_id": str(maker)})
    assert of_one.json()["items"] == [model.json()]
    one = await admin.get(f"/robot-models/{model.json()['id']}")
    assert one.json() == model.json()
    assert one.json()["joint_current_limits"] == ["6", "2.5"]
    assert one.json()["joint_temperature_limit"] == "70"
    assert code_of(await admin.get(f"/robot-models/{uuid7()}")) == (
        "robot_model_not_found"
    )


async def test_robots_are_found_by_operator_model_and_serial_number(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    maker = await an_organisation(api, "manufacturer")
    operator = await an_organisation(api, "operator")
    await deliver()
    admin = api.as_("admin")
    model = (await admin.post("/robot-models", json=a_model(maker))).json()["id"]
    for serial in ("A", "B"):
        body = a_robot(model, operator, serial_number=serial)
        assert (await admin.post("/robots", json=body)).status_code == 201

    async def found(**params: str) -> list[str]:
        listed = await admin.get("/robots", params=params)
        return [robot["serial_number"] for robot in listed.json()["items"]]

    assert await found(operator_id=str(operator)) == ["B", "A"]
    assert await found(model_id=model, serial_number="A") == ["A"]
    assert await found(model_id=str(uuid7())) == []


async def test_an_organisation_nothing_was_told_of_is_not_yet_known(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    maker = await an_organisation(api, "manufacturer")
    admin = api.as_("admin")

    early = await admin.post("/robot-models", json=a_model(maker))
    assert code_of(early) == "organisation_not_yet_known"
    assert early.status_code == 409
    assert early.headers["retry-after"] == "1"
    assert await count(database, robot_models) == 0

    await deliver()
    assert (await admin.post("/robot-models", json=a_model(maker))).status_code == 201


async def test_what_breaks_a_rule_is_refused_and_changes_nothing(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    maker = await an_organisation(api, "manufacturer")
    operator = await an_organisation(api, "operator")
    await deliver()
    admin = api.as_("admin")
    model = (await admin.post("/robot-models", json=a_model(maker))).json()["id"]
    robot = a_robot(model, operator)
    assert (await admin.post("/robots", json=robot)).status_code == 201

    again = await admin.post("/robot-models", json=a_model(maker))
    assert (again.status_code, code_of(again)) == (409, "robot_model_exists")
    wrong_kind = await admin.post("/robot-models", json=a_model(operator))
    assert code_of(wrong_kind) == "wrong_organisation_kind"
    twice = await admin.post("/robots", json=robot)
    assert (twice.status_code, code_of(twice)) == (409, "robot_exists")
    no_model = await admin.post("/robots", json=a_robot(str(uuid7()), operator))
    assert code_of(no_model) == "robot_model_not_found"
    worthless = {"minor": -1, "currency": "EUR"}
    negative = a_robot(model, operator, serial_number="X", insured_value=worthless)
    refused = await admin.post("/robots", json=negative)
    assert code_of(refused) == "insured_value_not_positive"
    makers = api.as_("manufacturer_admin", kind="manufacturer")
    others = await makers.post("/robot-models", json=a_model(maker, name="UR5"))
    assert (others.status_code, code_of(others)) == (
        403,
        "acts_for_another_organisation",
    )

    assert await count(database, robot_models) == 1
    assert await count(database, robots) == 1


async def test_a_robot_changes_under_the_version_that_was_seen(
    api: ApiClient, database: Database, deliver: Delivery
) -> None:
    maker = await an_organisation(api, "manufacturer")
    operator = await an_organisation(api, "operator")
    await deliver()
    admin = api.as_("admin")
    model = (await admin.post("/robot-models", json=a_model(maker))).json()["id"]
    robot = await admin.post("/robots", json=a_robot(model, operator))
    path = f"/robots/{robot.json()['id']}"
    seen = {"If-Match": robot.headers["etag"]}

    changed = await admin.patch(path, json={"firmware": "5.13"}, headers=seen)
    assert changed.status_code == 200, changed.text
    assert changed.json()["firmware"] == "5.13"
    assert changed.json()["operating_environment"] == "factory"
    assert changed.headers["etag"] != robot.headers["etag"]

    stale = await admin.patch(path, json={"firmware": "6"}, headers=seen)
    assert (stale.status_code, code_of(stale)) == (412, "stale_version")
    unseen = await api.as_("policyholder", kind="operator").patch(path, json={})
    assert code_of(unseen) == "robot_not_found"
    makers = api.as_("policyholder", organisation=maker, kind="manufacturer")
    not_theirs = await makers.patch(path, json={"firmware": "6"})
    assert code_of(not_theirs) == "acts_for_another_organisation"

    assert (await admin.get(path)).json() == changed.json()
    assert await told(database, "robots.RobotChanged") == [
        {
            "robot_id": robot.json()["id"],
            "firmware": "5.13",
            "operating_environment": "factory",
        }
    ]
