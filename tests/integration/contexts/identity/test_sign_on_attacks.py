"""What is tried against single sign-on (RFC 9700; OpenID Connect Core, section 16)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from tests.integration.contexts.identity.impostor import (
    CLIENT_ID,
    CLIENT_SECRET,
    Impostor,
    an_impostor,
)
from tests.integration.contexts.identity.sign_on import (
    COOKIE,
    HOME,
    House,
    Json,
    leaves,
    presses,
    query_of,
    signs_in,
)
from tests.integration.contexts.notifications.receiver import Answer
from tests.journey import answered, nothing_changes
from tests.oidc_provider import Browser, RealProvider
from tests.support import FixedClock, code_of

ADA: Json = {"name": "Ada", "email": "ada@robosure.example", "groups": ["claims-team"]}


@pytest.fixture
async def impostor() -> AsyncIterator[Impostor]:
    async with an_impostor() as found:
        yield found


async def named(house: House, impostor: Impostor, **changes: Any) -> Json:
    return await house.names(
        impostor.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **changes
    )


async def deceived(
    house: House, impostor: Impostor, provider: Json, **answer: str
) -> httpx.Response:
    """Sign in by the impostor, who answers with these parameters besides."""
    browser = house.browser()
    asked = query_of(await leaves(browser, provider))
    impostor.nonce = asked["nonce"]
    return await browser.client.get(
        provider["redirect_uri"],
        params={"code": "a code", "state": asked["state"], **answer},
    )


async def refused(house: House, answer: httpx.Response, code: str) -> None:
    assert (answer.status_code, code_of(answer)) == (401, code)
    assert COOKIE not in answer.cookies
    assert await house.identities() == []


# --- codes and states -----------------------------------------------------------------


async def test_an_answer_is_good_once(house: House, real: RealProvider) -> None:
    # given somebody who came back
    real.knows("ada", **ADA)
    provider = await house.is_client_of(real)
    browser = house.browser()
    back = await browser.goes(await leaves(browser, provider))
    kept = browser.client.cookies[COOKIE]
    answered(await browser.client.get(back), 200)
    # when the same answer comes again, from a browser with the same cookie
    thief = house.browser()
    thief.client.cookies.set(COOKIE, kept, domain="robosure.local", path="/")
    async with nothing_changes(house.database):
        again = await thief.client.get(back)
    # then nobody is signed in by it
    assert (again.status_code, code_of(again)) == (401, "sso_flow_unknown")


async def test_a_stolen_code_is_no_use_in_another_s_way(
    house: House, real: RealProvider
) -> None:
    # given somebody's code, which a thief has before they could use it
    real.knows("ada", **ADA)
    provider = await house.is_client_of(real)
    browser = house.browser()
    code = query_of(await browser.goes(await leaves(browser, provider)))["code"]
    # when the thief brings it as the answer to a way of their own
    thief = house.browser()
    asked = query_of(await leaves(thief, provider))
    answer = await thief.client.get(
        provider["redirect_uri"],
        params={"code": code, "state": asked["state"], "iss": real.issuer},
    )
    # then the provider refuses it: it was made for another challenge
    await refused(house, answer, "sso_code_refused")


async def test_a_code_that_was_used_is_refused_by_the_provider(
    house: House, real: RealProvider
) -> None:
    real.knows("ada", **ADA)
    provider = await house.is_client_of(real)
    browser = house.browser()
    back = await browser.goes(await leaves(browser, provider))
    answered(await browser.client.get(back), 200)
    asked = query_of(await leaves(browser, provider))
    answer = await browser.client.get(
        provider["redirect_uri"],
        params={**query_of(back), "state": asked["state"]},
    )
    assert (answer.status_code, code_of(answer)) == (401, "sso_code_refused")


async def test_an_answer_in_another_browser_signs_nobody_in(
    house: House, real: RealProvider
) -> None:
    # given an attacker who is back, but stops there
    real.knows("mallory", **ADA)
    provider = await house.is_client_of(real)
    attacker = house.browser()
    back = await attacker.goes(await leaves(attacker, provider), name="mallory")
    # when somebody else's browser is sent to where the attacker should go
    strangers: list[Browser] = [house.browser(), house.browser()]
    await leaves(strangers[1], provider)  # who is on a way of their own
    for stranger in strangers:
        answer = await stranger.client.get(back)
        # then they are not signed in as the attacker
        await refused(house, answer, "sso_flow_unknown")


@pytest.mark.parametrize("change", ["state", "cookie", "no state", "later"])
async def test_what_does_not_belong_together_is_refused(
    house: House, impostor: Impostor, clock: FixedClock, change: str
) -> None:
    provider = await named(house, impostor)
    browser = house.browser()
    state = query_of(await leaves(browser, provider))["state"]
    params = {"code": "a code", "state": state}
    if change == "state":
        params["state"] = "another" + state
    elif change == "no state":
        del params["state"]
    elif change == "cookie":
        kept = browser.client.cookies[COOKIE]
        forged = kept[:-8] + "AAAAAAA="
        browser.client.cookies.set(COOKIE, forged, domain="robosure.local", path="/")
    else:
        clock.advance(timedelta(minutes=10))
    asked = len(impostor.paths)
    answer = await browser.client.get(provider["redirect_uri"], params=params)
    await refused(house, answer, "sso_flow_unknown")
    # and nobody was asked for anything
    assert len(impostor.paths) == asked


async def test_whose_challenge_was_stripped_gets_no_further(
    house: House, real: RealProvider
) -> None:
    # given an attacker on the way who takes the challenge out of the request
    provider = await house.is_client_of(real)
    browser = house.browser()
    parts = urlsplit(await leaves(browser, provider))
    kept = [(k, v) for k, v in parse_qsl(parts.query) if "code_challenge" not in k]
    stripped = parts._replace(query=urlencode(kept)).geturl()
    # when somebody comes back
    answer = await browser.client.get(await browser.goes(stripped))
    # then the verifier gives it away
    await refused(house, answer, "sso_code_refused")


# --- mix-up ---------------------------------------------------------------------------


async def test_an_answer_that_names_another_provider_is_refused(
    house: House, real: RealProvider, impostor: Impostor
) -> None:
    # given somebody on the way to the impostor, who sends them on to the real one with
    # what belongs to the way to itself
    honest = await house.is_client_of(real)
    crooked = await named(house, impostor)
    victim = house.browser()
    asked = query_of(await leaves(victim, crooked))
    asked |= {
        "client_id": honest["client_id"],
        "redirect_uri": honest["redirect_uri"],
        "scope": "openid",
    }
    back = await victim.goes(f"{real.issuer}/auth?{urlencode(asked)}")
    # when they come back with the real provider's code, to where that one sends them
    answer = await victim.client.get(back)
    # then it is not the way that they went
    await refused(house, answer, "sso_flow_unknown")
    # and if the answer is bent to the impostor's address, it still says whose it is
    bent = crooked["redirect_uri"]
    answer = await victim.client.get(bent, params=query_of(back))
    await refused(house, answer, "sso_wrong_issuer")
    # so that the impostor never sees the code
    assert "/token" not in impostor.paths


async def test_of_two_real_providers_neither_answers_for_the_other(
    house: House, real: RealProvider, another: RealProvider
) -> None:
    # given the same browser on the way to two providers, one after the other
    real.knows("ada", **ADA)
    another.knows("ada", **ADA)
    one, two = [await house.is_client_of(each) for each in (real, another)]
    browser = house.browser()
    of_one = await browser.goes(await leaves(browser, one))
    state = query_of(await leaves(browser, two))["state"]
    # when the answer of the first is brought as that of the second
    answer = await browser.client.get(
        two["redirect_uri"], params={**query_of(of_one), "state": state}
    )
    await refused(house, answer, "sso_wrong_issuer")


async def test_a_provider_that_names_itself_always_does(
    house: House, impostor: Impostor
) -> None:
    impostor.metadata["authorization_response_iss_parameter_supported"] = True
    provider = await named(house, impostor)
    await refused(house, await deceived(house, impostor, provider), "sso_wrong_issuer")
    answer = await deceived(house, impostor, provider, iss=impostor.issuer)
    assert answer.status_code == 200


async def test_the_same_name_at_another_provider_is_somebody_else(
    house: House, real: RealProvider, another: RealProvider
) -> None:
    # given two providers that both have an "ada"
    real.knows("ada", **ADA)
    another.knows("ada", **{**ADA, "email": "other@robosure.example"})
    one, two = [await house.is_client_of(each) for each in (real, another)]
    # when both sign in
    first = answered(await signs_in(house.browser(), one))
    second = answered(await signs_in(house.browser(), two))
    # then they are two people
    subjects = {answered(await house.me(pair))["subject"] for pair in (first, second)}
    assert len(subjects) == 2


async def test_a_provider_that_calls_itself_by_another_s_name_knows_nobody_of_it(
    house: House, real: RealProvider, impostor: Impostor
) -> None:
    # given somebody of a real provider's
    real.knows("ada", **ADA)
    answered(await signs_in(house.browser(), await house.is_client_of(real)))
    # when an impostor speaks plain OAuth 2 under that provider's name
    impostor.userinfo = {"sub": "ada", **ADA}
    crooked = await house.names(
        real.issuer,
        name="crooked",
        kind="oauth2",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        endpoints={
            "authorization": f"{impostor.issuer}/auth",
            "token": f"{impostor.issuer}/token",
            "userinfo": f"{impostor.issuer}/userinfo",
        },
    )
    answer = await deceived(house, impostor, crooked)
    # then its "ada" is nobody, and gets nobody's account
    assert (answer.status_code, code_of(answer)) == (409, "email_taken")


# --- ID tokens ------------------------------------------------------------------------


async def test_a_token_that_is_as_it_should_be_is_taken(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    pair = answered(await deceived(house, impostor, provider), 200)
    assert answered(await house.me(pair))["roles"] == ["adjuster"]


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"]},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"azp": "another client"},
        {"aud": None},
        {"iss": "https://accounts.example.com"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "a" * 501},
        {"sub": True},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": 9_000_000_000},
        {"iat": None},
        {"nbf": 9_000_000_000},
        {"nonce": "of another way"},
        {"nonce": None},
        {"at_hash": "of another token"},
    ],
    ids=lambda claims: json.dumps(claims)[:40],
)
async def test_a_token_that_says_otherwise_is_refused(
    house: House, impostor: Impostor, claims: Json
) -> None:
    provider = await named(house, impostor)
    impostor.claims = claims
    answer = await deceived(house, impostor, provider)
    assert answer.status_code == 401, answer.text
    assert code_of(answer) in {"sso_id_token_refused", "sso_subject_missing"}
    assert await house.identities() == []


async def test_a_token_that_its_provider_did_not_sign_is_refused(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    other = Impostor(impostor.receiver)
    pem = impostor.key.as_pem(private=False)
    forgeries = {
        "none": impostor.leave_unsigned,
        "with the client's secret": lambda c: impostor.sign_alike(
            c, CLIENT_SECRET.encode()
        ),
        "with the public key": lambda c: impostor.sign_alike(c, pem),
        "with the public key's JSON": lambda c: impostor.sign_alike(
            c, json.dumps(impostor.public_key).encode()
        ),
        "with another key": other.sign,
        "changed": lambda c: impostor.sign(c)[:-8] + "AAAAAAAA",
        "no token": lambda _: "a.b.c",
        "nothing": lambda _: "",
    }
    for name, forge in forgeries.items():
        impostor.signed = forge
        answer = await deceived(house, impostor, provider)
        assert code_of(answer) == "sso_id_token_refused", name
    assert await house.identities() == []


async def test_claims_about_somebody_else_are_not_taken(
    house: House, impostor: Impostor
) -> None:
    # given a token of "ada", and a userinfo endpoint that speaks of another
    impostor.userinfo = {"sub": "the administrator", "groups": ["claims-team"]}
    provider = await named(house, impostor)
    answer = await deceived(house, impostor, provider)
    await refused(house, answer, "sso_userinfo_of_another")


async def test_what_was_signed_counts_more_than_what_is_said_besides(
    house: House, impostor: Impostor
) -> None:
    impostor.userinfo = {"sub": "ada", "name": "Somebody else", "groups": ["desk"]}
    provider = await named(house, impostor)
    me = answered(await house.me(answered(await deceived(house, impostor, provider))))
    assert (me["name"], me["roles"]) == ("Ada Lovelace", ["adjuster"])


# --- providers that are none ----------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://accounts.example.com"},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": 7},
        {"jwks_uri": "https://user:password@keys.example"},
    ],
    ids=json.dumps,
)
async def test_nobody_is_sent_to_a_provider_that_does_not_say_who_it_is(
    house: House, impostor: Impostor, metadata: Json
) -> None:
    impostor.metadata = metadata
    provider = await named(house, impostor)
    answer = await presses(house.browser(), provider)
    assert (answer.status_code, code_of(answer)) == (503, "identity_provider_unusable")


@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        (Answer(500, "{}"), 503, "identity_provider_unusable"),
        (Answer(200, "no JSON"), 503, "identity_provider_unusable"),
        (Answer(200, "[]"), 503, "identity_provider_unusable"),
        (Answer(400, '{"error": "invalid_grant"}'), 401, "sso_code_refused"),
        (Answer(200, '{"error": "invalid_grant"}'), 401, "sso_code_refused"),
        (Answer(302, "{}", {"Location": "http://127.0.0.1"}), 401, "sso_code_refused"),
        (Answer(200, "{}"), 401, "sso_code_refused"),
        (Answer(200, '{"access_token": "alone"}'), 401, "sso_id_token_refused"),
    ],
)
async def test_an_answer_that_is_no_token_signs_nobody_in(
    house: House, impostor: Impostor, told: Answer, status: int, code: str
) -> None:
    impostor.token_answer = told
    provider = await named(house, impostor)
    answer = await deceived(house, impostor, provider)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert await house.identities() == []


async def test_a_provider_that_knows_no_header_gets_the_secret_in_the_form(
    house: House, impostor: Impostor
) -> None:
    # given one that takes it in the body alone
    impostor.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    provider = await named(house, impostor)
    answered(await deceived(house, impostor, provider), 200)
    (request,) = [r for r in impostor.receiver.requests if r.path == "/token"]
    assert "authorization" not in request.headers
    form = dict(parse_qsl(request.body.decode()))
    assert form["client_secret"] == CLIENT_SECRET
    # and the redirect URI is told again, as it was
    assert form["redirect_uri"] == provider["redirect_uri"]
    assert form["redirect_uri"].startswith(f"{HOME}/api/v1/auth/sso/")
