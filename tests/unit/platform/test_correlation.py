"""The course of events: set for a while, and given back."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from robosure.platform.correlation import (
    Correlation,
    act_for,
    correlated,
    current,
    told,
)


def test_outside_of_everything_there_is_no_course_of_events() -> None:
    assert current() == Correlation(None, None, None)


def test_it_holds_within_and_is_given_back() -> None:
    outer = Correlation("outer", actor=UUID(int=1))
    inner = Correlation("inner", UUID(int=2))
    with correlated(outer):
        with correlated(inner):
            assert current() == inner
        assert current() == outer
    assert current() == Correlation()


def test_lines_of_the_log_tell_it() -> None:
    with correlated(Correlation("outer", UUID(int=2), UUID(int=1))):
        line = told(None, "info", {"event": "x", "actor": "somebody else"})
    assert line == {
        "event": "x",
        "correlation_id": "outer",
        "causation_id": str(UUID(int=2)),
        "actor": "somebody else",
    }
    assert told(None, "info", {"event": "x"}) == {"event": "x"}


def test_it_is_given_back_when_something_fails() -> None:
    with pytest.raises(ZeroDivisionError), correlated(Correlation("x")):
        _ = 1 / 0
    assert current() == Correlation()


def test_the_principal_is_named_once_it_is_known() -> None:
    with correlated(Correlation("x", UUID(int=1))):
        act_for(UUID(int=9))
        assert current() == Correlation("x", UUID(int=1), UUID(int=9))
    assert current() == Correlation()


async def test_two_requests_at_once_do_not_mix() -> None:
    async def request(name: str) -> str | None:
        with correlated(Correlation(name)):
            await asyncio.sleep(0)
            return current().correlation_id

    names = [f"req-{n}" for n in range(20)]
    assert await asyncio.gather(*map(request, names)) == names
