from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter

from robosure.contexts.eventflow.events import Telemetry
from robosure.contexts.risk.domain import (
    CURRENT_MODEL,
    Exposure,
    Limits,
    Sample,
    ScoreInputs,
)
from robosure.entrypoints.demo.simulator import START, simulate_fleet

_TELEMETRY = TypeAdapter(Telemetry)
_LIMITS = Limits(tuple(map(Decimal, (5, 5, 4, 3, 3, 2))), Decimal(50))
Fleet = list[list[dict[str, Any]]]


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return list(simulate_fleet(seed=7))


def _exposure(rows: list[dict[str, Any]]) -> Exposure:
    return Exposure.of(
        Sample.of(
            _TELEMETRY.validate_python(row["data"]),
            at=datetime.fromisoformat(row["time"]),
            key=UUID(int=index).hex,
        )
        for index, row in enumerate(rows)
    )


def test_the_same_seed_gives_the_same_fleet(fleet: Fleet) -> None:
    assert list(simulate_fleet(seed=7)) == fleet
    assert next(simulate_fleet(seed=8)) != fleet[0]


def test_a_larger_fleet_has_a_stream_of_chance_per_robot() -> None:
    assert len(list(simulate_fleet(seed=7, robots=5, hours=0.1))) == 5


def test_every_robot_sends_about_a_sample_per_second(fleet: Fleet) -> None:
    for rows in fleet:
        moments = [datetime.fromisoformat(row["time"]) for row in rows]
        assert moments == sorted(set(moments))
        assert moments[0] >= START
        assert 3400 < len(rows) < 3600
        assert len({row["id"] for row in rows}) == len(rows)


def test_every_robot_shows_what_risk_looks_for(fleet: Fleet) -> None:
    for exposure in map(_exposure, fleet):
        assert exposure.protective_stop.episodes >= 3
        assert exposure.grip_loss.episodes >= 1
        assert exposure.incomplete >= 1
        # The network is silent once, for more than a minute.
        assert 3400 < exposure.operating_us / 1e6 < 3550


def test_a_robot_scores_the_worse_the_more_it_is_worn(fleet: Fleet) -> None:
    scores = [
        CURRENT_MODEL.assess(ScoreInputs(_exposure(rows), _LIMITS)).score
        for rows in fleet
    ]

    assert scores == sorted(scores)
    assert scores[0] < 30 < scores[-1]
