"""The client: patient with what passes, plain about what does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from robosure.entrypoints.client import api
from robosure.entrypoints.client.api import Api, until
from robosure.entrypoints.client.errors import ClientError

Answer = httpx.Response | Exception


class Server:
    """Answers what it was told to, in order, and remembers what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def keys(self) -> list[str | None]:
        return [request.headers.get("Idempotency-Key") for request in self.asked]

    def api(self) -> Api:
        transport = httpx.MockTransport(self)
        return Api(
            httpx.AsyncClient(transport=transport, base_url="http://test/api/v1")
        )


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_PAUSE_SECONDS", 0.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_PATIENCE_SECONDS", -1.0)


def ok(document: Any) -> httpx.Response:
    return httpx.Response(200, json=document)


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code}, headers=headers)


@pytest.mark.parametrize(
    "passing",
    [
        problem(503, "dependency_unavailable"),
        problem(502, "bad_gateway"),
        problem(409, "score_not_yet_known", **{"Retry-After": "1"}),
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("gone"),
        httpx.ReadTimeout("slow"),
    ],
    ids=str,
)
async def test_what_fails_in_passing_is_tried_again_with_the_same_key(
    passing: Answer,
) -> None:
    # given a server that fails once and then answers
    server = Server(passing, ok({"id": 7}))
    # when something is created
    answer = await server.api().with_key("k").post("/claims", {"a": 1})
    # then it is sent twice under one key, so that it has one effect
    assert answer == {"id": 7}
    first, second = server.asked
    assert first.content == second.content
    assert json.loads(first.content) == {"a": 1}
    assert len(set(server.keys())) == 1
    assert server.keys()[0] is not None


