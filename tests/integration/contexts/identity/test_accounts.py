"""Organisations, users and API keys over HTTP: who may, who may not, and races."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from robosure.contexts.identity.queries import audit
from robosure.contexts.identity.tables import api_keys, organisations, users
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from tests.support import ApiClient, FixedClock, code_of

PASSWORD = "a long enough password"


@pytest.fixture
async def insurer(api: ApiClient) -> UUID:
    return await an_organisation(api, "insurer", "Robosure Mutual")


@pytest.fixture
async def operator(api: ApiClient) -> UUID:
    return await an_organisation(api, "operator", "Acme Logistics")


@pytest.fixture
def admin(api: ApiClient, insurer: UUID) -> httpx.AsyncClient:
    return api.as_("admin", organisation=insurer)


def operator_admin(api: ApiClient, operator: UUID) -> httpx.AsyncClient:
    return api.as_(
        "operator_admin", organisation=operator, kind="operator", roles=["policyholder"]
    )


async def an_organisation(api: ApiClient, kind: str, name: str) -> UUID:
    body = {"kind": kind, "name": name, "email": "a@b.example", "country": "DE"}
    answer = await api.as_("admin").post("/organisations", json=body)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def a_user(**given: Any) -> dict[str, Any]:
    user = {
        "email": "ada@robosure.example",
        "name": "Ada",
        "password": PASSWORD,
        "roles": ["adjuster"],
        "skills": ["collision"],
    }
    return {key: value for key, value in (user | given).items() if value is not None}


async def count_of(database: Database, table: Any) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


# --- organisations --------------------------------------------------------------------


async def test_an_insurer_registers_an_operator_and_tells_it(
    api: ApiClient, database: Database
) -> None:
    # when
    answer = await api.as_("admin").post(
        "/organisations",
        json={
            "kind": "operator",
            "name": "Acme",
            "email": "Fleet@Acme.example",
            "country": "DE",
        },
    )
    # then
    assert answer.status_code == 201
    acme = answer.json()
    assert (acme["name"], acme["email"]) == ("Acme", "fleet@acme.example")
    assert acme["registered_at"] == "2026-03-02T12:00:00Z"
    async with database.read() as session:
        (payload,) = (await session.scalars(select(outbox.c.payload))).all()
    assert payload == {
        "organisation_id": acme["id"],
        "name": "Acme",
        "kind": "operator",
        "email": "fleet@acme.example",
        "country": "DE",
    }


async def test_a_name_is_unique_in_its_kind_also_in_a_race(
    api: ApiClient, database: Database
) -> None:
    # given
    client = api.as_("admin")
    body = {"kind": "operator", "name": "Acme", "email": "a@b.c", "country": "DE"}
    # when five register it at once
    answers = await asyncio.gather(
        *(client.post("/organisations", json=body) for _ in range(5))
    )
    # then one did, and the name is free among manufacturers
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert code_of(refused) == "organisation_exists"
    other = await client.post("/organisations", json=body | {"kind": "manufacturer"})
    assert other.status_code == 201
    assert await count_of(database, organisations) == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"country": "XX"}, "unknown_country"),
        ({"kind": "bank"}, "invalid_request"),
        ({"name": " "}, "invalid_request"),
        ({"email": "nobody"}, "invalid_request"),
        ({"motto": "x"}, "invalid_request"),
    ],
)
async def test_a_bad_organisation_is_refused(
    api: ApiClient, database: Database, change: dict[str, str], code: str
) -> None:
    body = {"kind": "operator", "name": "Acme", "email": "a@b.c", "country": "DE"}
    answer = await api.as_("admin").post("/organisations", json=body | change)
    assert answer.status_code == 422
    assert code_of(answer) == code
    assert await count_of(database, organisations) == 0


async def test_an_operator_sees_itself_and_no_one_else(
    api: ApiClient, insurer: UUID, operator: UUID, admin: httpx.AsyncClient
) -> None:
    # given
    client = operator_admin(api, operator)
    # then
    seen = (await client.get("/organisations")).json()["items"]
    assert [each["id"] for each in seen] == [str(operator)]
    assert (await client.get(f"/organisations/{operator}")).status_code == 200
    hidden = await client.get(f"/organisations/{insurer}")
    assert hidden.status_code == 404
    assert code_of(hidden) == "organisation_not_found"
    # and the insurer sees all, newest first, in pages
    page = (await admin.get("/organisations", params={"limit": 1})).json()
    assert [each["id"] for each in page["items"]] == [str(operator)]
    following = {"limit": 1, "cursor": page["next_cursor"]}
    rest = (await admin.get("/organisations", params=following)).json()
    assert [each["id"] for each in rest["items"]] == [str(insurer)]
    assert rest["next_cursor"] is None
    of_kind = (await admin.get("/organisations?kind=insurer")).json()["items"]
    assert [each["id"] for each in of_kind] == [str(insurer)]


@pytest.mark.parametrize(
    ("role", "kind", "code"),
    [
        ("underwriter", "insurer", "permission_required"),
        ("operator_admin", "operator", "permission_required"),
        ("admin", "operator", "insurer_only"),
    ],
)
async def test_only_an_insurers_admin_registers_organisations(
    api: ApiClient, database: Database, role: str, kind: str, code: str
) -> None:
    body = {"kind": "insurer", "name": "Mine", "email": "a@b.c", "country": "DE"}
    answer = await api.as_(role, kind=kind).post("/organisations", json=body)
    assert answer.status_code == 403
    assert code_of(answer) == code
    assert await count_of(database, organisations) == 0


# --- users ----------------------------------------------------------------------------


async def test_a_registered_user_signs_in_and_is_told(
    api: ApiClient, database: Database, insurer: UUID, admin: httpx.AsyncClient
) -> None:
    # when
    answer = await admin.post("/users", json=a_user(email="Ada@Robosure.example"))
    # then
    assert answer.status_code == 201
    ada = answer.json()
    assert answer.headers["etag"] == '"1"'
    assert "password" not in answer.text
    assert (ada["organisation_id"], ada["email"]) == (
        str(insurer),
        "ada@robosure.example",
    )
    async with database.read() as session:
        told = (await session.execute(select(outbox).order_by(outbox.c.position))).all()
    assert told[-1].type == "identity.UserRegistered"
    assert told[-1].payload["roles"] == ["adjuster"]
    body = {"email": "ADA@robosure.example", "password": PASSWORD}
    signed_in = await api.anonymous().post("/auth/sign-in", json=body)
    assert signed_in.status_code == 200


async def test_an_address_is_taken_in_any_case_also_in_a_race(
    admin: httpx.AsyncClient, database: Database
) -> None:
    # when
    answers = await asyncio.gather(
        admin.post("/users", json=a_user(email="ada@robosure.example")),
        admin.post("/users", json=a_user(email="ADA@ROBOSURE.example")),
    )
    # then
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert code_of(refused) == "email_taken"
    assert await count_of(database, users) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"password": "eleven char"}, "invalid_request"),
        ({"password": "Password-1234"}, "password_too_common"),
        ({"password": "Michael-2026!"}, "password_too_common"),
        ({"password": "ada@robosure.example"}, "password_too_personal"),
        ({"password": "Robosure-2026!"}, "password_too_personal"),
        ({"roles": []}, "invalid_request"),
        ({"roles": ["policyholder"]}, "role_not_for_organisation"),
        ({"skills": ["Two words"]}, "invalid_skill"),
        ({"email": "a\0@b"}, "invalid_email"),
    ],
)
async def test_a_bad_user_is_refused(
    admin: httpx.AsyncClient, database: Database, change: dict[str, Any], code: str
) -> None:
    answer = await admin.post("/users", json=a_user(**change))
    assert answer.status_code == 422
    assert code_of(answer) == code
    assert PASSWORD not in answer.text
    assert await count_of(database, users) == 0


async def test_an_operators_admin_manages_colleagues_only(
    api: ApiClient, insurer: UUID, operator: UUID, admin: httpx.AsyncClient
) -> None:
    # given someone at the insurer, and an admin at the operator
    ada = (await admin.post("/users", json=a_user())).json()
    client = operator_admin(api, operator)
    # when
    mine = await client.post(
        "/users", json=a_user(email="bob@acme.example", roles=["policyholder"])
    )
    # then
    assert mine.status_code == 201
    assert mine.json()["organisation_id"] == str(operator)
    theirs = a_user(email="eve@acme.example", organisation_id=str(insurer))
    refused = await client.post("/users", json=theirs)
    assert (refused.status_code, code_of(refused)) == (404, "organisation_not_found")
    for answer in (
        await client.get(f"/users/{ada['id']}"),
        await client.patch(f"/users/{ada['id']}", json={"active": False}),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "user_not_found")
    listed = (await client.get("/users")).json()["items"]
    assert [each["email"] for each in listed] == ["bob@acme.example"]
    # and the insurer manages both
    everyone = (await admin.get("/users")).json()["items"]
    assert {each["email"] for each in everyone} == {
        "ada@robosure.example",
        "bob@acme.example",
    }
    theirs_only = {"organisation_id": str(operator)}
    bobs = (await admin.get("/users", params=theirs_only)).json()["items"]
    assert [each["email"] for each in bobs] == ["bob@acme.example"]


async def test_an_insurer_does_not_manage_another_insurers_users(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    # given
    ada = (await admin.post("/users", json=a_user())).json()
    rival_id = await an_organisation(api, "insurer", "Rival Mutual")
    rival = api.as_("admin", organisation=rival_id)
    # then
    for answer in (
        await rival.get(f"/users/{ada['id']}"),
        await rival.patch(f"/users/{ada['id']}", json={"roles": ["admin"]}),
    ):
        assert (answer.status_code, code_of(answer)) == (404, "user_not_found")
    assert (await rival.get("/users")).json()["items"] == []
    assert (await admin.get(f"/users/{ada['id']}")).json()["roles"] == ["adjuster"]


async def test_a_change_is_told_and_moves_the_etag(
    admin: httpx.AsyncClient, database: Database
) -> None:
    # given
    ada = (await admin.post("/users", json=a_user())).json()
    # when
    answer = await admin.patch(
        f"/users/{ada['id']}",
        json={"roles": ["support"], "active": False},
        headers={"If-Match": '"1"'},
    )
    # then
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json() == ada | {"roles": ["support"], "active": False, "version": 2}
    read = await admin.get(f"/users/{ada['id']}")
    assert (read.json(), read.headers["etag"]) == (answer.json(), '"2"')
    async with database.read() as session:
        told = (await session.execute(select(outbox).order_by(outbox.c.position))).all()
    assert told[-1].type == "identity.UserChanged"
    assert told[-1].payload["active"] is False


async def test_a_stale_change_is_refused(admin: httpx.AsyncClient) -> None:
    # given a user whom someone else changed meanwhile
    ada = (await admin.post("/users", json=a_user())).json()
    path = f"/users/{ada['id']}"
    await admin.patch(path, json={"name": "Ada L."})
    # when
    answer = await admin.patch(path, json={"name": "X"}, headers={"If-Match": '"1"'})
    # then
    assert (answer.status_code, code_of(answer)) == (412, "stale_version")
    assert (await admin.get(path)).json()["name"] == "Ada L."


async def test_of_changes_at_once_none_is_lost_unseen(admin: httpx.AsyncClient) -> None:
    # given
    ada = (await admin.post("/users", json=a_user())).json()
    path = f"/users/{ada['id']}"
    # when
    answers = await asyncio.gather(
        *(admin.patch(path, json={"skills": [f"skill-{n}"]}) for n in range(5))
    )
    # then each was done on the version before it, or refused
    done = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert len(done) + len(refused) == 5
    assert {code_of(answer) for answer in refused} <= {"stale_version"}
    assert sorted(answer.json()["version"] for answer in done) == [
        *range(2, 2 + len(done))
    ]


async def test_an_admin_cannot_lock_themselves_out(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient
) -> None:
    # given
    boss = (await admin.post("/users", json=a_user(roles=["admin"]))).json()
    herself = api.as_("admin", organisation=insurer, subject=UUID(boss["id"]))
    # when
    answer = await herself.patch(f"/users/{boss['id']}", json={"active": False})
    # then
    assert (answer.status_code, code_of(answer)) == (409, "own_access_unchangeable")
    assert (await admin.get(f"/users/{boss['id']}")).json() == boss


async def test_unknown_things_are_not_found(admin: httpx.AsyncClient) -> None:
    nowhere = uuid7()
    for answer in (
        await admin.get(f"/organisations/{nowhere}"),
        await admin.get(f"/users/{nowhere}"),
        await admin.patch(f"/users/{nowhere}", json={}),
        await admin.delete(f"/api-keys/{nowhere}"),
        await admin.post("/users", json=a_user(organisation_id=str(nowhere))),
    ):
        assert answer.status_code == 404


async def test_roles_are_listed_with_what_they_may_do(api: ApiClient) -> None:
    items = (await api.as_("support").get("/roles")).json()["items"]
    roles = {item["name"]: item["permissions"] for item in items}
    assert {"admin", "compliance", "operator_admin", "policyholder"} <= roles.keys()
    assert "audit:read" in roles["compliance"]
    assert "users:manage" not in roles["support"]


# --- API keys -------------------------------------------------------------------------


async def a_key(client: httpx.AsyncClient, **given: Any) -> httpx.Response:
    body = {"name": "Cell 4", "scopes": ["products:read"]} | given
    return await client.post("/api-keys", json=body)


def with_key(api: ApiClient, key: str) -> httpx.AsyncClient:
    client = api.anonymous()
    client.headers["X-API-Key"] = key
    return client


async def test_a_key_is_shown_once_and_proves_who_it_is(
    api: ApiClient, operator: UUID, database: Database
) -> None:
    # given
    robot = uuid7()
    client = operator_admin(api, operator)
    # when
    answer = await a_key(client, robot_id=str(robot))
    # then
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    issued = answer.json()
    key, shown = issued["key"], issued["api_key"]
    assert key.startswith(shown["prefix"])
    me = (await with_key(api, key).get("/auth/me")).json()
    assert me == {
        "subject": shown["id"],
        "kind": "api_key",
        "name": "Cell 4",
        "session_id": None,
        "organisation_id": str(operator),
        "organisation_kind": "operator",
        "roles": [],
        "permissions": ["products:read"],
        "robot_id": str(robot),
    }
    # and neither the list nor the database holds it
    listed = await client.get("/api-keys")
    assert key not in listed.text
    async with database.read() as session:
        row = (await session.execute(select(api_keys))).one()
    assert key.encode() not in row.digest
    assert len(row.digest) == 32


async def test_a_key_may_do_what_its_scopes_say_and_no_more(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    # given
    key = (await a_key(admin)).json()["key"]
    client = with_key(api, key)
    # then
    assert (await client.get("/products")).status_code == 200
    refused = await client.get("/users")
    assert (refused.status_code, code_of(refused)) == (403, "permission_required")


async def test_a_key_cannot_be_given_more_than_its_maker_has(
    api: ApiClient, operator: UUID, database: Database
) -> None:
    # when
    answer = await a_key(
        operator_admin(api, operator), scopes=["products:read", "products:manage"]
    )
    # then
    assert (answer.status_code, code_of(answer)) == (403, "scopes_not_grantable")
    assert answer.json()["context"] == {"scopes": "products:manage"}
    assert await count_of(database, api_keys) == 0


async def test_a_revoked_key_stops_working_and_stays_listed(
    api: ApiClient, admin: httpx.AsyncClient, clock: FixedClock
) -> None:
    # given
    issued = (await a_key(admin)).json()
    path = f"/api-keys/{issued['api_key']['id']}"
    # when it is revoked, and again an hour later
    assert (await admin.delete(path)).status_code == 204
    clock.advance(timedelta(minutes=5))
    assert (await admin.delete(path)).status_code == 204
    # then
    answer = await with_key(api, issued["key"]).get("/auth/me")
    assert (answer.status_code, code_of(answer)) == (401, "invalid_api_key")
    (listed,) = (await admin.get("/api-keys")).json()["items"]
    assert listed["revoked_at"] == "2026-03-02T12:00:00Z"


async def test_an_expired_key_stops_working(
    api: ApiClient, admin: httpx.AsyncClient, clock: FixedClock
) -> None:
    # given a key until one o'clock, in another zone's words
    key = (await a_key(admin, expires_at="2026-03-02T14:00:00+01:00")).json()["key"]
    assert (await with_key(api, key).get("/auth/me")).status_code == 200
    # when
    clock.advance(timedelta(hours=1))
    # then
    answer = await with_key(api, key).get("/auth/me")
    assert (answer.status_code, code_of(answer)) == (401, "invalid_api_key")


async def test_a_made_up_key_proves_nothing(api: ApiClient) -> None:
    answer = await with_key(api, "rbs_000000000000_made-up").get("/auth/me")
    assert (answer.status_code, code_of(answer)) == (401, "invalid_api_key")


async def test_the_last_use_is_kept_to_the_minute(
    api: ApiClient, admin: httpx.AsyncClient, clock: FixedClock, database: Database
) -> None:
    async def last_use() -> datetime | None:
        async with database.read() as session:
            return await session.scalar(select(api_keys.c.last_used_at))

    # given
    client = with_key(api, (await a_key(admin)).json()["key"])
    noon = clock.now()
    assert await last_use() is None
    # when it is used by many at once, and within the minute
    await asyncio.gather(*(client.get("/auth/me") for _ in range(10)))
    clock.advance(timedelta(seconds=59))
    await client.get("/auth/me")
    # then
    assert await last_use() == noon
    # when a minute passed
    clock.advance(timedelta(seconds=1))
    await client.get("/auth/me")
    # then
    assert await last_use() == noon + timedelta(minutes=1)


async def test_a_key_of_another_organisation_is_not_found(
    api: ApiClient, operator: UUID, admin: httpx.AsyncClient
) -> None:
    # given
    issued = (await a_key(admin)).json()
    # when
    stranger = operator_admin(api, operator)
    answer = await stranger.delete(f"/api-keys/{issued['api_key']['id']}")
    # then
    assert (answer.status_code, code_of(answer)) == (404, "api_key_not_found")
    assert (await stranger.get("/api-keys")).json()["items"] == []
    assert (await with_key(api, issued["key"]).get("/auth/me")).status_code == 200


async def test_an_insurer_makes_a_key_for_a_customer(
    api: ApiClient, operator: UUID, admin: httpx.AsyncClient
) -> None:
    # when
    answer = await a_key(admin, organisation_id=str(operator))
    # then
    me = (await with_key(api, answer.json()["key"]).get("/auth/me")).json()
    assert me["organisation_id"] == str(operator)
    theirs_only = {"organisation_id": str(operator)}
    listed = (await admin.get("/api-keys", params=theirs_only)).json()["items"]
    assert [each["id"] for each in listed] == [me["subject"]]


# --- audit trail ----------------------------------------------------------------------


async def test_the_audit_trail_says_who_changed_whom(
    api: ApiClient, insurer: UUID, operator: UUID, admin: httpx.AsyncClient
) -> None:
    # given a change at the insurer, one at the operator, and one by a rival insurer
    ada = (await admin.post("/users", json=a_user())).json()
    await admin.patch(f"/users/{ada['id']}", json={"name": "Ada L."})
    actor = uuid7()
    colleague = api.as_(
        "operator_admin", organisation=operator, kind="operator", subject=actor
    )
    await colleague.post("/users", json=a_user(email="b@c.d", roles=["policyholder"]))
    rival_id = await an_organisation(api, "insurer", "Rival Mutual")
    rival = api.as_("admin", organisation=rival_id)
    await rival.post("/users", json=a_user(email="r@rival.example"))
    # when
    compliance = api.as_("compliance", organisation=insurer)
    entries = (await compliance.get("/audit-entries")).json()["items"]
    # then
    changes = [e for e in entries if e["action"] == "PATCH /api/v1/users/{user_id}"]
    assert [change["subject"] for change in changes] == [{"user_id": ada["id"]}]
    assert changes[0]["organisation_id"] == str(insurer)
    assert str(rival_id) not in {entry["organisation_id"] for entry in entries}
    of_one = {"actor": str(actor)}
    theirs = (await compliance.get("/audit-entries", params=of_one)).json()["items"]
    assert [entry["action"] for entry in theirs] == ["POST /api/v1/users"]


async def test_the_audit_trail_shows_before_and_after_and_nothing_secret_or_personal(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient
) -> None:
    # given a user, an API key and a change with canaries in all that must not be shown
    canary = a_user(
        email="canary-mail@example.org",
        name="Canary Name",
        password="canary password, long enough",
    )
    user = (await admin.post("/users", json=canary)).json()
    changed = {"name": "Canary Married", "active": False}
    await admin.patch(f"/users/{user['id']}", json=changed)
    new_key = {"name": "gateway", "scopes": ["events:write"]}
    issued = (await admin.post("/api-keys", json=new_key)).json()
    # when
    compliance = api.as_("compliance", organisation=insurer)
    shown = await compliance.get("/audit-entries")
    # then
    by_action = {each["action"]: each for each in shown.json()["items"]}
    changes = by_action["PATCH /api/v1/users/{user_id}"]["changes"]
    assert changes == [
        {
            "object_type": "user",
            "object_id": user["id"],
            "before": {"name": "C***", "active": True},
            "after": {"name": "C***", "active": False},
        }
    ]
    made = by_action["POST /api/v1/users"]["changes"][0]["after"]
    assert (made["email"], made["name"]) == ("c***@example.org", "C***")
    assert made["password_hash"] == "***"
    assert by_action["POST /api/v1/api-keys"]["changes"][0]["after"]["digest"] == "***"
    for secret in ("canary", "$argon2", issued["key"]):
        assert secret not in shown.text.lower()


async def test_the_audit_trail_is_searched_by_object_action_and_time(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient, clock: FixedClock
) -> None:
    # given three users, of whom the second was changed an hour later
    users = [
        (await admin.post("/users", json=a_user(email=f"{n}@b.c"))).json()["id"]
        for n in range(3)
    ]
    earlier = clock.now()
    clock.advance(timedelta(minutes=10))
    admin = api.as_("admin", organisation=insurer)
    await admin.patch(f"/users/{users[1]}", json={"active": False})

    async def found(**asked: str) -> list[str]:
        answer = await admin.get("/audit-entries", params=asked)
        assert answer.status_code == 200, answer.text
        return [each["action"].split()[0] for each in answer.json()["items"]]

    # then
    of_second = {"object_type": "user", "object_id": users[1]}
    assert await found(**of_second) == ["PATCH", "POST"]
    assert await found(**of_second, action="POST /api/v1/users") == ["POST"]
    now = clock.now().isoformat()
    assert await found(object_type="user", **{"from": now}) == ["PATCH"]
    assert await found(object_type="user", to=now) == ["POST"] * 3
    assert await found(object_type="user", to=earlier.isoformat()) == []
    # and page by page
    page = await admin.get("/audit-entries", params={"object_type": "user", "limit": 3})
    assert len(page.json()["items"]) == 3
    cursor = page.json()["next_cursor"]
    assert await found(object_type="user", cursor=cursor) == ["POST"]
    # and an id alone says too little
    refused = await admin.get("/audit-entries", params={"object_id": users[1]})
    assert (refused.status_code, code_of(refused)) == (422, "object_type_required")


async def test_the_audit_trail_is_exported_as_lines_page_after_page(
    api: ApiClient,
    insurer: UUID,
    admin: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit, "_EXPORTED_AT_ONCE", 2)
    for number in range(5):
        await admin.post("/users", json=a_user(email=f"{number}@b.c"))
    rival = api.as_("admin", organisation=await an_organisation(api, "insurer", "R"))
    await rival.post("/users", json=a_user(email="r@rival.example"))
    # when
    exported = await admin.get("/audit-entries/export", params={"object_type": "user"})
    # then
    assert exported.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in exported.text.splitlines()]
    listed = await admin.get("/audit-entries", params={"object_type": "user"})
    assert lines == listed.json()["items"]
    assert [each["sequence"] for each in lines] == sorted(
        (each["sequence"] for each in lines), reverse=True
    )
    assert len(lines) == 5


@pytest.mark.parametrize("path", ["/audit-entries", "/audit-entries/export"])
@pytest.mark.parametrize(
    ("role", "kind", "code"),
    [
        ("adjuster", "insurer", "permission_required"),
        ("operator_admin", "operator", "permission_required"),
        ("admin", "operator", "insurer_only"),
    ],
)
async def test_the_audit_trail_is_for_an_insurers_admins_and_compliance(
    api: ApiClient, role: str, kind: str, code: str, path: str
) -> None:
    answer = await api.as_(role, kind=kind).get(path)
    assert (answer.status_code, code_of(answer)) == (403, code)


async def test_who_lost_a_permission_is_not_told_the_answer_from_before(
    api: ApiClient,
) -> None:
    # given an answer that is kept for who asks again
    once = {"Idempotency-Key": "intent-1"}
    body = {"kind": "operator", "name": "Acme", "email": "a@b.example", "country": "DE"}
    subject, insurer = uuid7(), uuid7()
    admin = api.as_("admin", subject=subject, organisation=insurer)
    first = await admin.post("/organisations", json=body, headers=once)
    again = await admin.post("/organisations", json=body, headers=once)
    assert (first.status_code, again.json()) == (201, first.json())
    # when they may do it no more
    demoted = api.as_("support", subject=subject, organisation=insurer)
    refused = await demoted.post("/organisations", json=body, headers=once)
    # then
    assert (refused.status_code, code_of(refused)) == (403, "permission_required")
