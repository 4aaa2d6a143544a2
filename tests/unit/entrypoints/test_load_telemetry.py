"""The telemetry that is sent: the same for a seed, and faulty only where asked."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import orjson
import pytest
from pydantic import TypeAdapter

from robosure.contexts.eventflow.events import Telemetry
from robosure.entrypoints.load.telemetry import (
    NO_FAULTS,
    Batch,
    Faults,
    Workload,
    made_ahead,
)

ROBOTS = [UUID(int=number) for number in range(1, 6)]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
Json = dict[str, Any]


def workload(
    count: int = 1000, *, faults: Faults = NO_FAULTS, joints: int = 6, seed: int = 7
) -> Workload:
    return Workload(ROBOTS, count, joints=joints, seed=seed, start=NOON, faults=faults)


def events(batches: list[Batch]) -> list[Any]:
    return [event for batch in batches for event in orjson.loads(batch.content)]


def test_each_robot_is_sampled_once_a_second_in_turn() -> None:
    (batch,) = workload(12).batches(100)
    found = orjson.loads(batch.content)
    assert (batch.events, batch.valid, batch.duplicates, batch.malformed) == (
        12,
        12,
        0,
        0,
    )
    assert [event["subject"] for event in found[:6]] == [
        str(robot) for robot in [*ROBOTS, ROBOTS[0]]
    ]
    times = [datetime.fromisoformat(event["time"]) for event in found]
    assert times[:5] == [NOON] * 5
    assert times[5:10] == [NOON + timedelta(seconds=1)] * 5
    assert times[11] == NOON + timedelta(seconds=2)
    assert len({(event["source"], event["id"]) for event in found}) == 12


@pytest.mark.parametrize("joints", [0, 6])
def test_every_event_has_canonical_readings_of_so_many_joints(joints: int) -> None:
    data = TypeAdapter(Telemetry)
    known = set(Telemetry.__dataclass_fields__)
    lengths: Counter[int] = Counter()
    for event in events(list(workload(5000, joints=joints).batches(1000))):
        assert event["specversion"] == "1.0"
        assert event["type"] == "robot.telemetry.v1"
        assert set(event["data"]) <= known
        sample = data.validate_python(event["data"])
        lengths[len(sample.joint_currents)] += 1
    assert set(lengths) == {joints}


def test_an_event_without_joints_is_of_three_hundred_bytes() -> None:
    bodies = list(workload(100, joints=0).bodies(1))
    assert 270 < sum(map(len, bodies)) / len(bodies) < 310


def test_robots_of_another_number_of_joints_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^--joints is one of 0, 6$"):
        workload(joints=7)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    faults = Faults(duplicates=10, out_of_order=10, malformed=10)
    first = list(workload(faults=faults).batches(100))
    assert list(workload(faults=faults).batches(100)) == first
    assert list(workload(faults=faults, seed=8).batches(100)) != first


def test_by_default_the_last_event_is_of_now() -> None:
    before = datetime.now(UTC)
    recent = Workload(ROBOTS, 500)
    (batch,) = recent.batches(1000)
    last = datetime.fromisoformat(orjson.loads(batch.content)[-1]["time"])
    assert abs(before - last) < timedelta(minutes=1)


def test_without_faults_bodies_and_batches_are_the_same() -> None:
    plain = workload()
    assert list(plain.bodies(300)) == [batch.content for batch in plain.batches(300)]
    assert [b"[%b]" % one for one in plain.singles()] == list(plain.bodies(1))


def test_every_event_is_there_once_and_the_asked_share_twice() -> None:
    batches = list(workload(4000, faults=Faults(duplicates=25)).batches(100))
    seen = Counter(event["id"] for event in events(batches))
    assert set(seen) == {f"7-{number}" for number in range(4000)}
    assert set(seen.values()) == {1, 2}
    twice = sum(count == 2 for count in seen.values())
    assert twice == sum(batch.duplicates for batch in batches)
    assert sum(batch.valid for batch in batches) == 4000
    # 4,000 draws at 25 %: five standard deviations are 137
    assert abs(twice - 1000) < 137


def test_events_out_of_order_come_after_later_ones_of_their_robot() -> None:
    batches = list(workload(4000, faults=Faults(out_of_order=20)).batches(100))
    newest: dict[str, str] = {}
    late = 0
    for event in events(batches):
        late += event["time"] < newest.get(event["subject"], "")
        newest[event["subject"]] = max(event["time"], newest.get(event["subject"], ""))
    assert 600 < late < 1000
    assert sum(batch.valid for batch in batches) == 4000


def test_malformed_events_come_on_top_and_leave_the_batch_readable() -> None:
    batches = list(workload(4000, faults=Faults(malformed=50)).batches(100))
    malformed = sum(batch.malformed for batch in batches)
    assert 1800 < malformed < 2200
    assert sum(batch.valid for batch in batches) == 4000
    assert len(events(batches)) == 4000 + malformed


def test_what_is_made_ahead_ends_at_the_limit_and_nothing_is_lost() -> None:
    asked: list[int] = []

    def bodies() -> Any:
        for number in range(10):
            asked.append(number)
            yield b"x" * 100

    ahead = made_ahead(bodies(), limit_bytes=250)
    assert asked == [0, 1, 2]
    assert len(list(islice(ahead, 2))) == 2
    assert asked == [0, 1, 2]
    assert len(list(ahead)) == 8
    assert asked == list(range(10))
