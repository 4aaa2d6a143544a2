"""Guessing passwords over HTTP: who has to wait, and what the answers give away."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from redis.asyncio import Redis
from sqlalchemy import update

from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.tables import users
from robosure.platform.database import Database
from robosure.platform.metrics import summary
from robosure.platform.settings import Settings
from tests.support import ApiClient, code_of

ADMIN = "admin@robosure.local"
STRANGER = "nobody@robosure.local"


@pytest.fixture(autouse=True)
async def seeded(database: Database, settings: Settings) -> None:
    await seed(database, settings)


async def attempt(
    api: ApiClient,
    username: str = ADMIN,
    *,
    password: str = "a wrong guess",
    address: str = "198.51.100.1",
) -> httpx.Response:
    transport = httpx.ASGITransport(app=api.app, client=(address, 1))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://robosure.test/api/v1"
    ) as client:
        body = {"email": username, "password": password}
        return await client.post("/auth/sign-in", json=body)


def right(settings: Settings) -> str:
    assert settings.admin_password is not None
    return settings.admin_password.get_secret_value()


@pytest.mark.parametrize("username", [ADMIN, STRANGER, "no address", ""])
async def test_after_six_failures_the_next_waits_whoever_it_is(
    api: ApiClient, username: str
) -> None:
    before = summary().get("identity_sign_ins_total{outcome=throttled}", 0)
    username = username or "x" * 300
    # given six, in any spelling of the address
    for spelling in (username, username.upper(), f" {username}") * 2:
        assert (await attempt(api, spelling)).status_code == 401
    # when there is a seventh
    answer = await attempt(api, username)
    # then it is told to wait, and nothing else
    assert (answer.status_code, code_of(answer)) == (429, "sign_in_delayed")
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["context"] == {"retry_after_seconds": 1}
    after = summary()["identity_sign_ins_total{outcome=throttled}"]
    assert after == before + 1


async def test_the_right_password_waits_as_well_and_then_forgets_the_failures(
    api: ApiClient, settings: Settings, redis: Redis
) -> None:
    # given
    for _ in range(6):
        await attempt(api)
    # then
    refused = await attempt(api, password=right(settings))
    assert (refused.status_code, code_of(refused)) == (429, "sign_in_delayed")
    # but from elsewhere the owner comes in
    elsewhere = await attempt(api, password=right(settings), address="198.51.100.2")
    assert elsewhere.status_code == 200
    # and from here when the delay is over
    await redis.delete(*await redis.keys("robosure:throttle:*:delay"))
    assert (await attempt(api, password=right(settings))).status_code == 200
    for _ in range(6):
        assert (await attempt(api)).status_code == 401


async def test_of_fifty_wrong_passwords_at_once_most_are_not_tried(
    api: ApiClient,
) -> None:
    answers = await asyncio.gather(*(attempt(api) for _ in range(50)))
    counts = Counter(each.status_code for each in answers)
    assert counts[401] + counts[429] == 50
    # one more for each time that a delay ends before all have asked
    assert 6 <= counts[401] <= 8


async def test_a_network_of_ipv6_is_one_address(api: ApiClient) -> None:
    for number in range(6):
        await attempt(api, address=f"2001:db8::{number + 1}")
    assert (await attempt(api, address="2001:db8::ffff")).status_code == 429
    assert (await attempt(api, address="2001:db8:0:1::1")).status_code == 401


async def test_the_same_is_done_for_a_stranger_and_for_a_wrong_password(
    api: ApiClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    verified: list[str] = []
    verify = Argon2Hasher.verify

    def verify_and_tell(
        self: Argon2Hasher, password: str | bytes, stored: str | bytes
    ) -> bool:
        verified.append(str(stored).rsplit("$", 2)[0])
        return verify(self, password, stored)

    monkeypatch.setattr(Argon2Hasher, "verify", verify_and_tell)
    # when
    answers = [await attempt(api), await attempt(api, STRANGER)]
    async with database.write() as session:
        await session.execute(update(users).values(active=False))
    answers.append(await attempt(api))
    # then one hash was verified for each, as costly as the others, and the answers
    # are the same
    assert verified == ["$argon2id$v=19$m=19456,t=2,p=1"] * 3
    told = [each.json() for each in answers]
    for each in told:
        each.pop("request_id")
    assert told[0] == told[1] == told[2]
