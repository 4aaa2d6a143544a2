"""The edge: access, problem documents, request ids, limits, metrics, audit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from sqlalchemy import select
from structlog.testing import capture_logs

from robosure.platform.audit import audit_entries
from robosure.platform.database import Database
from robosure.platform.http import access
from robosure.platform.metrics import exposition
from robosure.platform.runtime import Runtime
from robosure.platform.streams.redis_bus import RedisBus
from tests.integration.platform.testing.app import MAX_BODY, an_app
from tests.integration.platform.testing.cart import Cart, carts
from tests.support import ApiClient, FixedClock, code_of


async def entries(db: Database) -> list[Any]:
    async with db.read() as session:
        return list((await session.execute(select(audit_entries))).all())


async def test_metrics_for_people_are_plain_numbers(web: ApiClient) -> None:
    async with web.anonymous() as client:
        await client.get("/nowhere")
        shown = (await client.get("http://robosure.test/metrics/summary")).json()
    assert shown["app_errors_total{endpoint=unmatched,error_type=not_found}"] >= 1
    assert not [name for name in shown if "_bucket" in name or "_created" in name]


async def test_a_route_that_states_nothing_keeps_the_application_from_starting(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "access_of", lambda _: [])
    with pytest.raises(RuntimeError, match=r"GET /api/v1/me"):
        an_app(runtime)


@pytest.mark.parametrize(
    ("request_line", "body", "expected"),
    [
        ("GET /nowhere", b"", (404, "not_found")),
        ("DELETE /carts", b"", (405, "method_not_allowed")),
        ("POST /echo", b'{"a": ', (400, "malformed_json")),
        ("POST /echo", b"\xff\xfe", (400, "malformed_json")),
        ("POST /echo", b"[1]", (422, "invalid_request")),
        ("POST /echo", b"", (422, "invalid_request")),
        ("POST /text", b'{"name": "nul \\u0000"}', (422, "unstorable_value")),
        ("POST /text", b'{"name": "\\ud800"}', (422, "unstorable_value")),
        ("GET /broken/not-yet", b"", (409, "cover_not_yet_known")),
    ],
)
async def test_every_error_is_a_problem_document(
    web: ApiClient, request_line: str, body: bytes, expected: tuple[int, str]
) -> None:
    async with web.anonymous() as client:
        method, path = request_line.split()
        answer = await client.request(
            method, path, content=body, headers={"Content-Type": "application/json"}
        )
    assert (answer.status_code, code_of(answer)) == expected
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


async def test_each_field_that_is_wrong_is_named(web: ApiClient) -> None:
    async with web.as_("admin") as client:
        refused = await client.post("/carts", json={"nmae": "a", "amount": "many"})
    assert code_of(refused) == "invalid_request"
    named = {(each["field"], each["code"]) for each in refused.json()["errors"]}
    assert named == {
        ("body.name", "missing"),
        ("body.amount", "int_parsing"),
        ("body.nmae", "extra_forbidden"),
    }


@pytest.mark.parametrize("name", ["bug", "file"])
async def test_what_breaks_inside_stays_inside(web: ApiClient, name: str) -> None:
    async with web.anonymous() as client:
        with capture_logs() as lines:
            answer = await client.get(
                f"/broken/{name}", headers={"X-Request-ID": "req-7"}
            )
    assert (answer.status_code, code_of(answer)) == (500, "internal_error")
    assert "canary" not in answer.text
    assert "RuntimeError" not in answer.text
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"] == "req-7"
    events = [line["event"] for line in lines]
    assert "platform.http.request_failed" in events


async def test_what_is_not_yet_known_may_be_asked_again(web: ApiClient) -> None:
    async with web.anonymous() as client:
        answer = await client.get("/broken/not-yet")
    assert answer.headers["Retry-After"] == "1"


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b" " * 100


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(
    web: ApiClient, declared: bool
) -> None:
    size = MAX_BODY + 100
    content: Any = b" " * size if declared else chunks(size)
    headers = {"Content-Type": "application/json"}
    async with web.anonymous() as client:
        refused = await client.post("/echo", content=content, headers=headers)
    assert ("content-length" in refused.request.headers) is declared
    assert (refused.status_code, code_of(refused)) == (413, "body_too_large")
    assert refused.json()["context"] == {"limit_bytes": MAX_BODY}


async def test_a_body_up_to_the_limit_is_taken(web: ApiClient) -> None:
    body = b'{"a": 1}'.ljust(MAX_BODY)
    async with web.anonymous() as client:
        answer = await client.post(
            "/echo", content=body, headers={"Content-Type": "application/json"}
        )
    assert answer.json() == {"fields": 1}


@pytest.mark.parametrize(
    ("presented", "taken"),
    [("req-7:a.b_c", True), ("x" * 129, False), ("new\tline", False), ("", False)],
)
async def test_a_request_id_is_taken_or_made(
    web: ApiClient, presented: str, taken: bool
) -> None:
    async with web.anonymous() as client:
        answer = await client.get("/nowhere", headers={"X-Request-ID": presented})
    assert (answer.headers["X-Request-ID"] == presented) is taken
    assert len(answer.headers.get_list("X-Request-ID")) == 1


async def test_metrics_name_the_route_and_never_the_path(web: ApiClient) -> None:
    async with web.anonymous() as client:
        with capture_logs():
            await client.get("/broken/canary-name")
        await client.get("/canary-nowhere")
        await client.request("CANARY", "/echo")
    shown = exposition().decode()
    assert "canary" not in shown.lower()
    assert 'endpoint="/api/v1/broken/{name}"' in shown
    assert 'app_errors_total{endpoint="unmatched",error_type="not_found"}' in shown
    assert 'method="OTHER"' in shown


async def test_who_did_what_is_written_with_what_was_done(
    web: ApiClient, db: Database
) -> None:
    cart = Cart("a")
    async with db.write() as session:
        session.add(cart)
    principal = web.principal("underwriter")
    async with web.as_("underwriter", subject=principal.subject) as client:
        path = f"/carts/{cart.id}/amount"
        await client.put(path, json={"amount": 5}, headers={"X-Request-ID": "req-1"})
        # when a second one is refused
        await client.put(path, json={"amount": 6}, headers={"If-Match": '"1"'})
    # then only the first left an entry
    (entry,) = [each for each in await entries(db) if each.actor_kind == "user"]
    assert entry.action == "PUT /api/v1/carts/{cart_id}/amount"
    assert entry.subject == {"cart_id": str(cart.id)}
    assert (entry.actor, entry.correlation_id) == (principal.subject, "req-1")


async def test_a_change_of_another_version_than_the_one_seen_is_refused(
    web: ApiClient, db: Database
) -> None:
    cart = Cart("a")
    async with db.write() as session:
        session.add(cart)
    async with web.as_("admin") as client:

        async def put(amount: int, **headers: str) -> httpx.Response:
            path, body = f"/carts/{cart.id}/amount", {"amount": amount}
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            return await client.put(path, json=body, headers=named)

        done = await put(5, If_Match='"1"')
        assert (done.status_code, done.headers["ETag"]) == (200, '"2"')
        refused = await put(6, If_Match='"1"')
        assert (refused.status_code, code_of(refused)) == (412, "stale_version")
        assert (await put(7)).headers["ETag"] == '"3"'
    async with db.read() as reading:
        assert await reading.scalar(select(carts.c.amount)) == 7


async def test_a_list_pages_from_the_newest_to_the_oldest(
    web: ApiClient, db: Database
) -> None:
    async with db.write() as session:
        session.add_all([Cart(f"n{number}") for number in range(5)])
    pages: list[list[str]] = []
    async with web.as_("admin") as client:
        cursor: str | None = ""
        while cursor is not None:
            asked = {"limit": "2", **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/carts", params=asked)).json()
            pages.append([item["name"] for item in page["items"]])
            cursor = page["next_cursor"]
    assert pages == [["n4", "n3"], ["n2", "n1"], ["n0"]]


async def test_a_database_that_is_away_is_told_with_when_to_come_again(
    runtime: Runtime, clock: FixedClock
) -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    web = ApiClient(an_app(runtime, database=away))
    async with web.as_("admin") as client:
        answer = await client.get("/carts")
        ready = await client.get("http://robosure.test/ready")
        alive = await client.get("http://robosure.test/health")
    await away.close()
    assert (answer.status_code, code_of(answer)) == (503, "dependency_unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert ready.status_code == 503
    checks = ready.json()["checks"]
    assert (checks["database"], checks["redis"]) == ("no answer", "ok")
    assert alive.status_code == 200


async def test_readiness_says_that_redis_is_away(
    runtime: Runtime, clock: FixedClock
) -> None:
    away = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    web = ApiClient(an_app(runtime, redis=away, bus=RedisBus(away)))
    async with web.anonymous() as client:
        ready = await client.get("http://robosure.test/ready")
    await away.aclose()
    assert ready.status_code == 503
    assert ready.json()["checks"] == {
        "database": "ok",
        "redis": "no answer",
        "bus": "no answer",
        "rights": "more than needed",
        "durability": "no answer",
        "scanner": "off",
    }
