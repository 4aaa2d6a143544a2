"""Permissions and roles over HTTP: an insurer's own, what they give, and to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from robosure.contexts.identity.tables import custom_roles, users
from robosure.platform.database import Database
from tests.integration.contexts.identity.test_authority import (
    a_proposal,
    a_user,
    an_organisation,
    in_force,
    proposed,
)
from tests.journey import Json, answered, nothing_changes, sign_in
from tests.support import ApiClient, code_of

PASSWORD = "a long enough password"
READING = ["claims:read", "policies:read"]


@pytest.fixture
async def insurer(api: ApiClient) -> UUID:
    return await an_organisation(api, "Robosure Mutual", "insurer")


@pytest.fixture
def admin(api: ApiClient, insurer: UUID) -> httpx.AsyncClient:
    return api.as_("admin", organisation=insurer)


def a_role(**given: Any) -> Json:
    role = {
        "name": "investigator",
        "description": "Looks into claims that seem made up.",
        "permissions": READING,
    }
    return role | given


async def defined(client: httpx.AsyncClient, **given: Any) -> Json:
    role: Json = answered(await client.post("/custom-roles", json=a_role(**given)), 201)
    return role


async def someone(
    api: ApiClient, admin: httpx.AsyncClient, roles: Sequence[str], **given: Any
) -> httpx.AsyncClient:
    """Register a person with these roles, and sign them in."""
    email = f"{roles[0]}@robosure.example"
    await a_user(admin, roles=list(roles), email=email, **given)
    client = api.anonymous()
    await sign_in(client, email, PASSWORD)
    return client


async def a_provider(client: httpx.AsyncClient, **given: Any) -> httpx.Response:
    document = {
        "name": "A",
        "kind": "oidc",
        "issuer": "https://login.example.com",
        "client_id": "robosure",
        "client_secret": "what the provider told us",
    }
    return await client.post("/identity-providers", json=document | given)


# --- permissions ----------------------------------------------------------------------


async def test_every_permission_says_what_it_is_for_and_who_holds_it(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    items = answered(await admin.get("/permissions"))["items"]
    assert [each["name"] for each in items] == sorted(api.edge.roles.permissions)
    assert [each["name"] for each in items if not each["description"]] == []
    by_name = {each["name"]: each for each in items}
    assert by_name["claims:approve"]["roles"] == ["adjuster", "admin"]
    # as the roles themselves say
    roles = answered(await admin.get("/roles"))["items"]
    held = {(role["name"], each) for role in roles for each in role["permissions"]}
    assert held == {(role, each["name"]) for each in items for role in each["roles"]}


def test_nothing_is_described_that_is_no_permission(api: ApiClient) -> None:
    assert api.edge.roles.descriptions.keys() == api.edge.roles.permissions


# --- making them ----------------------------------------------------------------------


async def test_a_role_is_made_given_and_carried_by_the_token(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    # given a role of the insurer's own
    answer = await admin.post("/custom-roles", json=a_role())
    role = answered(answer, 201)
    assert (role["permissions"], role["version"]) == (READING, 1)
    assert answer.headers["etag"] == '"1"'
    # when somebody holds it, beside another one
    ada = await someone(api, admin, ["investigator", "risk_analyst"])
    me = answered(await ada.get("/auth/me"))
    # then they may do what both give, and nothing else
    both = api.edge.roles.permissions_of({"risk_analyst"}) | set(READING)
    assert set(me["permissions"]) == both
    assert me["roles"] == ["investigator", "risk_analyst"]
    assert (await ada.get("/policies")).status_code == 200
    refused = await ada.get("/users")
    assert (refused.status_code, code_of(refused)) == (403, "permission_required")


async def test_a_changed_role_takes_effect_with_the_next_token(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    # given somebody who holds a role
    role = await defined(admin)
    ada = await someone(api, admin, ["investigator"])
    path = f"/custom-roles/{role['id']}"
    # when it loses a permission and gains another
    change = {"description": "Reads.", "permissions": ["claims:read", "users:read"]}
    answer = await admin.put(path, json=change, headers={"If-Match": '"1"'})
    assert answered(answer)["permissions"] == change["permissions"]
    assert answer.headers["etag"] == '"2"'
    assert answered(await admin.get(path)) == answer.json()
    # then the token that they have says what it said
    assert (await ada.get("/policies")).status_code == 200
    # and their next one what the role is
    await sign_in(ada, "investigator@robosure.example", PASSWORD)
    assert (await ada.get("/policies")).status_code == 403
    assert (await ada.get("/users")).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"name": "underwriter"}, 409, "role_exists"),
        ({"name": "policyholder"}, 409, "role_exists"),
        ({"name": "operator_admin"}, 409, "role_exists"),
        ({"name": "device"}, 409, "role_exists"),
        ({"name": "taken"}, 409, "role_exists"),
        ({"name": "Two words"}, 422, "invalid_role_name"),
        ({"permissions": []}, 422, "invalid_request"),
        ({"permissions": ["world:rule"]}, 422, "permissions_not_for_insurers"),
        ({"description": ""}, 422, "invalid_request"),
        ({"organisation_id": "x"}, 422, "invalid_request"),
    ],
)
async def test_a_bad_role_is_refused(
    admin: httpx.AsyncClient, database: Database, change: Json, status: int, code: str
) -> None:
    await defined(admin, name="taken")
    async with nothing_changes(database):
        answer = await admin.post("/custom-roles", json=a_role(**change))
    assert (answer.status_code, code_of(answer)) == (status, code)


async def test_of_two_roles_of_one_name_made_at_once_there_is_one(
    admin: httpx.AsyncClient,
) -> None:
    answers = await asyncio.gather(
        *(admin.post("/custom-roles", json=a_role()) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert len(answered(await admin.get("/custom-roles"))["items"]) == 1


async def test_a_change_on_an_older_version_is_refused(
    admin: httpx.AsyncClient, database: Database
) -> None:
    role = await defined(admin)
    path, stale = f"/custom-roles/{role['id']}", {"If-Match": '"9"'}
    change = {"description": "Reads.", "permissions": ["claims:read"]}
    async with nothing_changes(database):
        for refused in (
            await admin.put(path, json=change, headers=stale),
            await admin.delete(path, headers=stale),
        ):
            assert (refused.status_code, code_of(refused)) == (412, "stale_version")


# --- nobody raises themselves ---------------------------------------------------------


async def test_nobody_gives_by_a_role_what_they_do_not_hold(
    api: ApiClient, admin: httpx.AsyncClient, database: Database
) -> None:
    # given somebody whose own role lets them make roles, and no more
    await defined(admin, name="keeper", permissions=["roles:manage", "claims:read"])
    keeper = await someone(api, admin, ["keeper"])
    mine = await defined(keeper, name="reader", permissions=["claims:read"])
    # when they make a role of more, or one of theirs more
    more = ["claims:read", "claims:approve"]
    async with nothing_changes(database):
        for refused in (
            await keeper.post("/custom-roles", json=a_role(permissions=more)),
            await keeper.put(
                f"/custom-roles/{mine['id']}",
                json={"description": "More.", "permissions": more},
            ),
        ):
            assert refused.status_code == 403
            assert code_of(refused) == "permissions_not_grantable"
            assert refused.json()["context"] == {"permissions": ["claims:approve"]}


async def test_nobody_makes_an_admin_who_is_none(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient, database: Database
) -> None:
    # given somebody whose own role lets them manage people
    managing = ["users:manage", "users:read", "claims:read"]
    await defined(admin, name="people", permissions=managing)
    await defined(admin, name="reader", permissions=["claims:read"])
    manager = await someone(api, admin, ["people"])
    boss = await a_user(admin, roles=["admin"], email="boss@robosure.example")
    # then they give roles of what they hold
    eve = await a_user(manager, roles=["reader"], email="eve@robosure.example")
    renamed = await manager.patch(f"/users/{boss}", json={"name": "The boss"})
    assert renamed.status_code == 200
    # and no others, nor do they take such away or keep their holders out
    person = {"email": "x@robosure.example", "name": "X", "password": PASSWORD}
    async with nothing_changes(database):
        for refused in (
            await manager.post("/users", json=person | {"roles": ["admin"]}),
            await manager.patch(f"/users/{eve}", json={"roles": ["reader", "admin"]}),
            await manager.patch(f"/users/{boss}", json={"roles": ["reader"]}),
            await manager.patch(f"/users/{boss}", json={"active": False}),
        ):
            assert refused.status_code == 403
            assert code_of(refused) == "roles_not_grantable"
    # whereas they may of their own kind
    gone = await manager.patch(f"/users/{eve}", json={"active": False})
    assert answered(gone)["active"] is False


async def test_nobody_gets_rid_of_an_admin_who_is_none(
    api: ApiClient, admin: httpx.AsyncClient, database: Database
) -> None:
    # given somebody whose own role lets them manage people, and erase them
    managing = ["users:manage", "users:read", "personal-data:erase"]
    await defined(admin, name="people", permissions=managing)
    manager = await someone(api, admin, ["people"])
    boss = await a_user(admin, roles=["admin"], email="boss@robosure.example")
    await a_user(admin, roles=["admin"], email="other@robosure.example")
    support = await a_user(admin, roles=["support"], email="s@robosure.example")
    # and a key of the same
    body = {"name": "of a system", "scopes": ["users:manage"]}
    system = api.anonymous()
    made = answered(await admin.post("/api-keys", json=body), 201)
    system.headers["X-API-Key"] = made["key"]
    # then neither signs an admin out, nor takes from them what they sign in with
    async with nothing_changes(database):
        for refused in (
            await manager.delete(f"/users/{boss}/sessions"),
            await manager.delete(f"/users/{boss}/second-factor"),
            await manager.post(f"/users/{boss}/erasure"),
        ):
            assert refused.status_code == 403
            assert code_of(refused) == "roles_not_grantable"
    by_key = await system.delete(f"/users/{boss}/sessions")
    assert (by_key.status_code, code_of(by_key)) == (403, "person_required")
    # whereas they help and erase others, and sign them out
    for client in (manager, system):
        signed_out = await client.delete(f"/users/{support}/sessions")
        assert signed_out.status_code == 204
    answered(await manager.post(f"/users/{support}/erasure"), 200)
    # and an admin may
    assert (await admin.delete(f"/users/{boss}/sessions")).status_code == 204
    answered(await admin.post(f"/users/{boss}/erasure"), 200)


async def test_a_role_is_not_held_by_who_was_erased(
    admin: httpx.AsyncClient,
) -> None:
    role = await defined(admin)
    ada = await a_user(admin, roles=[role["name"]], email="ada@robosure.example")
    answered(await admin.post(f"/users/{ada}/erasure"), 200)
    assert (await admin.delete(f"/custom-roles/{role['id']}")).status_code == 204


async def test_a_role_gives_no_more_than_people_of_an_insurer_may_hold(
    api: ApiClient, admin: httpx.AsyncClient, database: Database
) -> None:
    # given a role of a permission that there is no longer
    await defined(admin)
    async with database.write() as session:
        old = (*READING, "claims:burn")
        await session.execute(update(custom_roles).values(permissions=old))
    # then nobody gets it
    ada = await someone(api, admin, ["investigator"])
    assert answered(await ada.get("/auth/me"))["permissions"] == READING


async def test_an_insurers_own_role_goes_before_one_that_comes_along_later(
    api: ApiClient, admin: httpx.AsyncClient, database: Database
) -> None:
    # given somebody whose role is called like one that comes along by now
    await defined(admin)
    await a_user(admin, roles=["investigator"], email="ada@robosure.example")
    async with database.write() as session:
        await session.execute(update(custom_roles).values(name="admin"))
        await session.execute(update(users).values(roles=("admin",)))
    # then they may what they could before
    ada = api.anonymous()
    await sign_in(ada, "ada@robosure.example", PASSWORD)
    assert answered(await ada.get("/auth/me"))["permissions"] == READING


# --- whose they are -------------------------------------------------------------------


async def test_another_insurers_roles_are_not_found_and_not_given(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient, database: Database
) -> None:
    # given a role of one insurer, and another insurer
    role = await defined(admin)
    rival_id = await an_organisation(api, "Rival Mutual", "insurer")
    rival = api.as_("admin", organisation=rival_id)
    operator = await an_organisation(api, "Acme", "operator")
    path = f"/custom-roles/{role['id']}"
    change = {"description": "Mine.", "permissions": ["claims:read"]}
    person = {"email": "x@rival.example", "name": "X", "password": PASSWORD}
    holder = person | {"roles": ["investigator"]}
    customer = holder | {"organisation_id": str(operator)}
    async with nothing_changes(database):
        for refused in (
            await rival.get(path),
            await rival.put(path, json=change),
            await rival.delete(path),
        ):
            assert refused.status_code == 404
            assert code_of(refused) == "custom_role_not_found"
        # then nobody else's people hold it, nor do customers
        for refused in (
            await rival.post("/users", json=holder),
            await admin.post("/users", json=customer),
        ):
            assert refused.status_code == 422
            assert code_of(refused) == "role_not_for_organisation"
        # and it has no limits there
        limit = a_proposal(role="investigator")
        refused = await rival.post("/authority-limits", json=limit)
        assert (refused.status_code, code_of(refused)) == (422, "unknown_role")
    assert answered(await rival.get("/custom-roles"))["items"] == []
    # whereas the rival may call one of theirs the same
    theirs = await defined(rival, permissions=["claims:approve"])
    assert answered(await admin.get("/custom-roles"))["items"] == [role]
    assert answered(await rival.get("/custom-roles"))["items"] == [theirs]


async def test_customers_have_no_roles_of_their_own(
    api: ApiClient, database: Database
) -> None:
    operator = await an_organisation(api, "Acme", "operator")
    customer = api.as_("admin", organisation=operator, kind="operator")
    async with nothing_changes(database):
        refused = await customer.post("/custom-roles", json=a_role())
    assert (refused.status_code, code_of(refused)) == (403, "insurer_only")


async def test_nobody_removes_a_provider_that_gives_what_they_do_not_hold(
    api: ApiClient, admin: httpx.AsyncClient, database: Database
) -> None:
    # given somebody who manages providers by a role of the insurer's own
    managing = ["identity-providers:manage", *READING]
    await defined(admin, name="doorkeeper", permissions=managing)
    await defined(admin, name="reader", permissions=READING)
    keeper = await someone(api, admin, ["doorkeeper"])
    # then they remove one whose people may read, and none whose people may more
    reading = answered(await a_provider(keeper, default_roles=["reader"]), 201)
    more = answered(await a_provider(admin, name="B", default_roles=["admin"]), 201)
    async with nothing_changes(database):
        refused = await keeper.delete(f"/identity-providers/{more['id']}")
    assert (refused.status_code, code_of(refused)) == (403, "roles_not_grantable")
    removed = await keeper.delete(f"/identity-providers/{reading['id']}")
    assert removed.status_code == 204


# --- removing them --------------------------------------------------------------------


async def test_a_role_that_is_held_stays_and_one_that_is_not_goes_with_its_limits(
    api: ApiClient, insurer: UUID, admin: httpx.AsyncClient, database: Database
) -> None:
    # given a role with limits, one in force and one proposed, that somebody holds
    role = await defined(admin, permissions=["claims:read", "claims:approve"])
    path = f"/custom-roles/{role['id']}"
    approved = await proposed(admin, role="investigator")
    other = api.as_("admin", organisation=insurer)
    answered(await other.post(f"/authority-limits/{approved['id']}/approve"))
    waiting = await proposed(admin, role="investigator")
    user = await a_user(admin, roles=["investigator"])
    # then it cannot be removed, whether or not they are active
    answered(await admin.patch(f"/users/{user}", json={"active": False}))
    async with nothing_changes(database):
        refused = await admin.delete(path)
    assert (refused.status_code, code_of(refused)) == (409, "role_held")
    # when nobody holds it any more
    answered(await admin.patch(f"/users/{user}", json={"roles": ["support"]}))
    removed = await admin.delete(path, headers={"If-Match": '"1"'})
    # then it goes, and its limits end
    assert removed.status_code == 204
    assert (await admin.get(path)).status_code == 404
    for each in (approved, waiting):
        limit = answered(await admin.get(f"/authority-limits/{each['id']}"))
        assert limit["status"] == "ended"
    # so that another role of its name has none
    await defined(admin)
    assert await in_force(admin, role="investigator") == []
    late = await other.post(f"/authority-limits/{waiting['id']}/approve")
    assert (late.status_code, code_of(late)) == (409, "limit_decided")


async def test_a_role_is_not_removed_while_somebody_is_given_it(
    api: ApiClient, admin: httpx.AsyncClient
) -> None:
    for n in range(5):
        role = await defined(admin, name=f"role_{n}")
        person = {
            "email": f"{n}@robosure.example",
            "name": "X",
            "password": PASSWORD,
            "roles": [role["name"]],
        }
        # when both happen at once
        given, removed = await asyncio.gather(
            admin.post("/users", json=person),
            admin.delete(f"/custom-roles/{role['id']}"),
        )
        # then one of them did
        assert (given.status_code, removed.status_code) in {(201, 409), (422, 204)}


async def test_the_trail_says_what_a_role_gave_before_and_after(
    admin: httpx.AsyncClient,
) -> None:
    role = await defined(admin)
    change = {"description": "Reads.", "permissions": ["claims:read"]}
    answered(await admin.put(f"/custom-roles/{role['id']}", json=change))
    query = {"object_type": "custom_role", "object_id": role["id"]}
    entries = answered(await admin.get("/audit-entries", params=query))["items"]
    (changed,) = entries[0]["changes"]
    assert changed["before"]["permissions"] == READING
    assert changed["after"]["permissions"] == ["claims:read"]


@pytest.mark.parametrize(
    "rules",
    [
        {"default_roles": ["investigator"]},
        {"roles_claim": "groups", "role_mapping": {"fraud": ["investigator"]}},
    ],
)
async def test_a_role_that_a_provider_gives_stays(
    admin: httpx.AsyncClient, database: Database, rules: Json
) -> None:
    # given a provider whose people get a role that nobody holds yet
    role = await defined(admin)
    path = f"/custom-roles/{role['id']}"
    provider = answered(await a_provider(admin, **rules), 201)
    # then it cannot be removed
    async with nothing_changes(database):
        refused = await admin.delete(path)
    assert (refused.status_code, code_of(refused)) == (409, "role_mapped")
    assert refused.json()["context"] == {"name": "investigator", "provider": "A"}
    # when the provider gives others
    others: Json = {
        "default_roles": ["support"],
        "roles_claim": None,
        "role_mapping": {},
    }
    changed = await admin.patch(f"/identity-providers/{provider['id']}", json=others)
    answered(changed)
    # then it goes
    assert (await admin.delete(path)).status_code == 204
