"""Signing out at a provider (OpenID Connect Back-Channel Logout 1.0), and from here."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from robosure.contexts.identity.tables import sessions
from robosure.platform.federation.logout import EVENT
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
from tests.integration.contexts.notifications.receiver import (
    Answer,
    Request,
    listening,
)
from tests.journey import answered
from tests.oidc_provider import RealProvider
from tests.support import FixedClock, code_of

ADA: Json = {"name": "Ada", "email": "ada@robosure.example", "groups": ["claims-team"]}


@pytest.fixture
async def impostor() -> AsyncIterator[Impostor]:
    async with an_impostor() as found:
        yield found


async def named(house: House, impostor: Impostor) -> Json:
    return await house.names(
        impostor.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET
    )


async def signed_in(
    house: House, impostor: Impostor, provider: Json, **claims: Any
) -> Json:
    impostor.claims = claims
    browser = house.browser()
    asked = query_of(await leaves(browser, provider))
    impostor.nonce = asked["nonce"]
    answer = await browser.client.get(
        provider["redirect_uri"], params={"code": "a code", "state": asked["state"]}
    )
    pair: Json = answered(answer, 200)
    return pair


def logout_claims(impostor: Impostor, **changes: Any) -> Json:
    now = int(time.time())
    claims: Json = {
        "iss": impostor.issuer,
        "aud": CLIENT_ID,
        "iat": now,
        "exp": now + 120,
        "jti": f"notice {time.monotonic_ns()}",
        "events": {EVENT: {}},
        "sub": "ada",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


async def says(house: House, provider: Json, token: str) -> httpx.Response:
    path = f"/auth/sso/{provider['id']}/back-channel-logout"
    return await house.api.anonymous().post(path, data={"logout_token": token})


def accepted(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.content) == (200, b"")


async def is_over(house: House, pair: Json) -> bool:
    answer = await house.me(pair)
    return answer.status_code == 401 and code_of(answer) == "session_over"


# --- a real provider ------------------------------------------------------------------


async def test_who_signs_out_here_can_sign_out_there_and_that_ends_the_rest(
    house: House, real: RealProvider
) -> None:
    # given a provider that reaches us, and somebody with two browsers of its session
    async with listening() as receiver:

        async def forward(request: Request) -> Answer:
            answer = await house.api.anonymous().post(
                request.path,
                content=request.body,
                headers={"Content-Type": request.headers["content-type"]},
            )
            seen.append(answer)
            return Answer(answer.status_code, answer.text)

        seen: list[httpx.Response] = []
        receiver.behaviour = forward
        named = await house.names(real.issuer)
        path = f"/auth/sso/{named['id']}/back-channel-logout"
        assert named["back_channel_logout_uri"].endswith(path)
        client = real.register(
            named["redirect_uri"],
            backchannel_logout_uri=f"http://127.0.0.1:{receiver.port}{path}",
            backchannel_logout_session_required=True,
        )
        provider = await house.changes(named, **client)
        real.knows("ada", **ADA)
        browser = house.browser()
        pairs = [answered(await signs_in(browser, provider)) for _ in range(2)]
        elsewhere = answered(await signs_in(house.browser(), provider))
        # when they sign out here
        here = house.api.anonymous()
        here.headers["Authorization"] = f"Bearer {pairs[0]['access_token']}"
        told = answered(await here.post("/auth/sign-out"), 200)
        assert await is_over(house, pairs[0])
        assert not await is_over(house, pairs[1])
        # then they are told where to sign out there
        url = told["provider_sign_out_url"]
        assert url.startswith(f"{real.issuer}/session/end?")
        assert query_of(url) == {"client_id": provider["client_id"]}
        # and when they do, what that session began here is over, and nothing else
        await browser.signs_out(url)
        (answer,) = seen
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["cache-control"] == "no-store"
        assert await is_over(house, pairs[1])
        assert not await is_over(house, elsewhere)
    async with house.database.read() as session:
        because = await session.scalars(select(sessions.c.ended_because))
    assert sorted(map(str, because)) == ["None", "provider_signed_out", "signed_out"]
    # and the trail says what was done
    trail = answered(await house.admin.get("/audit-entries"))["items"][0]
    assert trail["action"].endswith("/back-channel-logout")


# --- whose sessions -------------------------------------------------------------------


async def test_a_name_ends_all_of_somebody_s_and_of_nobody_else(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    ada = [await signed_in(house, impostor, provider) for _ in range(2)]
    bob = await signed_in(
        house, impostor, provider, sub="bob", email="bob@robosure.example"
    )
    notice = logout_claims(impostor)
    accepted(await says(house, provider, impostor.sign(notice)))
    assert [await is_over(house, pair) for pair in (*ada, bob)] == [True, True, False]


async def test_a_session_there_ends_what_it_began_and_only_of_whom_it_is(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    one = await signed_in(house, impostor, provider, sid="one")
    two = await signed_in(house, impostor, provider, sid="two")
    # a session of somebody else is not hers
    other = logout_claims(impostor, sub="bob", sid="two")
    accepted(await says(house, provider, impostor.sign(other)))
    assert not await is_over(house, two)
    # with and without her name
    only = logout_claims(impostor, sub=None, sid="one")
    accepted(await says(house, provider, impostor.sign(only)))
    assert [await is_over(house, one), await is_over(house, two)] == [True, False]
    both = logout_claims(impostor, sid="two")
    accepted(await says(house, provider, impostor.sign(both)))
    assert await is_over(house, two)


async def test_another_provider_ends_nothing_of_this_one_s(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    pair = await signed_in(house, impostor, provider, sid="one")
    async with an_impostor() as another:
        crooked = await named(house, another)
        for names in ({"sub": "ada"}, {"sub": None, "sid": "one"}):
            notice = another.sign(logout_claims(another, **names))
            accepted(await says(house, crooked, notice))
    assert not await is_over(house, pair)


async def test_a_provider_that_lets_nobody_in_still_signs_people_out(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    pair = await signed_in(house, impostor, provider)
    await house.changes(provider, enabled=False)
    notice = impostor.sign(logout_claims(impostor))
    accepted(await says(house, provider, notice))
    assert await is_over(house, pair)


# --- tokens that are none -------------------------------------------------------------


async def refused(
    house: House, provider: Json, token: str, pair: Json, *, case: object = None
) -> None:
    answer = await says(house, provider, token)
    assert answer.status_code == 400, (case, answer.text)
    assert code_of(answer) == "sso_logout_refused"
    assert answer.headers["cache-control"] == "no-store"
    assert not await is_over(house, pair)


async def test_a_token_that_the_provider_did_not_sign_ends_nothing(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    pair = await signed_in(house, impostor, provider)
    other = Impostor(impostor.receiver)
    pem = impostor.key.as_pem(private=False)
    forgeries: dict[str, Callable[[Json], str]] = {
        "none": impostor.leave_unsigned,
        "with the client's secret": lambda c: impostor.sign_alike(
            c, CLIENT_SECRET.encode()
        ),
        "with the public key": lambda c: impostor.sign_alike(c, pem),
        "with another key": other.sign,
        "changed": lambda c: impostor.sign(c)[:-8] + "AAAAAAAA",
        "no token": lambda _: "a.b.c",
        "nothing": lambda _: "",
    }
    for name, forge in forgeries.items():
        token = forge(logout_claims(impostor))
        await refused(house, provider, token, pair, case=name)


async def test_a_token_that_says_otherwise_ends_nothing(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    pair = await signed_in(house, impostor, provider)
    now = int(time.time())
    changes: list[Json] = [
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"]},
        {"aud": None},
        {"iss": "https://accounts.example.com"},
        {"iss": None},
        {"nonce": "of a sign-in"},
        {"events": None},
        {"events": {}},
        {"events": {"https://example.com/another": {}}},
        {"events": {EVENT: "now"}},
        {"events": [EVENT]},
        {"jti": None},
        {"jti": 7},
        {"jti": ""},
        {"iat": None},
        {"iat": now - 400},
        {"iat": now + 400},
        {"iat": "now"},
        {"exp": None},
        {"exp": now - 120},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sid": ["one"]},
    ]
    for change in changes:
        token = impostor.sign(logout_claims(impostor, **change))
        await refused(house, provider, token, pair, case=change)


async def test_a_token_of_another_or_for_another_asks_nobody_for_keys(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    pair = await signed_in(house, impostor, provider)
    asked = len(impostor.paths)
    for change in ({"iss": "https://accounts.example.com"}, {"aud": "another"}):
        token = impostor.sign(logout_claims(impostor, **change))
        await refused(house, provider, token, pair)
    unsigned = impostor.leave_unsigned(logout_claims(impostor))
    await refused(house, provider, unsigned, pair)
    assert len(impostor.paths) == asked


async def test_a_token_is_good_once(
    house: House, impostor: Impostor, clock: FixedClock
) -> None:
    # given one that was used
    provider = await named(house, impostor)
    first = await signed_in(house, impostor, provider)
    token = impostor.sign(logout_claims(impostor, exp=int(time.time()) + 86_400))
    accepted(await says(house, provider, token))
    assert await is_over(house, first)
    # when it comes again, then it does not end what began since
    pair = await signed_in(house, impostor, provider)
    await refused(house, provider, token, pair)
    # nor when nobody remembers it any more
    clock.advance(timedelta(minutes=7))
    answer = await says(house, provider, token)
    assert (answer.status_code, code_of(answer)) == (400, "sso_logout_refused")


async def test_what_cannot_be_verified_is_not_acted_upon(
    house: House, impostor: Impostor
) -> None:
    provider = await named(house, impostor)
    pair = await signed_in(house, impostor, provider)
    impostor.metadata = {"jwks_uri": None}
    token = impostor.sign(logout_claims(impostor))
    await refused(house, provider, token, pair)
    # nor what somebody says who signs nothing
    plain = await house.names(
        impostor.issuer,
        name="plain",
        kind="oauth2",
        endpoints={
            name: f"{impostor.issuer}/{name}"
            for name in ("authorization", "token", "userinfo")
        },
    )
    await refused(house, plain, token, pair)
