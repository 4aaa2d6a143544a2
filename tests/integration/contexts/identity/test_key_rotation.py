"""Rotation of API keys: a successor beside the key, and then in its place."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from robosure.contexts.identity.tables import api_keys
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from tests.support import ApiClient, FixedClock, code_of

HOUR = timedelta(hours=1)


@pytest.fixture
async def insurer(api: ApiClient) -> httpx.AsyncClient:
    return api.as_("admin", organisation=await an_organisation(api, "insurer"))


@pytest.fixture
async def operator(api: ApiClient) -> UUID:
    return await an_organisation(api, "operator")


@pytest.fixture
def admin(api: ApiClient, operator: UUID) -> httpx.AsyncClient:
    return api.as_("operator_admin", organisation=operator, kind="operator")


async def an_organisation(api: ApiClient, kind: str) -> UUID:
    body = {"kind": kind, "name": "Acme", "email": "a@b.example", "country": "DE"}
    answer = await api.as_("admin").post("/organisations", json=body)
    return UUID(answer.json()["id"])


async def issued(client: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    body = {"name": "Cell 4", "scopes": ["events:write"]} | given
    answer = await client.post("/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def rotate(
    client: httpx.AsyncClient, key: dict[str, Any], **given: Any
) -> httpx.Response:
    return await client.post(f"/api-keys/{key['api_key']['id']}/rotate", json=given)


async def opens(api: ApiClient, key: dict[str, Any]) -> bool:
    """Whether a key proves who it is."""
    headers = {"X-API-Key": key["key"]}
    answer = await api.anonymous().get("/auth/me", headers=headers)
    if answer.status_code == 401:
        assert code_of(answer) == "invalid_api_key"
        return False
    assert answer.json()["subject"] == key["api_key"]["id"]
    return True


async def listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    items = (await client.get("/api-keys")).json()["items"]
    return {item["id"]: item for item in items}


async def test_two_keys_work_for_the_overlap_and_then_one(
    api: ApiClient, admin: httpx.AsyncClient, clock: FixedClock
) -> None:
    # given
    old = await issued(admin, robot_id=str(uuid7()))
    # when
    answer = await rotate(admin, old, overlap_hours=2)
    # then the new one is shown, this once
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    new = answer.json()
    same = {"kind", "name", "scopes", "robot_id", "organisation_id"}
    assert {f: new["api_key"][f] for f in same} == {f: old["api_key"][f] for f in same}
    # and the list shows the chain, and no secret
    old_id, new_id = old["api_key"]["id"], new["api_key"]["id"]
    assert new["key"] not in (await admin.get("/api-keys")).text
    shown = await listed(admin)
    assert shown[old_id] == old["api_key"] | {
        "successor_id": new_id,
        "rotated_at": "2026-03-02T12:00:00Z",
        "expires_at": "2026-03-02T14:00:00Z",
    }
    assert shown[new_id] == new["api_key"]
    assert new["api_key"]["predecessor_id"] == old_id
    # and both open until the overlap is over
    assert [await opens(api, old), await opens(api, new)] == [True, True]
    clock.advance(2 * HOUR - timedelta(seconds=1))
    assert [await opens(api, old), await opens(api, new)] == [True, True]
    clock.advance(timedelta(seconds=1))
    assert [await opens(api, old), await opens(api, new)] == [False, True]


async def test_a_day_is_the_overlap_unless_one_is_named(
    admin: httpx.AsyncClient,
) -> None:
    old = await issued(admin)
    await rotate(admin, old)
    shown = await listed(admin)
    assert shown[old["api_key"]["id"]]["expires_at"] == "2026-03-03T12:00:00Z"


async def test_a_leaked_key_is_replaced_at_once(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    old = await issued(admin)
    new = (await rotate(admin, old, overlap_hours=0)).json()
    assert [await opens(api, old), await opens(api, new)] == [False, True]


@pytest.mark.parametrize("hours", [-1, 721, 1.5])
async def test_an_overlap_is_whole_hours_of_thirty_days_at_most(
    admin: httpx.AsyncClient, hours: float
) -> None:
    old = await issued(admin)
    refused = await rotate(admin, old, overlap_hours=hours)
    assert (refused.status_code, code_of(refused)) == (422, "invalid_request")
    assert await listed(admin) == {old["api_key"]["id"]: old["api_key"]}


async def test_what_is_over_or_was_rotated_is_a_conflict_and_changes_nothing(
    admin: httpx.AsyncClient, clock: FixedClock
) -> None:
    # given
    revoked = await issued(admin)
    await admin.delete(f"/api-keys/{revoked['api_key']['id']}")
    expired = await issued(admin, expires_at="2026-03-02T12:04:00Z")
    before = await issued(admin)
    successor = (await rotate(admin, before)).json()
    clock.advance(timedelta(minutes=4))
    unchanged = await listed(admin)
    # when
    answers = [await rotate(admin, key) for key in (revoked, expired, before)]
    # then
    assert [(answer.status_code, code_of(answer)) for answer in answers] == [
        (409, "api_key_revoked"),
        (409, "api_key_expired"),
        (409, "api_key_rotated_already"),
    ]
    context = answers[2].json()["context"]
    assert context == {"successor_id": successor["api_key"]["id"]}
    assert await listed(admin) == unchanged


async def test_of_many_who_rotate_a_key_at_once_one_does(
    admin: httpx.AsyncClient, database: Database
) -> None:
    # given
    old = await issued(admin)
    # when
    answers = await asyncio.gather(*(rotate(admin, old) for _ in range(10)))
    # then
    done = [answer for answer in answers if answer.status_code == 201]
    assert len(done) == 1
    others = {code_of(answer) for answer in answers if answer.status_code == 409}
    assert others == {"api_key_rotated_already"}
    async with database.read() as session:
        found = await session.execute(select(func.count()).select_from(api_keys))
    assert found.scalar_one() == 2


async def test_an_administrator_gets_no_insurers_key_by_rotating_it(
    insurer: httpx.AsyncClient, admin: httpx.AsyncClient, operator: UUID
) -> None:
    # given a key of the operator's, with what only the insurer could give it
    scopes = ["events:write", "payments:read"]
    key = await issued(insurer, scopes=scopes, organisation_id=str(operator))
    # when the operator's administrator rotates it
    refused = await rotate(admin, key)
    # then
    assert (refused.status_code, code_of(refused)) == (403, "scopes_not_grantable")
    assert refused.json()["context"] == {"scopes": "payments:read"}
    assert await listed(admin) == {key["api_key"]["id"]: key["api_key"]}


async def test_it_takes_a_person_who_has_just_proved_who_they_are(
    api: ApiClient, admin: httpx.AsyncClient, operator: UUID, clock: FixedClock
) -> None:
    # given
    scopes = ["api-keys:manage", "events:write"]
    key = await issued(admin, scopes=scopes)
    machine = api.anonymous()
    machine.headers["X-API-Key"] = key["key"]
    # when a key would rotate itself, and a person who signed in a while ago
    by_itself = await rotate(machine, key)
    clock.advance(timedelta(minutes=5))
    late = await rotate(admin, key)
    # then
    assert (by_itself.status_code, code_of(by_itself)) == (403, "person_required")
    code = "insufficient_user_authentication"
    assert (late.status_code, code_of(late)) == (401, code)
    assert (await listed(admin))[key["api_key"]["id"]]["successor_id"] is None


async def test_another_organisations_key_is_not_found(
    api: ApiClient, insurer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    key = await issued(insurer)
    for stranger in (admin, api.as_("admin")):
        refused = await rotate(stranger, key)
        assert (refused.status_code, code_of(refused)) == (404, "api_key_not_found")
    assert (await listed(insurer))[key["api_key"]["id"]] == key["api_key"]


async def test_the_trail_says_who_rotated_which_key_and_no_secret(
    insurer: httpx.AsyncClient,
) -> None:
    key = await issued(insurer)
    new = (await rotate(insurer, key)).json()
    answer = await insurer.get("/audit-entries")
    action = "POST /api/v1/api-keys/{api_key_id}/rotate"
    (entry,) = [e for e in answer.json()["items"] if e["action"] == action]
    assert len(entry["changes"]) == 2
    assert new["api_key"]["id"] in answer.text
    assert new["key"] not in answer.text
