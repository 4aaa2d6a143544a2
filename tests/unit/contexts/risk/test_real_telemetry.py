"""A day of a real UR3, whose figures were counted independently."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal

from robosure.contexts.risk.domain import (
    CURRENT_MODEL,
    Exposure,
    ScoreInputs,
)
from tests.unit.contexts.risk.factories import UR3, real_telemetry, sample_of


def test_a_real_day_gives_the_figures_counted_independently() -> None:
    # given 7,409 rows, in no order and some of them twice
    rows = enumerate(real_telemetry())
    samples = [sample_of(t, at, key=i) for i, (at, t) in rows]
    arrived = [*samples, *samples[::20]]
    random.Random(7).shuffle(arrived)
    # when they are summed up
    exposure = Exposure.of(arrived)
    # then
    assert exposure.samples == 7_409
    assert exposure.incomplete == 54
    assert exposure.operating_us == 7_510_608_000
    assert exposure.first_at == datetime(2022, 10, 26, 8, 17, 21, 847_000, tzinfo=UTC)
    assert exposure.last_at == datetime(2022, 10, 26, 15, 36, 6, 580_000, tzinfo=UTC)
    stops, grips = exposure.protective_stop, exposure.grip_loss
    assert (stops.samples, stops.episodes, stops.known) == (278, 108, 7_355)
    assert (grips.samples, grips.episodes, grips.known) == (243, 77, 7_409)
    assert [joint.readings for joint in exposure.joint_temperatures] == [7_355] * 6
    assert exposure.joint_currents[0].highest == 6_807


def test_a_real_day_scores_elevated() -> None:
    rows = enumerate(real_telemetry())
    samples = [sample_of(t, at, key=i) for i, (at, t) in rows]

    found = CURRENT_MODEL.assess(ScoreInputs(Exposure.of(samples), UR3))

    assert (found.score, found.band) == (Decimal("44.9"), "elevated")
    assert found.multiplier == Decimal("1.1703")
