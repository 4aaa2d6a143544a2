"""Signing in with a password, and what the token then proves."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import bcrypt
import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from structlog.testing import capture_logs

from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.tables import organisations, users
from robosure.kernel.errors import Invalid
from robosure.platform.database import Database
from robosure.platform.outbox import outbox
from robosure.platform.settings import Settings
from tests.support import ApiClient, FixedClock, code_of

PASSWORD = "a long enough password"
ADMIN = "admin@robosure.local"


@pytest.fixture(autouse=True)
async def seeded(database: Database, settings: Settings) -> None:
    await seed(database, settings)


async def sign_in(
    api: ApiClient, username: str = ADMIN, password: str = PASSWORD
) -> httpx.Response:
    body = {"email": username, "password": password}
    return await api.anonymous().post("/auth/sign-in", json=body)


async def with_token(api: ApiClient, username: str = ADMIN) -> httpx.AsyncClient:
    token = (await sign_in(api, username)).json()["access_token"]
    client = api.anonymous()
    client.headers["Authorization"] = f"Bearer {token}"
    return client


async def test_the_seeded_admin_signs_in_and_reads_who_they_are(api: ApiClient) -> None:
    # when the address is typed in another case
    answer = await sign_in(api, " Admin@Robosure.Local ")
    # then
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    token = answer.json()
    assert (token["token_type"], token["expires_in"]) == ("bearer", 600)
    # and the token says who it is
    client = await with_token(api)
    me = (await client.get("/auth/me")).json()
    assert (me["name"], me["organisation_kind"]) == ("Administrator", "insurer")
    assert (me["kind"], me["roles"], me["robot_id"]) == ("user", ["admin"], None)
    assert {"users:manage", "audit:read", "products:manage"} <= set(me["permissions"])


async def test_seeding_again_changes_nothing(
    database: Database, settings: Settings
) -> None:
    # when
    await seed(database, settings)
    # then
    async with database.read() as session:
        assert len((await session.execute(select(organisations))).all()) == 1
        assert len((await session.execute(select(users))).all()) == 1
        types = (await session.scalars(select(outbox.c.type))).all()
    assert types == ["identity.OrganisationRegistered", "identity.UserRegistered"]


async def test_without_a_password_the_seed_makes_no_admin(
    database: Database, settings: Settings
) -> None:
    # when another insurer is seeded without one
    nameless = {"insurer_name": "Second Mutual", "admin_password": None}
    await seed(database, settings.model_copy(update=nameless))
    # then
    async with database.read() as session:
        names = (await session.scalars(select(organisations.c.name))).all()
        assert sorted(names) == ["Robosure Mutual", "Second Mutual"]
        assert len((await session.execute(select(users))).all()) == 1


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("Password-1234", "password_too_common"),
        ("Second Mutual", "password_too_personal"),
    ],
)
async def test_the_seed_refuses_a_weak_password(
    database: Database, settings: Settings, password: str, code: str
) -> None:
    weak: dict[str, Any] = {
        "insurer_name": "Second Mutual",
        "admin_email": "second@robosure.local",
        "admin_password": SecretStr(password),
    }
    with pytest.raises(Invalid) as error:
        await seed(database, settings.model_copy(update=weak))
    # then nothing of it is kept
    assert error.value.code == code
    async with database.read() as session:
        assert len((await session.execute(select(organisations))).all()) == 1


@pytest.mark.parametrize(
    ("username", "password"),
    [
        (ADMIN, "a wrong password"),
        ("nobody@robosure.local", PASSWORD),
        ("nobody\0@robosure.local", PASSWORD),
        ("no address", PASSWORD),
    ],
)
async def test_whoever_cannot_sign_in_gets_the_same_answer(
    api: ApiClient, username: str, password: str
) -> None:
    answer = await sign_in(api, username, password)
    assert answer.status_code == 401
    assert code_of(answer) == "invalid_credentials"
    assert answer.json()["context"] == {}


@pytest.mark.parametrize("grant", ["client_credentials", "implicit"])
async def test_a_grant_that_is_not_needed_is_refused(
    api: ApiClient, grant: str
) -> None:
    form = {"grant_type": grant, "username": ADMIN, "password": PASSWORD}
    answer = await api.anonymous().post("/auth/token", data=form)
    assert answer.status_code == 422
    assert code_of(answer) == "invalid_request"


async def test_a_password_is_a_grant_outside_production_alone(api: ApiClient) -> None:
    form = {"grant_type": "password", "username": ADMIN, "password": PASSWORD}
    wrong = form | {"password": PASSWORD[::-1]}
    anonymous = api.anonymous()
    assert (await anonymous.post("/auth/token", data=form)).status_code == 200
    refused = await anonymous.post("/auth/token", data=wrong)
    assert (refused.status_code, code_of(refused)) == (401, "invalid_credentials")
    with api.with_settings(environment="production"):
        answer = await anonymous.post("/auth/token", data=form)
    assert (answer.status_code, code_of(answer)) == (422, "grant_not_taken")


async def test_a_sign_in_is_no_form(api: ApiClient) -> None:
    form = {"email": ADMIN, "password": PASSWORD}
    answer = await api.anonymous().post("/auth/sign-in", data=form)
    assert (answer.status_code, code_of(answer)) == (422, "invalid_request")


async def test_the_document_offers_no_oauth_flow(api: ApiClient) -> None:
    schemes = api.app.openapi()["components"]["securitySchemes"]
    assert {name: each["type"] for name, each in schemes.items()} == {
        "bearer": "http",
        "api_key": "apiKey",
    }


async def test_the_documentation_has_a_form_that_signs_in(api: ApiClient) -> None:
    # when somebody new opens it
    page = (await api.anonymous().get("http://robosure.test/docs")).text
    # then it asks for what signing in takes, where one signs in
    (form,) = re.findall(r'<form id="sign-in".*?</form>', page, re.DOTALL)
    document = api.app.openapi()
    operation = document["paths"]["/api/v1/auth/sign-in"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    wanted = document["components"]["schemas"][body.rpartition("/")[2]]["properties"]
    assert set(re.findall(r'name="(\w+)"', form)) == set(wanted)
    assert 'fetch("/api/v1/auth/sign-in"' in page
    # and hands the token to the scheme that the document knows
    (scheme,) = re.findall(r'preauthorizeApiKey\("(\w+)"', page)
    assert scheme in document["components"]["securitySchemes"]


async def test_a_deactivated_user_cannot_sign_in(
    api: ApiClient, database: Database
) -> None:
    # given
    async with database.write() as session:
        await session.execute(update(users).values(active=False))
    # then
    answer = await sign_in(api)
    assert answer.status_code == 401
    assert code_of(answer) == "invalid_credentials"


async def test_an_old_bcrypt_hash_is_upgraded_at_sign_in(
    api: ApiClient, database: Database
) -> None:
    # given
    old = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    async with database.write() as session:
        await session.execute(update(users).values(password_hash=old))
    # when
    assert (await sign_in(api)).status_code == 200
    # then the password still works, under a better hash
    async with database.read() as session:
        stored = await session.scalar(select(users.c.password_hash))
    assert stored is not None
    assert stored.startswith("$argon2id$")
    assert (await sign_in(api)).status_code == 200


async def test_a_token_ends_after_ten_minutes(
    api: ApiClient, clock: FixedClock
) -> None:
    # given
    client = await with_token(api)
    clock.advance(timedelta(minutes=9, seconds=59))
    assert (await client.get("/auth/me")).status_code == 200
    # when
    clock.advance(timedelta(seconds=1))
    # then
    answer = await client.get("/auth/me")
    assert answer.status_code == 401
    assert code_of(answer) == "token_expired"


async def test_a_sign_in_is_in_the_audit_trail_under_who_signed_in(
    api: ApiClient,
) -> None:
    # given
    client = await with_token(api)
    # when
    entries = (await client.get("/audit-entries")).json()["items"]
    # then
    me = (await client.get("/auth/me")).json()
    theirs = [each for each in entries if each["actor_kind"] == "user"]
    assert [(e["action"], e["actor"], e["actor_name"]) for e in theirs] == [
        ("POST /api/v1/auth/sign-in", me["subject"], "Administrator")
    ]


async def test_nobody_asks_who_they_are_without_signing_in(api: ApiClient) -> None:
    answer = await api.anonymous().get("/auth/me")
    assert answer.status_code == 401
    assert code_of(answer) == "not_signed_in"


async def test_both_a_sign_in_and_a_refused_one_are_logged(api: ApiClient) -> None:
    with capture_logs() as lines:
        assert (await sign_in(api)).status_code == 200
        assert (await sign_in(api, password="another password")).status_code == 401
    events = [line["event"] for line in lines if ".sign_in_" in line["event"]]
    assert events == [
        "identity.service.sign_in_completed",
        "identity.service.sign_in_refused",
    ]
    assert PASSWORD not in str(lines)
    assert "another password" not in str(lines)


async def test_a_password_does_not_expire(api: ApiClient, clock: FixedClock) -> None:
    clock.advance(timedelta(days=1_000))
    assert (await sign_in(api)).status_code == 200
