"""Input that is refused is a security event, and nothing of it is in the line."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from robosure.kernel.ids import uuid7
from robosure.platform.http import refusals
from robosure.platform.http.refusals import LINES_OF_ONE, Lines
from robosure.platform.metrics import exposition
from robosure.platform.runtime import Runtime
from tests.integration.platform.testing.app import MAX_BODY, an_app
from tests.support import ApiClient, FixedClock, code_of

CANARY = "canary-4711"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _fresh_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_lines", Lines())


def serving(runtime: Runtime, **settings: Any) -> ApiClient:
    changed = runtime.settings.model_copy(update=settings)
    return ApiClient(an_app(runtime, settings=changed))


def told(lines: list[Any]) -> list[tuple[str, str, str]]:
    """Return code, method and route of each event, once it is shown to be whole."""
    events = [x for x in lines if x["event"] == "platform.security.input_refused"]
    for line in events:
        assert line["client"] == "127.0.0.1"
        assert line["log_level"] == "warning"
        assert set(line) == {
            "event", "log_level", "code", "method", "endpoint", "writes", "actor",
            "client", "last",
        }  # fmt: skip
    assert CANARY not in str(events)
    return [(x["code"], x["method"], x["endpoint"]) for x in events]


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        ({"content": f'{{"{CANARY}": ', "headers": JSON}, "malformed_json"),
        ({"json": [CANARY]}, "invalid_request"),
        ({"content": b'"' + CANARY.encode() * MAX_BODY + b'"'}, "body_too_large"),
    ],
)
async def test_what_cannot_be_read_is_told(
    runtime: Runtime, clock: FixedClock, sent: dict[str, Any], event: str
) -> None:
    async with serving(runtime).as_("admin") as client:
        with capture_logs() as lines:
            await client.post("/echo", **sent)
    ((code, method, endpoint),) = told(lines)
    # a body that is too large is refused before it is looked up where it goes
    assert (code, method) == (event, "POST")
    assert endpoint in {"/api/v1/echo", "unmatched"}
    counted = f'security_input_refusals_total{{code="{event}"}}'
    assert counted in exposition().decode()


async def test_who_tried_is_told_where_it_is_known(api: ApiClient) -> None:
    async with api.as_("admin") as somebody, api.anonymous() as nobody:
        with capture_logs() as lines:
            await somebody.post("/products", json={CANARY: 1})
            await nobody.put("/auth/token", data={CANARY: "1"})
    assert len(told(lines)) == 2
    known, unknown = (x for x in lines if x["event"].endswith(".input_refused"))
    assert known["actor"] is not None
    assert unknown["actor"] is None


async def test_methods_hosts_and_origins_that_are_refused_are_told(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = serving(
        runtime,
        allowed_hosts=("robosure.test",),
        cors_origins=("https://desk.example",),
    )
    beforehand = {
        "Origin": f"https://{CANARY}.example",
        "Access-Control-Request-Method": "POST",
    }
    async with web.anonymous() as client:
        with capture_logs() as lines:
            await client.get("/me", headers={"Host": f"{CANARY}.example"})
            await client.options("/me", headers=beforehand)
            await client.request("PURGE", "/me")
    assert [(code, method) for code, method, _ in told(lines)] == [
        ("host_not_served", "GET"),
        ("origin_refused", "OPTIONS"),
        ("method_not_allowed", "OTHER"),
    ]


async def test_a_rate_that_is_refused_is_told(
    runtime: Runtime, clock: FixedClock
) -> None:
    web = serving(runtime, rate_limit_read=1, rate_limit_address_factor=1)
    async with web.anonymous() as client:
        with capture_logs() as lines:
            answers = [await client.get("/nowhere") for _ in range(3)]
    limited = sum(answer.status_code == 429 for answer in answers)
    assert limited >= 1
    assert [code for code, *_ in told(lines)] == ["too_many_requests"] * limited


async def test_a_file_that_is_refused_is_told(api: ApiClient) -> None:
    file = (f"{CANARY}.png", CANARY.encode(), "image/png")
    async with api.as_("policyholder", kind="operator") as client:
        path = f"/claims/{uuid7()}/attachments"
        with capture_logs() as lines:
            refused = await client.post(path, files={"file": file})
    route = "/api/v1/claims/{claim_id}/attachments"
    assert told(lines) == [(code_of(refused), "POST", route)]


async def test_a_flood_fills_no_disk(runtime: Runtime, clock: FixedClock) -> None:
    # given somebody who sends what is refused, again and again
    code = "malformed_json"
    async with serving(runtime).anonymous() as client:
        with capture_logs() as lines:
            for _ in range(LINES_OF_ONE + 10):
                await client.post("/echo", content=b"{", headers=JSON)
    # then so many lines are written, the last of which says so
    events = [x for x in lines if x["event"] == "platform.security.input_refused"]
    assert [x["last"] for x in events] == [False] * (LINES_OF_ONE - 1) + [True]
    # and all of them are counted
    counted = next(
        line
        for line in exposition().decode().splitlines()
        if line.startswith(f'security_input_refusals_total{{code="{code}"}}')
    )
    assert float(counted.rpartition(" ")[2]) >= LINES_OF_ONE + 10
