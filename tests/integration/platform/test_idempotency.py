"""Idempotency-Key: a POST that is repeated has one effect and one answer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from sqlalchemy import func, select

from robosure.kernel.ids import uuid7
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database
from robosure.platform.http.idempotency import idempotency_keys
from tests.integration.platform.testing.app import Gates
from tests.integration.platform.testing.cart import carts
from tests.support import ApiClient, code_of

KEY = {"Idempotency-Key": "intent-1"}


async def counted(db: Database) -> tuple[int, int, int]:
    """Return how many carts, stored answers and audit entries there are."""
    async with db.read() as session:
        counts = [
            (
                await session.execute(select(func.count()).select_from(table))
            ).scalar_one()
            for table in (carts, idempotency_keys, audit_entries)
        ]
    return counts[0], counts[1], counts[2]


async def test_the_same_request_gets_the_same_answer_and_has_one_effect(
    web: ApiClient, db: Database
) -> None:
    async with web.as_("underwriter") as client:
        first = await client.post("/carts", json={"name": "a"}, headers=KEY)
        again = await client.post("/carts", json={"name": "a"}, headers=KEY)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["Location"] == again.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert await counted(db) == (1, 1, 1)


async def test_the_same_key_for_another_request_is_refused(
    web: ApiClient, db: Database
) -> None:
    async with web.as_("underwriter") as client:
        await client.post("/carts", json={"name": "a"}, headers=KEY)
        other_body = await client.post("/carts", json={"name": "b"}, headers=KEY)
        other_query = await client.post("/carts?x=1", json={"name": "a"}, headers=KEY)
    for refused in (other_body, other_query):
        assert refused.status_code == 422
        assert code_of(refused) == "idempotency_key_reused"
    assert await counted(db) == (1, 1, 1)


async def test_while_the_first_is_in_flight_the_second_is_told_so(
    web: ApiClient, db: Database
) -> None:
    # given a request that takes its time
    async with web.as_("underwriter") as client:
        request: dict[str, Any] = {"json": {"name": "held"}, "headers": KEY}
        first = asyncio.create_task(client.post("/carts", **request))
        await Gates.entered.wait()
        # when the same one comes again meanwhile
        second = await client.post("/carts", json={"name": "held"}, headers=KEY)
        Gates.leave.set()
        # then
        assert second.status_code == 409
        assert code_of(second) == "idempotency_key_in_flight"
        done = await first
        third = await client.post("/carts", json={"name": "held"}, headers=KEY)
    assert (done.status_code, third.content) == (201, done.content)
    assert await counted(db) == (1, 1, 1)


async def test_twenty_at_once_have_one_effect(web: ApiClient, db: Database) -> None:
    async with web.as_("underwriter") as client:

        async def send() -> httpx.Response:
            return await client.post("/carts", json={"name": "a"}, headers=KEY)

        answers = await asyncio.gather(*(send() for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({a.content for a in answers if a.status_code == 201}) == 1
    assert await counted(db) == (1, 1, 1)


async def test_a_refusal_is_not_stored(web: ApiClient, db: Database) -> None:
    async with web.as_("underwriter") as client:
        for _ in range(2):
            refused = await client.post("/carts", json={"name": "invalid"}, headers=KEY)
            assert (refused.status_code, code_of(refused)) == (422, "cart_invalid")
        assert await counted(db) == (0, 0, 0)
        done = await client.post("/carts", json={"name": "a"}, headers=KEY)
    assert done.status_code == 201


async def test_two_principals_may_use_the_same_key(
    web: ApiClient, db: Database
) -> None:
    for name in ("a", "b"):
        async with web.as_("underwriter") as client:
            answer = await client.post("/carts", json={"name": name}, headers=KEY)
            assert answer.json()["name"] == name
    assert await counted(db) == (2, 2, 2)


async def test_a_stored_answer_is_only_for_who_may_still_ask(
    web: ApiClient, db: Database
) -> None:
    subject = uuid7()
    async with web.as_("underwriter", subject=subject) as client:
        await client.post("/carts", json={"name": "a"}, headers=KEY)
    async with web.as_("support", subject=subject) as client:
        refused = await client.post("/carts", json={"name": "a"}, headers=KEY)
    assert refused.status_code == 403


async def test_without_a_key_each_request_counts(web: ApiClient, db: Database) -> None:
    async with web.as_("underwriter") as client:
        await client.post("/carts", json={"name": "a"})
        await client.post("/carts", json={"name": "b"})
    assert await counted(db) == (2, 0, 2)


async def test_a_form_can_be_repeated_too(web: ApiClient, db: Database) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n--x--\r\n'
    headers = {**KEY, "Content-Type": "multipart/form-data; boundary=x"}
    async with web.as_("underwriter") as client:
        first = await client.post("/carts/form", content=part, headers=headers)
        again = await client.post("/carts/form", content=part, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert await counted(db) == (1, 1, 1)


async def test_a_key_that_is_too_long_is_refused(web: ApiClient, db: Database) -> None:
    async with web.as_("underwriter") as client:
        refused = await client.post(
            "/carts", json={"name": "a"}, headers={"Idempotency-Key": "x" * 256}
        )
    assert (refused.status_code, code_of(refused)) == (422, "invalid_request")
    assert await counted(db) == (0, 0, 0)
