"""A request's body, read up to its limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from robosure.platform.http.bodies import Body, CutOffError


class Arriving:
    """Brings these messages; then the client goes, after a while."""

    def __init__(self, *pieces: bytes, goes_after: float = 0.0) -> None:
        last = len(pieces) - 1
        self._messages = [
            {"type": "http.request", "body": piece, "more_body": number < last}
            for number, piece in enumerate(pieces)
        ]
        self._goes_after = goes_after

    async def __call__(self) -> dict[str, Any]:
        if self._messages:
            return self._messages.pop(0)
        await asyncio.sleep(self._goes_after)
        return {"type": "http.disconnect"}


def a_body(arriving: Arriving, *, declared: bytes = b"", seconds: float = 5) -> Body:
    headers = {b"content-length": declared} if declared else {}
    return Body(arriving, headers, max_bytes=10, seconds=seconds)


async def test_a_body_up_to_the_limit_is_handed_on() -> None:
    body = a_body(Arriving(b"12345", b"67890"))
    assert [(await body())["body"] for _ in range(2)] == [b"12345", b"67890"]
    assert body.refusal is None


async def test_what_is_more_is_cut_off_where_it_becomes_too_much() -> None:
    body = a_body(Arriving(b"12345", b"678901", b"2"))
    await body()
    with pytest.raises(CutOffError):
        await body()
    assert body.refusal is not None
    assert (body.refusal.status, body.refusal.code) == (413, "body_too_large")


@pytest.mark.parametrize("declared", [b"11", b"9" * 5_000])
async def test_what_says_that_it_is_more_is_not_even_begun(declared: bytes) -> None:
    refusal = a_body(Arriving(), declared=declared).refusal
    assert refusal is not None
    assert refusal.context == {"limit_bytes": 10}


@pytest.mark.parametrize("declared", [b"10", b"", b"-1", b"many"])
async def test_what_does_not_say_so_is_looked_at(declared: bytes) -> None:
    assert a_body(Arriving(b"1"), declared=declared).refusal is None


async def test_a_body_that_stops_arriving_is_given_up() -> None:
    class Stuck(Arriving):
        async def __call__(self) -> dict[str, Any]:
            return await super().__call__() | {"more_body": True}

    body = a_body(Stuck(b"1", goes_after=60), seconds=0.05)
    await body()
    with pytest.raises(CutOffError):
        await body()
    assert body.refusal is not None
    assert (body.refusal.status, body.refusal.code) == (408, "body_too_slow")
    assert body.refusal.context == {"limit_seconds": "0.05"}


async def test_a_slow_answer_is_not_a_slow_body() -> None:
    # given a body that is whole
    body = a_body(Arriving(b"1", goes_after=0.1), seconds=0.02)
    await body()
    # when the answer takes longer than a body may, and who asked is waited for to go
    gone = await body()
    # then nothing is cut off
    assert gone == {"type": "http.disconnect"}
    assert body.refusal is None
