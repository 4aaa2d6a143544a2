"""Authority limits over HTTP: proposed by one, approved by another, and in force."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, insert, select

from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.tables import authority_limits, organisations
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.settings import Settings
from tests.journey import Json, answered
from tests.support import ApiClient, code_of

PASSWORD = "a long enough password"


@pytest.fixture
async def insurer(api: ApiClient) -> UUID:
    return await an_organisation(api, "Robosure Mutual", "insurer")


@pytest.fixture
def admin(api: ApiClient, insurer: UUID) -> httpx.AsyncClient:
    return api.as_("admin", organisation=insurer)


@pytest.fixture
def other(api: ApiClient, insurer: UUID) -> httpx.AsyncClient:
    """Another administrator of the same insurer."""
    return api.as_("admin", organisation=insurer)


async def an_organisation(api: ApiClient, name: str, kind: str) -> UUID:
    body = {"kind": kind, "name": name, "email": "a@b.example", "country": "DE"}
    answer = await api.as_("admin").post("/organisations", json=body)
    return UUID(answered(answer, 201)["id"])


async def a_user(admin: httpx.AsyncClient, **given: Any) -> str:
    body = {
        "email": "grace@robosure.example",
        "name": "Grace",
        "password": PASSWORD,
        "roles": ["adjuster"],
    }
    user = answered(await admin.post("/users", json=body | given), 201)
    return str(user["id"])


def euros(amount: int) -> Json:
    return {"minor": amount * 100, "currency": "EUR"}


def a_proposal(**given: Any) -> Json:
    body = {
        "decision": "settlement",
        "role": "adjuster",
        "amount": euros(25_000),
        "reason": "Grace heads the team.",
    }
    return {key: value for key, value in (body | given).items() if value is not None}


async def proposed(client: httpx.AsyncClient, **given: Any) -> Json:
    answer = await client.post("/authority-limits", json=a_proposal(**given))
    limit: Json = answered(answer, 201)
    return limit


async def in_force(client: httpx.AsyncClient, **chosen: str) -> list[Json]:
    query = {"status": "approved", "limit": "200", **chosen}
    page = answered(await client.get("/authority-limits", params=query))
    found: list[Json] = page["items"]
    return found


async def test_one_admin_proposes_and_another_approves(
    admin: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    # given what every insurer starts with
    before = await in_force(admin, role="adjuster")
    (old,) = (each for each in before if each["amount"]["currency"] == "EUR")
    assert (old["amount"], old["proposed_by"]) == (euros(10_000), None)
    # when one proposes another limit
    answer = await admin.post("/authority-limits", json=a_proposal())
    limit = answered(answer, 201)
    assert (limit["status"], limit["version"]) == ("proposed", 1)
    assert answer.headers["etag"] == '"1"'
    # then it is not in force
    assert await in_force(admin, role="adjuster") == before
    # until another one approves the version that they saw
    path = f"/authority-limits/{limit['id']}"
    seen = (await other.get(path)).headers["etag"]
    answer = await other.post(f"{path}/approve", headers={"If-Match": seen})
    assert answered(answer)["status"] == "approved"
    assert answer.headers["etag"] == '"2"'
    assert answered(await admin.get(path)) == answer.json()
    # in place of the old one, which is kept, and of no other currency's
    now = await in_force(admin, role="adjuster")
    assert {each["id"] for each in now} == (
        {each["id"] for each in before} - {old["id"]} | {limit["id"]}
    )
    ended = answered(await admin.get(f"/authority-limits/{old['id']}"))
    assert (ended["status"], ended["amount"]) == ("ended", euros(10_000))
    assert ended["ended_at"] is not None


async def test_who_proposed_a_limit_cannot_approve_it_but_withdraw_it(
    admin: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    limit = await proposed(admin)
    path = f"/authority-limits/{limit['id']}"
    # when
    refused = await admin.post(f"{path}/approve")
    # then nothing changes, the limit in force included
    assert (refused.status_code, code_of(refused)) == (403, "proposer_cannot_approve")
    assert answered(await other.get(path)) == limit
    assert limit["id"] not in {each["id"] for each in await in_force(admin)}
    assert len(await in_force(admin)) == 8
    # and it may be withdrawn
    assert answered(await admin.post(f"{path}/reject"))["status"] == "rejected"
    again = await other.post(f"{path}/approve")
    assert (again.status_code, code_of(again)) == (409, "limit_decided")


async def test_nobody_approves_a_limit_that_concerns_them(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient
) -> None:
    # given a limit for a person who is an admin, and one for all admins
    email = {"email": "ada@robosure.example"}
    ada = await a_user(admin, roles=["admin", "adjuster"], **email)
    hers = api.as_("admin", organisation=insurer, subject=UUID(ada))
    for limit in (
        await proposed(admin, role=None, user_id=ada),
        await proposed(admin, role="admin"),
    ):
        # when she decides on it
        for action in ("approve", "reject"):
            path = f"/authority-limits/{limit['id']}/{action}"
            refused = await hers.post(path)
            assert (refused.status_code, code_of(refused)) == (403, "own_limit")
        # then nothing changes
        path = f"/authority-limits/{limit['id']}"
        assert answered(await hers.get(path)) == limit
    # and compliance, whom neither concerns, may confirm both
    compliance = api.as_("compliance", organisation=insurer)
    waiting = answered(await compliance.get("/authority-limits?status=proposed"))
    assert len(waiting["items"]) == 2
    for each in waiting["items"]:
        path = f"/authority-limits/{each['id']}/approve"
        assert answered(await compliance.post(path))["status"] == "approved"
    assert len(await in_force(admin, user_id=ada)) == 1


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"role": None}, 422, "limit_needs_one_holder"),
        ({"user_id": str(uuid7())}, 422, "limit_needs_one_holder"),
        ({"role": None, "user_id": str(uuid7())}, 404, "user_not_found"),
        ({"role": "policyholder"}, 422, "unknown_role"),
        ({"role": "device"}, 422, "unknown_role"),
        ({"amount": euros(-1)}, 422, "negative_amount"),
        ({"amount": {"minor": 1, "currency": "euro"}}, 422, "invalid_request"),
        ({"decision": "marriage"}, 422, "invalid_request"),
        ({"reason": " "}, 422, "invalid_request"),
        ({"status": "approved"}, 422, "invalid_request"),
    ],
)
async def test_a_bad_proposal_is_refused(
    admin: httpx.AsyncClient,
    database: Database,
    change: Json,
    status: int,
    code: str,
) -> None:
    answer = await admin.post("/authority-limits", json=a_proposal(**change))
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert await count_of(database) == 8


async def count_of(database: Database) -> int:
    statement = select(func.count()).select_from(authority_limits)
    async with database.read() as session:
        return await session.scalar(statement) or 0


async def test_a_person_of_another_organisation_gets_no_limit(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    operator = await an_organisation(api, "Acme", "operator")
    user = await a_user(admin, organisation_id=str(operator), roles=["policyholder"])
    answer = await admin.post(
        "/authority-limits", json=a_proposal(role=None, user_id=user)
    )
    assert (answer.status_code, code_of(answer)) == (404, "user_not_found")


async def test_another_insurers_limits_are_not_found(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    limit = await proposed(admin)
    path = f"/authority-limits/{limit['id']}"
    rival_id = await an_organisation(api, "Rival Mutual", "insurer")
    rival = api.as_("admin", organisation=rival_id)
    for answer in (
        await rival.get(path),
        await rival.post(f"{path}/approve"),
        await rival.post(f"{path}/reject"),
    ):
        assert answer.status_code == 404
        assert code_of(answer) == "authority_limit_not_found"
    assert answered(await admin.get(path)) == limit
    # who has its own, and sees no others
    own = {each["id"] for each in await in_force(rival)}
    assert len(own) == 8
    assert not own & {each["id"] for each in await in_force(admin)}


async def test_a_customer_or_a_key_has_no_say(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient
) -> None:
    # given someone with the permission, but of an operator
    customer = api.as_("admin", kind="operator")
    refused = await customer.post("/authority-limits", json=a_proposal())
    assert (refused.status_code, code_of(refused)) == (403, "insurer_only")
    # and a key that holds it
    scopes = ["authority:propose", "authority:approve"]
    body = {"name": "automation", "scopes": scopes}
    key = answered(await admin.post("/api-keys", json=body), 201)["key"]
    machine = api.anonymous()
    machine.headers["X-API-Key"] = key
    limit = await proposed(admin)
    for path, sent in (
        ("/authority-limits", a_proposal()),
        (f"/authority-limits/{limit['id']}/approve", None),
    ):
        refused = await machine.post(path, json=sent)
        assert (refused.status_code, code_of(refused)) == (403, "person_required")
    assert answered(await admin.get(f"/authority-limits/{limit['id']}")) == limit


async def test_a_decision_on_an_older_version_is_refused(
    admin: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    limit = await proposed(admin)
    path = f"/authority-limits/{limit['id']}"
    for action in ("approve", "reject"):
        stale = {"If-Match": '"7"'}
        refused = await other.post(f"{path}/{action}", headers=stale)
        assert (refused.status_code, code_of(refused)) == (412, "stale_version")
    assert answered(await admin.get(path)) == limit


@pytest.mark.parametrize("currency", ["EUR", "JPY"])
async def test_of_two_limits_approved_at_once_one_is_in_force(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient, currency: str
) -> None:
    # given two proposals for the same role; in one currency there is a limit already
    limits = [
        await proposed(admin, amount={"minor": minor, "currency": currency})
        for minor in (100, 200)
    ]
    # when two people approve them at once
    answers = await asyncio.gather(
        *(
            api.as_("admin", organisation=insurer).post(
                f"/authority-limits/{each['id']}/approve"
            )
            for each in limits
        )
    )
    # then each is approved or refused as stale, and one is in force
    assert {answer.status_code for answer in answers} <= {200, 409}
    found = [
        each
        for each in await in_force(admin, role="adjuster")
        if each["amount"]["currency"] == currency
    ]
    assert len(found) == 1
    assert found[0]["id"] in {each["id"] for each in limits}


async def test_limits_are_listed_in_pages_and_by_what_they_are(
    admin: httpx.AsyncClient,
) -> None:
    user = await a_user(admin)
    mine = await proposed(admin, role=None, user_id=user)
    page = answered(await admin.get("/authority-limits", params={"limit": 2}))
    assert page["items"][0] == mine
    rest = answered(
        await admin.get(
            "/authority-limits", params={"limit": 200, "cursor": page["next_cursor"]}
        )
    )
    assert (len(rest["items"]), rest["next_cursor"]) == (7, None)
    for query, count in (
        ({"status": "proposed"}, 1),
        ({"role": "admin"}, 4),
        ({"user_id": user}, 1),
        ({"decision": "settlement"}, 9),
        ({"status": "rejected"}, 0),
    ):
        found = answered(await admin.get("/authority-limits", params=query))
        assert len(found["items"]) == count, query


async def test_the_trail_says_who_proposed_and_who_approved(
    admin: httpx.AsyncClient, other: httpx.AsyncClient
) -> None:
    limit = await proposed(admin)
    answered(await other.post(f"/authority-limits/{limit['id']}/approve"))
    query = {"object_type": "authority_limit", "object_id": limit["id"]}
    entries = answered(await admin.get("/audit-entries", params=query))["items"]
    actors = [each["actor"] for each in entries]
    me = answered(await admin.get("/auth/me"))["subject"]
    them = answered(await other.get("/auth/me"))["subject"]
    assert actors == [them, me]


async def test_seeding_gives_limits_to_insurers_that_have_none_and_to_no_other(
    database: Database, settings: Settings, admin: httpx.AsyncClient
) -> None:
    # given an insurer with limits, and one from before there were any
    before = await in_force(admin)
    older = {
        "id": uuid7(),
        "kind": "insurer",
        "name": "Older Mutual",
        "email": "office@example.com",
        "country": "DE",
        "registered_at": datetime(2026, 1, 1, tzinfo=UTC),
        "version": 1,
    }
    async with database.write() as session:
        await session.execute(insert(organisations).values(older))
    # when
    await seed(database, settings)
    await seed(database, settings)
    # then
    assert await in_force(admin) == before
    async with database.read() as session:
        everyone = set(await session.scalars(select(organisations.c.id)))
        held = (await session.scalars(select(authority_limits.c.organisation_id))).all()
    assert len(everyone) == 2
    assert Counter(held) == dict.fromkeys(everyone, 8)
