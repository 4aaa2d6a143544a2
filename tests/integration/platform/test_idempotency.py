"""Idempotency-Key: a POST that is repeated has one effect and one answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update
from structlog.testing import capture_logs

from robosure.kernel.ids import uuid7
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database
from robosure.platform.housekeeping import forget
from robosure.platform.http.idempotency import KEPT, idempotency_keys
from robosure.platform.runtime import Runtime
from tests.integration.platform.testing.app import Gates
from tests.integration.platform.testing.cart import carts, effects
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
        with capture_logs() as lines:
            other_body = await client.post("/carts", json={"name": "b"}, headers=KEY)
            other_query = await client.post(
                "/carts?x=1", json={"name": "a"}, headers=KEY
            )
    for refused in (other_body, other_query):
        assert refused.status_code == 422
        assert code_of(refused) == "idempotency_key_reused"
    told = [x for x in lines if x["event"] == "platform.security.input_refused"]
    assert [x["code"] for x in told] == ["idempotency_key_reused"] * 2
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
        assert (second.status_code, second.headers["Retry-After"]) == (409, "1")
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


@pytest.mark.parametrize(
    "key",
    [
        "",
        '""',
        "x" * 256,
        f'"{"x" * 256}"',
        '"never closed',
        'never opened"',
        "two words",
        "one,two",
        '"one", "two"',
        r'"one\two"',
        '"one";parameter=2',
        "\xe9",
    ],
)
async def test_what_is_no_key_is_malformed(
    web: ApiClient, db: Database, key: str
) -> None:
    async with web.as_("underwriter") as client:
        refused = await client.post(
            "/carts",
            json={"name": "a"},
            headers=[(b"Idempotency-Key", key.encode("latin-1"))],
        )
    assert (refused.status_code, code_of(refused)) == (400, "invalid_idempotency_key")
    assert await counted(db) == (0, 0, 0)


async def test_two_keys_are_none(web: ApiClient, db: Database) -> None:
    twice = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    async with web.as_("underwriter") as client:
        refused = await client.post("/carts", json={"name": "a"}, headers=twice)
    assert (refused.status_code, code_of(refused)) == (400, "invalid_idempotency_key")
    assert await counted(db) == (0, 0, 0)


@pytest.mark.parametrize(
    ("written", "again"),
    [
        ("x" * 255, f'"{"x" * 255}"'),
        ('"two words"', '"two words"'),
        (r'"a \"b\" \\ c"', r'"a \"b\" \\ c"'),
    ],
)
async def test_a_key_may_be_in_quotes_as_the_draft_has_it(
    web: ApiClient, db: Database, written: str, again: str
) -> None:
    async with web.as_("underwriter") as client:
        answers = [
            await client.post(
                "/carts", json={"name": "a"}, headers={"Idempotency-Key": key}
            )
            for key in (written, again)
        ]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert await counted(db) == (1, 1, 1)


async def _grow_old(db: Database, by: timedelta) -> None:
    """Let so much time pass for the kept answers."""
    async with db.write() as session:
        await session.execute(
            update(idempotency_keys).values(
                created_at=idempotency_keys.c.created_at - by
            )
        )


async def test_a_key_is_kept_for_a_day_and_then_free_again(
    web: ApiClient, db: Database, runtime: Runtime
) -> None:
    async with web.as_("underwriter") as client:

        async def send() -> httpx.Response:
            return await client.post("/tallies", json={"name": "a"}, headers=KEY)

        first = await send()
        # when it is almost a day later, and what is old was swept away
        await _grow_old(db, timedelta(hours=23, minutes=59))
        await forget(runtime)
        assert (await send()).content == first.content
        # and when the day is over, before anything is swept away
        await _grow_old(db, timedelta(minutes=1))
        second = await send()
        # then it is another intent, which is kept for a day of its own
        assert second.content != first.content
        assert "Idempotency-Replayed" not in second.headers
        await forget(runtime)
        assert (await send()).content == second.content
    async with db.read() as session:
        tallies = await session.execute(select(func.count()).select_from(effects))
    assert tallies.scalar_one() == 2


async def test_a_swept_key_is_free_again_for_any_request(
    web: ApiClient, db: Database, runtime: Runtime
) -> None:
    async with web.as_("underwriter") as client:
        await client.post("/carts", json={"name": "a"}, headers=KEY)
        await _grow_old(db, KEPT)
        await forget(runtime)
        assert await counted(db) == (1, 0, 1)
        other = await client.post("/carts", json={"name": "b"}, headers=KEY)
    assert (other.status_code, other.json()["name"]) == (201, "b")
