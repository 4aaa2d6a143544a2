"""Whatever anyone sends, the answer is one that the OpenAPI document describes.

No answer is a 5xx, has an undocumented status or media type, or breaks its schema.
Every role sends every operation its examples and made-up requests. In the suite, the
limits of every value of an operation are tried by one role that may use it; where
``ROBOSURE_FUZZ_EXAMPLES`` says how many requests to make up, by every role.

Nothing is left out. Of ``/events/stream``, which has no end, the first 50 ms are read.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Final

import pytest

from robosure.platform.runtime import Runtime
from tests.journey import World, answered
from tests.security.fuzzing import Findings, fuzz
from tests.security.matrix.estate import Estate, two_estates
from tests.security.matrix.people import PEOPLE, Person
from tests.security.matrix.rows import MATRIX, PUBLIC, SIGNED_IN
from tests.support import ApiClient, Delivery

EXAMPLES: Final = int(os.environ.get("ROBOSURE_FUZZ_EXAMPLES", "0"))
_OTHER_NAMES: Final = {
    "event": ("uid",),
    "operator": ("operator_id", "holder_id"),
    "policy_number": ("policy_number",),
    "robot": ("robot_id", "subject"),
}
"""Where the name of an id is not that of the thing with ``_id``."""

pytestmark = pytest.mark.timeout(3_600 if EXAMPLES else 300)


@pytest.fixture
async def world(api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
    return await World.build(api, deliver, runtime)


def may_use(person: Person | None) -> set[str]:
    """Return the operations that someone may use; None is not signed in."""
    return {
        row.route
        for row in MATRIX
        if row.access == PUBLIC
        or (person and (row.access == SIGNED_IN or person.may(row.access)))
    }


def limits_tried_by(person: Person | None) -> set[str]:
    """Return the operations whose limits a person tries: all, or a share of them."""
    if EXAMPLES:
        return may_use(person)
    able: dict[str, list[Person | None]] = defaultdict(list)
    for each in (None, *PEOPLE):
        for operation in sorted(may_use(each)):
            able[operation].append(each)
    return {
        operation
        for number, (operation, people) in enumerate(sorted(able.items()))
        if people[number % len(people)] == person
    }


async def objects(world: World, runtime: Runtime, kind: str) -> dict[str, list[str]]:
    """Build what there is to reach, and return it by the names of parameters."""
    known: dict[str, list[str]] = defaultdict(list)
    estates: tuple[Estate, ...] = await two_estates(world, runtime)
    for estate in estates:
        for name, value in estate.named(kind).items():
            for parameter in _OTHER_NAMES.get(name, (f"{name}_id",)):
                known[parameter].append(value)
    known["profile"] = ["ur3-cobotops"]
    known["name"] = ["ur3-cobotops", "robot.telemetry.v1"]
    known["code"] = known["product_code"] = ["robot-comprehensive"]
    return known


def assert_nothing_found(found: Findings, world: World, person: Person | None) -> None:
    """Assert that all was asked, only what is allowed was done, and all was well."""
    assert found.asked == {
        f"{method.upper()} {path}"
        for path, operations in world.api.app.openapi()["paths"].items()
        for method in operations
    }
    assert found.served <= may_use(person)
    report = "\n\n".join(f"{name}\n{how}" for name, how in found.failures.items())
    assert not found.failures, report


STAFF: Final = [person for person in PEOPLE if person.is_staff]
DEVICE: Final = Person("device", "operator")
CUSTOMERS: Final = [p for p in PEOPLE if not p.is_staff and p != DEVICE]


# Two classes, for a class stays on one worker of the suite.


class TestStaff:
    @pytest.mark.parametrize("person", STAFF, ids=lambda person: person.role)
    async def test_every_answer_is_as_documented(
        self, world: World, runtime: Runtime, person: Person
    ) -> None:
        await every_answer_to_someone_signed_in(world, runtime, person)


class TestOthers:
    @pytest.mark.parametrize("person", CUSTOMERS, ids=lambda person: person.role)
    async def test_every_answer_is_as_documented(
        self, world: World, runtime: Runtime, person: Person
    ) -> None:
        await every_answer_to_someone_signed_in(world, runtime, person)

    async def test_so_is_every_answer_to_someone_who_is_not_signed_in(
        self, world: World, runtime: Runtime
    ) -> None:
        found = await fuzz(
            world.api.app,
            {},
            known=await objects(world, runtime, "operator"),
            examples=EXAMPLES or 1,
            limits_of=limits_tried_by(None),
        )
        assert_nothing_found(found, world, None)

    async def test_so_is_every_answer_to_the_key_of_a_device(
        self, world: World, runtime: Runtime
    ) -> None:
        # given a key with which the operator's robots send their telemetry
        known = await objects(world, runtime, "operator")
        key = {
            "organisation_id": str(world.operator_id),
            "name": "Cell 3",
            "scopes": ["events:write", "telemetry:write"],
        }
        issued = answered(await world.admin.post("/api-keys", json=key), 201)
        found = await fuzz(
            world.api.app,
            {"X-API-Key": issued["key"]},
            known=known,
            examples=EXAMPLES or 1,
            limits_of=limits_tried_by(DEVICE),
        )
        assert_nothing_found(found, world, DEVICE)


async def every_answer_to_someone_signed_in(
    world: World, runtime: Runtime, person: Person
) -> None:
    known = await objects(world, runtime, person.kind)
    client = person.client(world)
    found = await fuzz(
        world.api.app,
        {"Authorization": client.headers["Authorization"]},
        known=known,
        examples=EXAMPLES or 1,
        limits_of=limits_tried_by(person),
    )
    assert_nothing_found(found, world, person)
    # and they were signed in to the end
    assert answered(await client.get("/auth/me"))["roles"] == [person.role]