@pytest.mark.parametrize(
    ("status", "said", "waited"),
    [
        (429, "7", 7.0),
        (503, "3", 3.0),
        (503, "3600", 30.0),
        (503, "Mon, 02 Mar 2026 12:00:00 GMT", 2.0),
        (409, "1", 0.0),
    ],
)
async def test_a_server_with_too_much_to_do_is_left_alone_for_as_long_as_it_says(
    status: int, said: str, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a server that puts its clients off
    server = Server(problem(status, "busy", **{"Retry-After": said}), ok({}))
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    # when something is sent, then it is sent again after that time, and no sooner
    assert await server.api().with_key("k").post("/events", {}) == {}
    assert pauses == [waited]


async def test_a_refusal_that_passes_is_waited_out_when_reading_too() -> None:
    server = Server(problem(404, "subject_not_found"), ok({"stored": 0}))
    caller = server.api().with_key("k")
    found = await caller.get("/counts", until_not="subject_not_found", subject="s")
    assert found == {"stored": 0}
    assert [str(each.url.query) for each in server.asked] == ["b'subject=s'"] * 2


async def test_two_intents_have_two_keys() -> None:
    server = Server(ok({}), ok({}))
    caller = server.api().with_key("k")
    await caller.post("/claims", {})
    await caller.send("/events", b"[]", content_type="application/json")
    assert len(set(server.keys())) == 2


async def test_a_key_is_presented_as_such_and_raw_content_as_it_is() -> None:
    server = Server(ok({"accepted": 1}))
    answer = (
        await server.api()
        .with_key("rbs_secret")
        .send("/robots/1/telemetry", b"a;b", content_type="text/csv", first_row="3")
    )
    assert answer == {"accepted": 1}
    (request,) = server.asked
    assert str(request.url) == "http://test/api/v1/robots/1/telemetry?first_row=3"
    assert request.headers["X-API-Key"] == "rbs_secret"
    assert request.headers["Content-Type"] == "text/csv"
    assert request.content == b"a;b"


async def test_signing_in_sends_json_and_later_calls_carry_the_token() -> None:
    server = Server(ok({"access_token": "T1"}), ok([1]), httpx.Response(200, text="%P"))
    ada = await server.api().sign_in("ada@example.com", "secret")
    assert await ada.get("/things", kind="x") == [1]
    assert await ada.download("/file") == b"%P"
    sign_in, listing, download = server.asked
    assert json.loads(sign_in.content) == {
        "email": "ada@example.com",
        "password": "secret",
    }
    assert "Authorization" not in sign_in.headers
    assert str(listing.url) == "http://test/api/v1/things?kind=x"
    assert listing.headers["Authorization"] == "Bearer T1"
    assert download.headers["Authorization"] == "Bearer T1"


async def test_an_expired_token_is_renewed_and_the_call_repeated() -> None:
    # given someone whose token has expired since
    server = Server(
        ok({"access_token": "T1"}),
        problem(401, "token_expired"),
        ok({"access_token": "T2"}),
        ok({"done": True}),
    )
    ada = await server.api().sign_in("ada@example.com", "secret")
    # when they act
    assert await ada.post("/claims", {"a": 1}) == {"done": True}
    # then they signed in again, and said the same again with the new token
    _, refused, renewal, repeated = server.asked
    assert renewal.url.path == "/api/v1/auth/sign-in"
    assert repeated.headers["Authorization"] == "Bearer T2"
    assert repeated.content == refused.content
    assert repeated.headers["Idempotency-Key"] == refused.headers["Idempotency-Key"]


async def test_a_key_that_is_refused_stays_refused() -> None:
    server = Server(problem(401, "invalid_api_key"))
    with pytest.raises(ClientError, match="GET /api/v1/things answered 401"):
        await server.api().with_key("old").get("/things")
    assert len(server.asked) == 1


async def test_a_refusal_is_said_with_what_was_asked_and_answered() -> None:
    server = Server(problem(422, "invalid_request"))
    with pytest.raises(ClientError) as refused:
        await server.api().with_key("k").post("/quotes", {})
    assert str(refused.value) == (
        'POST /api/v1/quotes answered 422: {"code":"invalid_request"}'
    )
    assert len(server.asked) == 1


async def test_a_refusal_that_is_known_to_pass_is_waited_out() -> None:
    server = Server(problem(404, "policy_not_found"), ok({"id": 1}))
    caller = server.api().with_key("k")
    assert await caller.post("/claims", {}, until_not="policy_not_found") == {"id": 1}
    assert len(set(server.keys())) == 1


async def test_another_refusal_is_not_waited_out() -> None:
    server = Server(problem(404, "robot_not_found"))
    with pytest.raises(ClientError, match="robot_not_found"):
        await (
            server.api().with_key("k").post("/claims", {}, until_not="policy_not_found")
        )


async def test_a_refusal_that_says_it_is_done_already_is_an_answer() -> None:
    # given a server that does it, and whose answer is lost
    server = Server(httpx.ReadError("lost"), problem(409, "email_taken"))
    # when it is asked again, then it says so, and that is well
    answer = await (
        server.api().with_key("k").post("/users", {}, or_already="email_taken")
    )
    assert answer == {"code": "email_taken"}


@pytest.mark.usefixtures("impatient")
async def test_patience_ends_where_nobody_answers() -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(ClientError, match=r"^GET /things: no answer \(refused\)$"):
        await server.api().with_key("k").get("/things")


@pytest.mark.usefixtures("impatient")
async def test_patience_ends_where_trouble_does_not_pass() -> None:
    server = Server(problem(503, "dependency_unavailable"))
    with pytest.raises(ClientError, match="answered 503"):
        await server.api().with_key("k").get("/things")


def _fetching(answers: Sequence[int]) -> Callable[[], Any]:
    left = iter(answers)

    async def fetch() -> int:
        return next(left)

    return fetch


async def test_waiting_ends_with_the_answer_waited_for() -> None:
    assert await until("three", _fetching([1, 2, 3, 4]), lambda n: n == 3) == 3


@pytest.mark.usefixtures("impatient")
async def test_waiting_in_vain_says_for_what_and_what_was_seen() -> None:
    with pytest.raises(ClientError, match=r"^waited too long for three; last seen: 1$"):
        await until("three", _fetching([1]), lambda n: n == 3)
