"""The check that keeps published schemas has to be able to fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from robosure.platform.messages import Message
from scripts.check_event_types import PUBLISHED, differences, main, read

Json = dict[str, Any]
V1 = "robot.telemetry.v1"


def a_schema(**properties: Any) -> Json:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def a_message(whole: Json, *, version: int = 1, kind: Any = "ingested") -> Message:
    return Message(
        kind=kind,
        name=f"trip.ended.v{version}",
        series="trip.ended",
        version=version,
        owner="trips",
        description="A trip is over.",
        schema=whole,
        whole=whole,
        sample={},
        retention_days=1,
    )


LENGTH = {"type": "number"}


def test_what_is_as_published_is_passed_over() -> None:
    schema = a_schema(length=LENGTH)

    assert list(differences([a_message(schema)], {"trip.ended.v1": schema})) == []


def test_what_is_new_is_to_be_published() -> None:
    schema = a_schema(length=LENGTH)
    message = a_message(a_schema(), version=2)

    found = list(differences([a_message(schema), message], {"trip.ended.v1": schema}))

    assert [(str(d), d.schema) for d in found] == [
        ("trip.ended.v2: is not published", message.whole)
    ]


def test_what_is_compatible_is_to_be_published() -> None:
    wider = a_schema(length=LENGTH, fare=LENGTH)

    found = list(
        differences([a_message(wider)], {"trip.ended.v1": a_schema(length=LENGTH)})
    )

    assert [(str(d), d.schema) for d in found] == [
        ("trip.ended.v1: differs, and is compatible", wider)
    ]


def test_what_breaks_takes_another_version() -> None:
    published = a_schema(length={"type": "number", "maximum": 9}, fare=LENGTH)
    proposed = a_schema(length={"type": "number", "maximum": 8})

    found = list(differences([a_message(proposed)], {"trip.ended.v1": published}))

    assert [(d.detail, d.schema) for d in found] == [
        ("length: had maximum 9 and has maximum 8; that takes version 2", None),
        ("fare: the field is gone; that takes version 2", None),
    ]


def test_a_fact_is_held_to_what_its_listeners_read() -> None:
    published = {"type": "object", "properties": {"kind": {"enum": ["a"]}}}
    proposed = {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}}
    stored = {"trip.ended.v1": published}

    as_fact = list(differences([a_message(proposed, kind="fact")], stored))
    as_event = list(differences([a_message(proposed)], stored))

    assert [(d.detail, d.schema) for d in as_fact] == [
        ("kind: may be 'b', which listeners do not know; that takes version 2", None)
    ]
    assert [d.schema for d in as_event] == [proposed]


def test_what_nothing_describes_any_more_is_found() -> None:
    (found,) = differences([], {"trip.ended.v1": a_schema()})

    assert found.schema is None
    assert found.detail.startswith("is published, and nothing describes it")


def test_the_checkout_is_as_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == (
        f"{len(read(PUBLISHED))} event types and facts, as they are published\n"
    )


def test_what_is_missing_is_published_when_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], directory=tmp_path) == 1
    assert f"{V1}: is not published (--write publishes it)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []

    assert main(["--write"], directory=tmp_path) == 0
    assert f"{V1}: published" in capsys.readouterr().out
    assert read(tmp_path) == read(PUBLISHED)


def test_what_breaks_is_never_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a published schema with a reading that the code does not know
    main(["--write"], directory=tmp_path)
    path = tmp_path / f"{V1}.json"
    schema = json.loads(path.read_text())
    schema["$defs"]["TelemetryData"]["properties"]["humidity"] = {"type": "number"}
    path.write_text(json.dumps(schema))
    capsys.readouterr()
    # when the rest is published
    status = main(["--write"], directory=tmp_path)
    # then the check fails, and it stays as it is
    assert status == 1
    assert capsys.readouterr().out == (
        f"{V1}: data.humidity: the field is gone; that takes version 2\n"
    )
    assert json.loads(path.read_text()) == schema
