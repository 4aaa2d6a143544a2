"""Managing identity providers through the API."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import select

from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.tables import identity_providers
from robosure.kernel.ids import uuid7
from robosure.platform.runtime import Runtime
from tests.integration.contexts.identity.sign_on import House, Json, presses
from tests.journey import answered, nothing_changes
from tests.support import ApiClient, code_of

SECRET = "what the provider told us"
DESCRIBED: Json = {
    "name": "Company account",
    "kind": "oidc",
    "issuer": "https://login.example.com/acme",
    "client_id": "robosure",
    "client_secret": SECRET,
    "role_mapping": {"claims-team": ["adjuster"]},
    "roles_claim": "groups",
}


@pytest.fixture
async def strict(api: ApiClient, runtime: Runtime) -> House:
    """An insurer where providers are on the Internet alone."""
    await seed(runtime.database, runtime.settings)
    return await House.of(api, runtime.database)


async def registered(house: House, **changes: Any) -> Json:
    answer = await house.admin.post(
        "/identity-providers", json={**DESCRIBED, **changes}
    )
    assert answer.headers["etag"] == '"1"'
    provider: Json = answered(answer, 201)
    return provider


async def test_a_provider_is_shown_without_its_secret(strict: House) -> None:
    provider = await registered(strict)
    assert provider["scopes"] == ["openid", "email", "profile"]
    assert (provider["enabled"], provider["just_in_time"]) == (True, True)
    assert provider["redirect_uri"] == (
        f"https://robosure.local/api/v1/auth/sso/{provider['id']}/callback"
    )
    path = f"/identity-providers/{provider['id']}"
    read = await strict.admin.get(path)
    assert (answered(read), read.headers["etag"]) == (provider, '"1"')
    listed = answered(await strict.admin.get("/identity-providers"))
    assert listed == {"items": [provider], "next_cursor": None}
    # nor is it in the trail, or in the database as it is
    trail = await strict.admin.get("/audit-entries")
    async with strict.database.read() as session:
        sealed = await session.scalar(select(identity_providers.c.sealed_secret))
    assert SECRET not in trail.text
    assert SECRET not in str(sealed)


async def test_what_is_given_changes_and_the_rest_stays(strict: House) -> None:
    provider = await registered(strict)
    changed = await strict.changes(
        provider,
        name="Everybody's account",
        client_id="another",
        scopes=["openid"],
        roles_claim=None,
        role_mapping={},
        default_roles=["support"],
        enabled=False,
        just_in_time=False,
    )
    assert changed == {
        **provider,
        "name": "Everybody's account",
        "client_id": "another",
        "scopes": ["openid"],
        "roles_claim": None,
        "role_mapping": {},
        "default_roles": ["support"],
        "enabled": False,
        "just_in_time": False,
        "version": 2,
    }


async def test_a_change_of_what_one_has_not_seen_is_refused(strict: House) -> None:
    provider = await registered(strict)
    await strict.changes(provider, enabled=False)
    path = f"/identity-providers/{provider['id']}"
    stale = {"If-Match": '"1"'}
    async with nothing_changes(strict.database):
        answers = [
            await strict.admin.patch(path, json={"enabled": True}, headers=stale),
            await strict.admin.delete(path, headers=stale),
        ]
    assert [each.status_code for each in answers] == [412, 412]
    fresh = {"If-Match": '"2"'}
    assert (await strict.admin.delete(path, headers=fresh)).status_code == 204
    assert (await strict.admin.get(path)).status_code == 404


async def test_the_secret_is_not_sent_elsewhere_by_who_does_not_know_it(
    strict: House,
) -> None:
    provider = await registered(strict)
    path = f"/identity-providers/{provider['id']}"
    elsewhere = {"issuer": "https://login.evil.example"}
    async with nothing_changes(strict.database):
        answer = await strict.admin.patch(path, json=elsewhere)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "client_secret_required"
    moved = await strict.changes(provider, **elsewhere, client_secret="of there")
    assert moved["issuer"] == "https://login.evil.example"


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://127.0.0.1"},
        {"issuer": "https://169.254.169.254/latest"},
        {"issuer": "https://2130706433"},
        {"issuer": "http://login.example.com"},
        {
            "kind": "oauth2",
            "endpoints": {
                "authorization": "https://a.example/auth",
                "token": "https://[::1]/token",
                "userinfo": "https://a.example/me",
            },
        },
    ],
)
async def test_a_provider_that_is_not_public_is_refused(
    strict: House, changes: Json
) -> None:
    document = {**DESCRIBED, **changes}
    async with nothing_changes(strict.database):
        answer = await strict.admin.post("/identity-providers", json=document)
    assert (answer.status_code, code_of(answer)) == (422, "invalid_identity_provider")


async def test_a_name_that_leads_inside_is_not_asked(strict: House) -> None:
    provider = await registered(strict, issuer="https://localhost")
    answer = await presses(strict.browser(), provider)
    assert (answer.status_code, code_of(answer)) == (503, "address_refused")


async def test_nor_is_it_asked_for_keys(strict: House) -> None:
    # given somebody who signs as a provider would that is inside
    provider = await registered(strict, issuer="https://localhost")
    claims = {"iss": "https://localhost", "aud": provider["client_id"]}
    key = ECKey.generate_key("P-256")
    token = jwt.encode({"alg": "ES256"}, claims, key, algorithms=["ES256"])
    # when they say that somebody has signed out
    answer = await strict.api.anonymous().post(
        f"/auth/sso/{provider['id']}/back-channel-logout", data={"logout_token": token}
    )
    # then no keys are there to verify that with
    assert (answer.status_code, code_of(answer)) == (400, "sso_logout_refused")
    assert answer.json()["context"] == {"reason": "no keys"}


async def test_roles_of_another_kind_of_organisation_are_refused(
    strict: House,
) -> None:
    for changes in (
        {"role_mapping": {"all": ["policyholder"]}},
        {"default_roles": ["device"]},
    ):
        document = {**DESCRIBED, **changes}
        answer = await strict.admin.post("/identity-providers", json=document)
        assert code_of(answer) == "role_not_for_organisation"


async def test_a_name_is_there_once_in_an_organisation(strict: House) -> None:
    await registered(strict)
    other = await registered(strict, name="Another")
    again = await strict.admin.post("/identity-providers", json=DESCRIBED)
    renamed = await strict.admin.patch(
        f"/identity-providers/{other['id']}", json={"name": DESCRIBED["name"]}
    )
    assert code_of(again) == code_of(renamed) == "identity_provider_exists"


async def test_another_organisation_s_provider_is_not_there(strict: House) -> None:
    provider = await registered(strict)
    stranger = strict.api.as_("manufacturer_admin", kind="manufacturer")
    for method in ("GET", "DELETE"):
        path = f"/identity-providers/{provider['id']}"
        answer = await stranger.request(method, path)
        assert (answer.status_code, code_of(answer)) == (
            404,
            "identity_provider_not_found",
        )
        stranger = strict.api.as_("manufacturer_admin", kind="manufacturer")
    assert (await strict.admin.get(f"/identity-providers/{uuid7()}")).status_code == 404
