"""Where the demo's telemetry comes from."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import orjson
import pytest

from robosure.contexts.eventflow.schemas import EVENT_TYPES
from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.demo.command import _source
from robosure.entrypoints.demo.sources import (
    Batch,
    SimulatedFleet,
    Source,
    VendorFile,
    day_of,
)

ROBOTS = [UUID(int=number) for number in range(1, 4)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.csv"


def cut(source: Source) -> list[tuple[int, Batch]]:
    return list(source.batches(ROBOTS[: source.robots]))


def test_a_vendors_rows_are_sent_as_they_are_each_part_under_the_header(
    path: Path,
) -> None:
    # given a file with 201 rows, Windows line ends and an empty line at its end
    rows = [f"{number};0,5\r\n".encode() for number in range(201)]
    path.write_bytes(b"Time;Current\r\n" + b"".join(rows) + b"\r\n")
    source = VendorFile(path, "my-arm")
    # when it is cut
    batches = cut(source)
    # then every row is in one batch, in its order, and says which row it was
    assert source.rows == 201
    assert [index for index, _ in batches] == [0, 0, 0]
    assert [batch.rows for _, batch in batches] == [100, 100, 1]
    assert [batch.parameters["first_row"] for _, batch in batches] == [
        "0",
        "100",
        "200",
    ]
    assert [batch.content for _, batch in batches] == [
        b"Time;Current\r\n" + b"".join(rows[start : start + 100])
        for start in (0, 100, 200)
    ]
    assert {batch.path for _, batch in batches} == {f"/robots/{ROBOTS[0]}/telemetry"}
    assert {batch.parameters["profile"] for _, batch in batches} == {"my-arm"}
    assert {batch.content_type for _, batch in batches} == {"text/csv"}


def test_a_file_with_a_header_only_has_no_rows(path: Path) -> None:
    path.write_bytes(b"Time;Current\n")
    source = VendorFile(path, "my-arm")
    assert source.rows == 0
    assert cut(source) == []


def test_an_empty_file_is_said_to_be_empty(path: Path) -> None:
    path.touch()
    with pytest.raises(ClientError, match=r"telemetry\.csv is empty$"):
        VendorFile(path, "my-arm")


def test_a_file_that_is_not_there_is_said_to_be_missing(path: Path) -> None:
    with pytest.raises(ClientError, match=r"^cannot read .*: No such file"):
        VendorFile(path, "my-arm")


def test_the_simulated_fleet_is_sent_as_valid_events_each_once() -> None:
    # given the fleet
    fleet = SimulatedFleet()
    # when it is cut
    batches = cut(fleet)
    # then all its samples are in batches of at most a hundred
    assert sum(batch.rows for _, batch in batches) == fleet.rows
    assert max(batch.rows for _, batch in batches) == 100
    assert {index for index, _ in batches} == set(range(fleet.robots))
    # and each is a valid event of its robot, and none is there twice
    seen = set()
    for index, batch in batches:
        assert batch.path == "/events"
        assert batch.content_type == "application/cloudevents-batch+json"
        assert batch.parameters == {}
        for event in orjson.loads(batch.content):
            kind = EVENT_TYPES[event["type"]]
            kind.event.validate_json(orjson.dumps(event))
            assert event["subject"] == str(ROBOTS[index])
            seen.add((event["source"], event["id"]))
    assert len(seen) == fleet.rows


def test_the_simulated_fleet_is_the_same_every_time() -> None:
    assert cut(SimulatedFleet()) == cut(SimulatedFleet())


def test_a_file_or_the_fleet_is_chosen_by_what_is_asked_for(path: Path) -> None:
    path.write_bytes(b"Time\n1\n")
    assert isinstance(_source(path, "my-arm"), VendorFile)
    assert isinstance(_source(None, None), SimulatedFleet)


def test_the_day_of_a_timestamp() -> None:
    assert day_of("2022-10-26T23:59:59.999Z").isoformat() == "2022-10-26"
