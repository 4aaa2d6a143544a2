"""Signing in by a real identity provider: npm's ``oidc-provider``."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from robosure.contexts.identity.tables import sessions
from tests.integration.contexts.identity.sign_on import (
    COOKIE,
    PAGE,
    SCOPES,
    House,
    Json,
    leaves,
    presses,
    query_of,
    signs_in,
)
from tests.journey import answered, nothing_changes
from tests.oidc_provider import RealProvider
from tests.support import FixedClock, code_of

ADA = {
    "name": "Ada Lovelace",
    "email": "ada@robosure.example",
    "email_verified": True,
    "groups": ["claims-team", "chess"],
}
VERIFIER = "what-the-page-thought-of-before-it-sent-somebody-away"
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    .rstrip(b"=")
    .decode()
)


@pytest.fixture(autouse=True)
def _ada(real: RealProvider) -> None:
    real.knows("ada", **ADA)


async def who_signs_in(house: House, provider: Json) -> Json:
    me: Json = answered(
        await house.me(answered(await signs_in(house.browser(), provider)))
    )
    return me


async def test_whom_the_provider_vouches_for_is_signed_in(
    house: House, real: RealProvider
) -> None:
    # given a provider, and somebody who has no account
    provider = await house.is_client_of(real)
    browser = house.browser()
    # when they are sent there
    url = await leaves(browser, provider)
    # then with what ties the answer to this browser, this way and this client
    asked = query_of(url)
    assert url.startswith(f"{real.issuer}/auth?")
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["redirect_uri"] == provider["redirect_uri"]
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    # when they come back
    answer = await browser.client.get(await browser.goes(url))
    # then they are signed in, as the provider says
    pair = answered(answer, 200)
    assert answer.headers["cache-control"] == "no-store"
    assert COOKIE not in browser.client.cookies
    me = answered(await house.me(pair))
    assert (me["name"], me["roles"]) == ("Ada Lovelace", ["adjuster"])
    assert me["organisation_id"] == str(house.organisation_id)
    # in an account that was made just now
    user = answered(await house.admin.get(f"/users/{me['subject']}"))
    assert (user["email"], user["active"]) == ("ada@robosure.example", True)
    assert await house.identities() == [(real.issuer, "ada")]
    # and the trail says who
    trail = answered(await house.admin.get("/audit-entries"))["items"][0]
    assert trail["actor"] == me["subject"]
    assert trail["action"] == "GET /api/v1/auth/sso/{provider_id}/callback"


async def test_what_the_browser_keeps_is_out_of_reach_of_pages_and_of_other_hosts(
    house: House, real: RealProvider
) -> None:
    provider = await house.is_client_of(real)
    answer = await presses(house.browser(), provider)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "secure", "samesite=lax", "path=/", "max-age=600"} <= parts
    # and tells nothing of what is in it
    state = query_of(answer.headers["location"])["state"]
    assert state not in cookie


async def test_whoever_comes_again_is_the_same_with_the_roles_of_today(
    house: House, real: RealProvider
) -> None:
    # given somebody who signed in before
    provider = await house.is_client_of(real)
    before = answered(await signs_in(house.browser(), provider))
    first = answered(await house.me(before))
    # when nothing is new, then their session goes on beside the next one
    same = answered(await signs_in(house.browser(), provider))
    assert answered(await house.me(same))["subject"] == first["subject"]
    assert answered(await house.me(before))["roles"] == ["adjuster"]
    # when they are called otherwise and are in another group
    real.knows("ada", **{**ADA, "name": "Countess Lovelace", "groups": ["desk"]})
    after = answered(await signs_in(house.browser(), provider))
    # then it is the same account, and what they were entitled to is over
    me = answered(await house.me(after))
    assert me["subject"] == first["subject"]
    assert (me["name"], me["roles"]) == ("Countess Lovelace", ["support"])
    assert code_of(await house.me(before)) == "session_over"
    assert code_of(await house.me(same)) == "session_over"
    assert await house.users() == 2  # with the administrator


async def test_another_address_at_the_provider_is_still_the_same_person(
    house: House, real: RealProvider
) -> None:
    provider = await house.is_client_of(real)
    first = await who_signs_in(house, provider)
    real.knows("ada", **{**ADA, "email": "admin@robosure.local"})
    again = await who_signs_in(house, provider)
    assert again["subject"] == first["subject"]


async def test_who_has_lost_every_role_is_refused_and_signed_out(
    house: House, real: RealProvider
) -> None:
    # given somebody who is signed in
    provider = await house.is_client_of(real)
    pair = answered(await signs_in(house.browser(), provider))
    # when no group of theirs counts any more
    real.knows("ada", **{**ADA, "groups": ["chess"]})
    answer = await signs_in(house.browser(), provider)
    # then
    assert (answer.status_code, code_of(answer)) == (403, "sso_no_role")
    assert code_of(await house.me(pair)) == "session_over"


async def test_roles_by_default_are_for_whom_no_value_fits(
    house: House, real: RealProvider
) -> None:
    provider = await house.is_client_of(real, default_roles=["support"])
    real.knows("ada", **{**ADA, "groups": ["chess"]})
    pair = answered(await signs_in(house.browser(), provider))
    assert answered(await house.me(pair))["roles"] == ["support"]


@pytest.mark.parametrize(
    ("claims", "changes", "code"),
    [
        ({}, {"just_in_time": False}, "sso_account_unknown"),
        ({"groups": ["chess"]}, {}, "sso_no_role"),
        ({"email": None}, {}, "sso_email_missing"),
        ({"email_verified": False}, {}, "sso_email_missing"),
    ],
)
async def test_nobody_gets_an_account_who_is_not_to_have_one(
    house: House,
    real: RealProvider,
    claims: dict[str, Any],
    changes: dict[str, Any],
    code: str,
) -> None:
    provider = await house.is_client_of(real, **changes)
    real.knows("ada", **{**ADA, **claims})
    async with nothing_changes(house.database):
        answer = await signs_in(house.browser(), provider)
    assert (answer.status_code, code_of(answer)) == (403, code)


async def test_an_address_that_is_taken_is_not_linked(
    house: House, real: RealProvider
) -> None:
    # given somebody at the provider with the administrator's address
    provider = await house.is_client_of(real)
    real.knows("mallory", **{**ADA, "email": "Admin@Robosure.local"})
    # when they sign in
    async with nothing_changes(house.database):
        answer = await signs_in(house.browser(), provider, "mallory")
    # then they are nobody
    assert (answer.status_code, code_of(answer)) == (409, "email_taken")


async def test_no_password_fits_an_account_that_was_made_just_in_time(
    house: House, real: RealProvider
) -> None:
    answered(await signs_in(house.browser(), await house.is_client_of(real)))
    for password in ("", "ada", "correct horse battery staple"):
        body = {"email": ADA["email"], "password": password}
        answer = await house.api.anonymous().post("/auth/sign-in", json=body)
        assert code_of(answer) == "invalid_credentials"


async def test_a_deactivated_user_is_refused(house: House, real: RealProvider) -> None:
    provider = await house.is_client_of(real)
    me = await who_signs_in(house, provider)
    path = f"/users/{me['subject']}"
    answered(await house.admin.patch(path, json={"active": False}))
    async with nothing_changes(house.database):
        answer = await signs_in(house.browser(), provider)
    assert (answer.status_code, code_of(answer)) == (403, "account_deactivated")


async def test_a_provider_that_is_disabled_lets_nobody_in_who_is_on_the_way(
    house: House, real: RealProvider
) -> None:
    # given somebody at their provider
    provider = await house.is_client_of(real)
    browser = house.browser()
    back = await browser.goes(await leaves(browser, provider))
    # when it is disabled
    await house.changes(provider, enabled=False)
    # then nobody comes back, and nobody goes
    assert code_of(await browser.client.get(back)) == "identity_provider_not_found"
    answer = await presses(house.browser(), provider)
    assert (answer.status_code, code_of(answer)) == (
        404,
        "identity_provider_not_found",
    )


async def test_plain_oauth_works_the_same_way(house: House, real: RealProvider) -> None:
    # given the same provider, of which only OAuth 2 is used
    named = await house.names(
        real.issuer,
        kind="oauth2",
        endpoints={
            "authorization": f"{real.issuer}/auth",
            "token": f"{real.issuer}/token",
            "userinfo": f"{real.issuer}/me",
        },
    )
    provider = await house.changes(named, **real.register(named["redirect_uri"]))
    assert provider["scopes"] == SCOPES
    # when somebody signs in, twice
    first = await who_signs_in(house, provider)
    again = await who_signs_in(house, provider)
    # then
    assert (first["name"], first["roles"]) == ("Ada Lovelace", ["adjuster"])
    assert again["subject"] == first["subject"]
    assert await house.identities() == [(real.issuer, "ada")]


async def test_nobody_is_known_any_more_where_somebody_else_says_who_they_are(
    house: House, real: RealProvider
) -> None:
    # given somebody with an account, by plain OAuth 2
    endpoints = {
        "authorization": f"{real.issuer}/auth",
        "token": f"{real.issuer}/token",
        "userinfo": f"{real.issuer}/me",
    }
    named = await house.names(real.issuer, kind="oauth2", endpoints=endpoints)
    client = real.register(named["redirect_uri"])
    provider = await house.changes(named, **client)
    await who_signs_in(house, provider)
    # when their administrator has another server asked, which calls itself the same
    other = {**endpoints, "userinfo": f"{real.issuer}/me?by=another"}
    await house.changes(provider, endpoints=other, **client)
    # then whoever is called ada there is not taken for them
    assert await house.identities() == []
    async with nothing_changes(house.database):
        answer = await signs_in(house.browser(), provider)
    assert (answer.status_code, code_of(answer)) == (409, "email_taken")
    # and the trail says who is not known any more
    trail = answered(await house.admin.get("/audit-entries"))["items"][0]
    assert "external_identity" in {each["object_type"] for each in trail["changes"]}


async def test_who_refuses_at_the_provider_is_not_signed_in(
    house: House, real: RealProvider
) -> None:
    provider = await house.is_client_of(real)
    browser = house.browser()
    asked = query_of(await leaves(browser, provider))
    answer = await browser.client.get(
        provider["redirect_uri"],
        params={
            "error": "access_denied",
            "state": asked["state"],
            "iss": real.issuer,
        },
    )
    assert (answer.status_code, code_of(answer)) == (401, "sso_refused")


# --- for a page -----------------------------------------------------------------------


async def on_the_page(house: House, real: RealProvider) -> str:
    """Sign in for a page; return the code that it gets."""
    answer = await signs_in(
        house.browser(),
        await house.is_client_of(real),
        return_to=f"{PAGE}/signed-in?from=sso",
        code_challenge=CHALLENGE,
    )
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    target = urlsplit(answer.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{PAGE}/signed-in"
    # no token is in any address, and the code is where no server sees it
    assert target.query == "from=sso"
    fragment = parse_qs(target.fragment)
    assert set(fragment) == {"code"}
    return fragment["code"][0]


async def exchanged(
    house: House, code: str, verifier: str = VERIFIER
) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
    }
    return await house.api.anonymous().post("/auth/token", data=form)


async def test_a_page_exchanges_its_code_for_the_tokens(
    house: House, real: RealProvider
) -> None:
    code = await on_the_page(house, real)
    pair = answered(await exchanged(house, code), 200)
    assert answered(await house.me(pair))["name"] == "Ada Lovelace"


async def test_a_code_that_is_used_again_ends_what_came_of_it(
    house: House, real: RealProvider
) -> None:
    # given a page that has its tokens
    code = await on_the_page(house, real)
    pair = answered(await exchanged(house, code))
    # when the code comes once more
    answer = await exchanged(house, code)
    # then nobody has the session any more
    assert (answer.status_code, code_of(answer)) == (401, "code_reused")
    assert code_of(await house.me(pair)) == "session_over"
    async with house.database.read() as session:
        because = await session.scalar(select(sessions.c.ended_because))
    assert because == "code_reused"


async def test_a_code_is_nothing_without_what_the_page_kept(
    house: House, real: RealProvider
) -> None:
    code = await on_the_page(house, real)
    # when somebody else has seen it
    for verifier in ("", "a guess", "ä"):
        answer = await exchanged(house, code, verifier)
        assert answer.status_code == 401
    # then it is good for nobody
    assert code_of(await exchanged(house, code)) == "code_reused"
    assert code_of(await exchanged(house, "no code")) == "invalid_code"


async def test_a_code_is_good_for_a_minute(
    house: House, real: RealProvider, clock: FixedClock
) -> None:
    code = await on_the_page(house, real)
    clock.advance(timedelta(minutes=1))
    assert code_of(await exchanged(house, code)) == "invalid_code"


@pytest.mark.parametrize(
    "page",
    [
        "https://evil.example/",
        "https://app.robosure.example.evil.example/",
        "https://app.robosure.example@evil.example/",
        "https://app.robosure.example:8443/",
        "http://app.robosure.example/",
        "//app.robosure.example/",
        "https://app.robosure.example/#code=theirs",
        "https://app.robosure.example\\@evil.example/",
        "https://[",
        "javascript:alert(1)",
        "",
    ],
)
async def test_nobody_is_sent_to_a_page_that_is_not_known(
    house: House, real: RealProvider, page: str
) -> None:
    provider = await house.names(real.issuer)
    query = {"return_to": page, "code_challenge": CHALLENGE}
    answer = await presses(house.browser(), provider, **query)
    assert (answer.status_code, code_of(answer)) == (422, "return_to_refused")


@pytest.mark.parametrize("challenge", [{}, {"code_challenge": "short"}])
async def test_a_page_has_to_keep_something_to_itself(
    house: House, real: RealProvider, challenge: dict[str, str]
) -> None:
    provider = await house.names(real.issuer)
    query = {"return_to": f"{PAGE}/", **challenge}
    answer = await presses(house.browser(), provider, **query)
    assert code_of(answer) == "code_challenge_required"
