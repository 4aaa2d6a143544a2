"""Outgoing HTTP: what is repeated, and when a host is left alone for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import stamina

from robosure.kernel.errors import Unavailable
from robosure.platform.client import HttpClient
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.settings import Settings

URL = "https://processor.test/charges"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(testing=True, attempts=4, cap=True):
        yield


class Outside:
    """A system that answers in turn with these statuses, or fails with these errors."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        last = len(self._answers) == 1
        answer = self._answers[0] if last else self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, json={"n": len(self.asked)})


def client(outside: Handler, **settings: float) -> HttpClient:
    values: dict[str, Any] = {
        "outgoing_attempts": 4,
        "breaker_failures": 100,
        **settings,
    }
    return HttpClient(
        Settings(_env_file=None, **values),
        transport=httpx.MockTransport(outside),
    )


async def test_a_request_that_fails_in_passing_is_repeated() -> None:
    outside = Outside(503, httpx.ConnectTimeout("slow"), 200)
    async with client(outside) as http:
        response = await http.request("GET", URL)
    assert response.json() == {"n": 3}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_after_the_last_attempt_there_is_no_answer(status: int) -> None:
    outside = Outside(status)
    async with client(outside) as http:
        with pytest.raises(Unavailable) as refused:
            await http.request("GET", f"{URL}?secret=canary")
    assert refused.value.code == "no_answer"
    assert refused.value.details == {"url": "https://processor.test"}
    assert len(outside.asked) == 4


@pytest.mark.parametrize("status", [200, 201, 302, 400, 404, 409, 500])
async def test_an_answer_that_would_not_change_is_handed_over(status: int) -> None:
    outside = Outside(status)
    async with client(outside) as http:
        assert (await http.request("GET", URL)).status_code == status
    assert len(outside.asked) == 1


async def test_a_post_is_not_repeated() -> None:
    outside = Outside(503, 200)
    async with client(outside) as http:
        with pytest.raises(Unavailable):
            await http.request("POST", URL, json={"minor": 1})
    assert len(outside.asked) == 1


async def test_a_post_with_an_idempotency_key_is() -> None:
    outside = Outside(httpx.ReadTimeout("slow"), 201)
    async with client(outside) as http:
        response = await http.request(
            "POST", URL, idempotency_key="pay-1", json={"minor": 1}
        )
    assert response.status_code == 201
    assert [r.headers["Idempotency-Key"] for r in outside.asked] == ["pay-1"] * 2
    assert {request.content for request in outside.asked} == {b'{"minor":1}'}


async def test_an_answer_that_cannot_be_read_is_no_answer() -> None:
    def garbled(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, headers={"Content-Encoding": "gzip"}, content=b"not gzip"
        )

    async with client(garbled) as http:
        with pytest.raises(Unavailable) as refused:
            await http.request("POST", URL)
    assert refused.value.code == "no_answer"


async def test_the_course_of_events_is_told_to_the_other_side() -> None:
    outside = Outside(200)
    async with client(outside) as http:
        with correlated(Correlation("req-1")):
            await http.request("GET", URL, headers={"X-Other": "kept"})
            await http.request("GET", URL, headers={"X-Request-ID": "mine"})
        await http.request("GET", URL)
    told = [request.headers.get("X-Request-ID") for request in outside.asked]
    assert told == ["req-1", "mine", None]
    assert outside.asked[0].headers["X-Other"] == "kept"


async def test_a_host_that_keeps_failing_is_left_alone() -> None:
    # given a breaker that opens after three failures
    outside = Outside(503)
    async with client(outside, breaker_failures=3) as http:
        with pytest.raises(Unavailable):
            await http.request("GET", URL)
        # when it is asked again
        with pytest.raises(Unavailable) as refused:
            await http.request("GET", URL)
    # then nothing is sent any more
    assert refused.value.code == "circuit_open"
    assert len(outside.asked) == 3


async def test_another_host_is_not_blamed() -> None:
    def one_is_away(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503 if request.url.host == "processor.test" else 200)

    async with client(one_is_away, breaker_failures=2) as http:
        with pytest.raises(Unavailable):
            await http.request("GET", URL)
        response = await http.request("GET", "https://regulator.test/")
    assert response.status_code == 200


async def test_a_host_is_tried_again_after_a_while() -> None:
    outside = Outside(503, 503, 200)
    async with client(
        outside, breaker_failures=2, breaker_reset_seconds=0.04, outgoing_attempts=2
    ) as http:
        with pytest.raises(Unavailable):
            await http.request("GET", URL)
        answers = [await _ask(http) for _ in range(3)]
        await asyncio.sleep(0.05)
        answers.append(await _ask(http))
    assert answers == ["circuit_open"] * 3 + [200]


async def _ask(http: HttpClient) -> int | str:
    try:
        return (await http.request("GET", URL)).status_code
    except Unavailable as refused:
        return refused.code
