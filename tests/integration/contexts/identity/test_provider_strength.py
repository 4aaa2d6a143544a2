"""How strongly, and how lately, somebody has signed in at their provider."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from robosure.contexts.identity.tables import sessions
from tests.integration.contexts.identity.impostor import (
    CLIENT_ID,
    CLIENT_SECRET,
    Impostor,
    an_impostor,
)
from tests.integration.contexts.identity.sign_on import (
    House,
    Json,
    leaves,
    query_of,
    signs_in,
)
from tests.journey import answered, nothing_changes
from tests.oidc_provider import RealProvider
from tests.support import FixedClock, code_of

ADA: Json = {
    "name": "Ada Lovelace",
    "email": "ada@robosure.example",
    "groups": ["claims-team"],
}
STRICT: Json = {"second_factor_amr": ["mfa", "hwk"], "second_factor_required": True}


@pytest.fixture
async def impostor() -> AsyncIterator[Impostor]:
    async with an_impostor() as found:
        yield found


async def session_of(house: House) -> Json:
    async with house.database.read() as session:
        found = (await session.execute(select(sessions))).one()
    return dict(found._mapping)


async def enrolling(house: House, pair: Json) -> httpx.Response:
    """Begin to set up a second factor, which takes a proof of just now."""
    client = house.api.anonymous()
    client.headers["Authorization"] = f"Bearer {pair['access_token']}"
    return await client.post("/auth/second-factor", json={})


async def told(house: House, impostor: Impostor, provider: Json) -> httpx.Response:
    """Come back from the impostor, who says what it was told to say."""
    browser = house.browser()
    asked = query_of(await leaves(browser, provider))
    impostor.nonce = asked["nonce"]
    return await browser.client.get(
        provider["redirect_uri"], params={"code": "a code", "state": asked["state"]}
    )


async def named(house: House, impostor: Impostor, **authentication: Any) -> Json:
    return await house.names(
        impostor.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        authentication=authentication,
    )


async def test_what_is_required_is_asked_of_the_provider(
    house: House, real: RealProvider
) -> None:
    provider = await house.is_client_of(
        real,
        authentication={
            "acr_values": ["phishing-resistant", "password"],
            "max_age": 3_600,
            "prompt": "login",
        },
    )
    asked = query_of(await leaves(house.browser(), provider))
    assert asked["acr_values"] == "phishing-resistant password"
    assert (asked["max_age"], asked["prompt"]) == ("3600", "login")


async def test_a_second_factor_at_the_provider_is_one_here(
    house: House, real: RealProvider
) -> None:
    # given somebody who signs in there by a key
    signed = {"amr": ["pwd", "hwk"], "acr": "phishing-resistant"}
    real.knows("ada", **ADA, authentication=signed)
    provider = await house.is_client_of(
        real, authentication={**STRICT, "max_age": 3_600}
    )
    before = datetime.now(UTC) - timedelta(seconds=1)
    # when they come here
    answered(await signs_in(house.browser(), provider), 200)
    # then their session knows what the provider has signed
    session = await session_of(house)
    assert session["factors"] == ("fed", "mfa")
    vouching = session["vouching"]
    assert (vouching.said.acr, vouching.said.amr) == (signed["acr"], ("pwd", "hwk"))
    assert str(vouching.provider_id) == provider["id"]
    assert vouching.second_factor
    assert before.replace(microsecond=0) <= vouching.said.authenticated_at
    assert session["authenticated_at"] == vouching.proven_at
    assert vouching.proven_at <= vouching.said.authenticated_at
    # and so does the trail
    trail = answered(await house.admin.get("/audit-entries"))["items"][0]
    (began,) = [each for each in trail["changes"] if each["object_type"] == "session"]
    assert '"hwk"' in str(began).replace("'", '"')


@pytest.mark.parametrize(
    "authentication",
    [{"amr": ["pwd"], "acr": "password"}, {"amr": ["pwd"]}, {}],
    ids=str,
)
async def test_who_shows_no_second_factor_stays_out_where_one_is_required(
    house: House, real: RealProvider, authentication: Json
) -> None:
    real.knows("ada", **ADA, authentication=authentication)
    provider = await house.is_client_of(
        real, authentication={**STRICT, "second_factor_acr": ["phishing-resistant"]}
    )
    async with nothing_changes(house.database):
        answer = await signs_in(house.browser(), provider)
    assert (answer.status_code, code_of(answer)) == (403, "sso_second_factor_required")


async def test_only_what_was_signed_says_how_somebody_signed_in(
    house: House, impostor: Impostor
) -> None:
    # given a userinfo endpoint that says more than the ID token
    provider = await named(house, impostor, **STRICT, max_age=3_600)
    impostor.claims = {"auth_time": int(time.time())}
    impostor.userinfo = {"sub": "ada", "amr": ["mfa"], "acr": "phishing-resistant"}
    # then that does not count
    answer = await told(house, impostor, provider)
    assert code_of(answer) == "sso_second_factor_required"
    # and what was signed does
    impostor.claims["amr"] = ["mfa"]
    answered(await told(house, impostor, provider), 200)


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({}, "sso_authentication_too_old"),
        ({"auth_time": 0}, "sso_authentication_too_old"),
        ({"auth_time": 9_000_000_000}, "sso_id_token_refused"),
        ({"auth_time": "yesterday"}, "sso_id_token_refused"),
        ({"amr": "mfa"}, "sso_id_token_refused"),
    ],
    ids=str,
)
async def test_who_signed_in_too_long_ago_or_nobody_knows_when_stays_out(
    house: House, impostor: Impostor, claims: Json, code: str
) -> None:
    provider = await named(house, impostor, max_age=3_600)
    impostor.claims = claims
    answer = await told(house, impostor, provider)
    assert (answer.status_code, code_of(answer)) == (401, code)
    assert await house.identities() == []


@pytest.mark.parametrize("ago", [4, 3_000, None])
async def test_what_is_sensitive_takes_a_sign_in_at_the_provider_of_just_now(
    house: House, impostor: Impostor, ago: int | None
) -> None:
    # given somebody who comes here, having signed in there some time ago
    provider = await named(house, impostor)
    impostor.claims = {} if ago is None else {"auth_time": int(time.time()) - ago}
    pair = answered(await told(house, impostor, provider), 200)
    # then it is as long ago here; and where it is not known, too long
    answer = await enrolling(house, pair)
    if ago == 4:
        answered(answer)
    else:
        assert code_of(answer) == "insufficient_user_authentication"


async def test_a_provider_that_is_told_to_ask_again_is_believed_to_have(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor, prompt="login")
    pair = answered(await told(house, impostor, provider), 200)
    answered(await enrolling(house, pair))


async def test_a_session_ends_when_its_person_has_to_sign_in_there_again(
    house: House, impostor: Impostor, clock: FixedClock
) -> None:
    # given a provider's people who do so every hour, and one who did half an hour ago
    provider = await named(house, impostor, session_seconds=3_600)
    impostor.claims = {"auth_time": int(clock.now().timestamp()) - 1_800}
    pair = answered(await told(house, impostor, provider), 200)
    assert 1_700 < pair["refresh_expires_in"] <= 1_800
    # when the hour is over
    clock.advance(timedelta(seconds=1_800))
    # then the session is not carried on
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    answer = await house.api.anonymous().post("/auth/token", data=form)
    assert (answer.status_code, code_of(answer)) == (401, "session_over")


# --- an answer to what was asked of another -------------------------------------------


async def test_an_answer_that_was_under_way_while_a_provider_changed_is_none(
    house: House, real: RealProvider
) -> None:
    # given somebody at their provider
    real.knows("ada", **ADA)
    provider = await house.is_client_of(real)
    browser = house.browser()
    back = await browser.goes(await leaves(browser, provider))
    # when it is changed, and changed back
    await house.changes(provider, default_roles=["support"])
    await house.changes(provider, default_roles=[])
    # then nobody comes in by what was asked before
    async with nothing_changes(house.database):
        answer = await browser.client.get(back)
    assert (answer.status_code, code_of(answer)) == (401, "sso_provider_changed")
    # and by what is asked now they do
    answered(await signs_in(house.browser(), provider), 200)


async def test_an_answer_is_none_if_its_provider_changes_while_that_is_asked(
    house: House, impostor: Impostor
) -> None:
    # given a provider that is given another subject's meaning while it answers
    provider = await named(house, impostor)

    def sign(claims: Json) -> str:
        changing.append(True)
        return impostor.sign(claims)

    changing: list[bool] = []
    impostor.signed = sign
    behave = impostor.receiver.behaviour
    assert behave is not None

    async def change(request: Any) -> Any:
        answer = await behave(request)
        if changing:
            changing.clear()
            await house.changes(provider, name="meanwhile")
        return answer

    impostor.receiver.behaviour = change
    # then nobody comes in
    answer = await told(house, impostor, provider)
    assert (answer.status_code, code_of(answer)) == (401, "sso_provider_changed")
    assert await house.identities() == []
    assert await house.users() == 1
