"""What is produced: shared out fairly, and judged by what became of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.entrypoints.load.produce import Production, _lanes, _objection

Json = dict[str, Any]


def report(**changes: Any) -> Json:
    return {
        "sent": {"valid": 100, "duplicates": 10, "malformed": 5},
        "accepted": 110,
        "refused": 5,
        "effects": {"stored": 100, "repeated": 10, "failed": 0},
        **changes,
    }


@given(
    count=st.integers(1, 5_000),
    robots=st.integers(1, 40),
    connections=st.integers(1, 10),
)
def test_every_robot_has_its_share_and_one_connection(
    count: int, robots: int, connections: int
) -> None:
    ids = [UUID(int=number) for number in range(robots)]
    production = Production(count, robots=robots, connections=connections)
    lanes = list(_lanes(production, ids, "/load/here"))
    # then all events are sent, by no more connections than were allowed
    assert sum(lane.count for lane in lanes) == count
    assert len(lanes) <= connections
    # and no robot is on two of them
    on_lanes = [robot for lane in lanes for robot in lane.robots]
    assert len(on_lanes) == len(set(on_lanes))
    # and the shares of two robots differ by one event at most
    shares = {
        len(range(place, lane.count, len(lane.robots)))
        for lane in lanes
        for place in range(len(lane.robots))
    }
    assert max(shares) - min(shares) <= 1


def test_all_is_well_where_every_good_event_has_its_effect() -> None:
    assert _objection(report()) is None
    assert _objection(report(effects=None)) is None


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        (
            {"accepted": 100, "refused": 15},
            "110 good events were sent, but 100 accepted and 15 refused",
        ),
        (
            {"effects": {"stored": 90, "repeated": 10, "failed": 0}},
            (
                "10 accepted events have had no effect, and nothing moves any more: "
                "is a worker running?"
            ),
        ),
        (
            {"effects": {"stored": 90, "repeated": 10, "failed": 10}},
            "10 accepted events failed: see the dead letters",
        ),
    ],
)
def test_what_is_not_well_is_said(changes: Json, objection: str) -> None:
    assert _objection(report(**changes)) == objection
