"""Metrics: what is told to a counter that several processes share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from robosure.platform.metrics import ManyHistogram, Measurements, Tally


async def test_what_is_tallied_in_a_turn_is_counted_once_and_whole() -> None:
    registry, told = CollectorRegistry(), list[float]()

    class Counted(Counter):
        def inc(
            self, amount: float = 1, exemplar: dict[str, str] | None = None
        ) -> None:
            told.append(amount)
            super().inc(amount, exemplar)

    tally = Tally(Counted("things", "Things.", registry=registry))
    for turn in ([1, 100, 3], [5], []):
        for count in turn:
            tally.add(count)
        await asyncio.sleep(0)
    assert told == [104, 5]
    assert registry.get_sample_value("things_total") == 109


async def test_what_is_measured_in_a_turn_is_observed_at_once_and_as_one_by_one() -> (
    None
):
    # given a histogram that is told values one by one, and one that is told by turns
    amounts = [[0.5, 1.0, 1.5, 0.0, 7.0, 0.5, float("inf")], [2.0], []]
    one_by_one, by_turns = CollectorRegistry(), CollectorRegistry()
    single, many = (
        ManyHistogram("secs", "Some.", ["of"], registry=each, buckets=(1, 2))
        for each in (one_by_one, by_turns)
    )
    measurements = Measurements(many.labels("this"))
    # when
    for turn in amounts:
        for amount in turn:
            single.labels("this").observe(amount)
            measurements.add(amount)
        await asyncio.sleep(0)
    # then both show the same

    def shown(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
        (metric,) = registry.collect()
        return {
            (sample.name, sample.labels.get("le", "")): sample.value
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }

    assert shown(by_turns) == shown(one_by_one)
    assert shown(by_turns)["secs_count", ""] == 8


@pytest.mark.parametrize("durable", [0, 1])
def test_what_one_process_found_of_the_bus_is_not_what_another_never_looked_for(
    tmp_path: Path, durable: int
) -> None:
    # given processes of which one has looked whether the bus is durable
    of_several = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(then: str) -> str:
        code = f"from robosure.platform.metrics import *; {then}"
        command = [sys.executable, "-c", code]
        return subprocess.run(
            command, env=of_several, check=True, capture_output=True, text=True
        ).stdout

    run("0")
    run(f"STREAM_DURABLE.set({durable})")
    # then it is shown as that one found it
    assert f"stream_durable {float(durable)}\n" in run("print(exposition().decode())")
