from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
import pytest

from robosure.contexts.eventflow.schemas import SAMPLE, EventResult
from robosure.contexts.eventflow.service import reception
from robosure.contexts.eventflow.service.reception import (
    NOT_JSON,
    Refusal,
    Voice,
    parse_batch,
    parse_lines,
    parse_one,
)
from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7

SUBJECT = UUID(str(SAMPLE["subject"]))


def verdict(event: Any) -> Refusal:
    checked = reception._checked(event)
    assert isinstance(checked, Refusal)
    return checked


def test_a_body_is_one_event_an_array_or_lines() -> None:
    text = orjson.dumps(SAMPLE)

    assert parse_one(text) == [SAMPLE]
    assert parse_batch(b"[" + text + b"]") == [SAMPLE]
    assert parse_lines(text + b"\r\n\n" + text) == [SAMPLE, SAMPLE]


@pytest.mark.parametrize("body", [b"", b"{", b"[NaN]", b"[1e999]", b"\xff"])
@pytest.mark.parametrize("parse", [parse_one, parse_batch, parse_lines])
def test_what_is_no_json_is_refused_as_a_whole(parse: Any, body: bytes) -> None:
    with pytest.raises(Invalid, match="malformed json"):
        parse(body)


def test_a_batch_is_an_array() -> None:
    with pytest.raises(Invalid, match="not a batch"):
        parse_batch(b"{}")


def test_a_bad_line_is_refused_alone() -> None:
    assert parse_lines(b"{}\n{\n") == [{}, NOT_JSON]
    assert verdict(NOT_JSON).code == "malformed_json"


def test_a_valid_event_is_read() -> None:
    event = reception._checked(SAMPLE)

    assert not isinstance(event, Refusal)
    assert event.subject == SUBJECT


@pytest.mark.parametrize(
    ("event", "code", "detail"),
    [
        ("text", "not_an_object", "an event is a JSON object"),
        ({}, "missing_attribute", "type: Field required"),
        ({"type": "x"}, "unknown_event_type", "type: one of robot.telemetry.v1"),
        ({"type": ["x"]}, "unknown_event_type", "type: one of robot.telemetry.v1"),
        (
            {k: v for k, v in SAMPLE.items() if k != "data"},
            "missing_attribute",
            "data: Field required",
        ),
        ({**SAMPLE, "time": "x"}, "invalid_time", None),
        ({**SAMPLE, "subject": "x"}, "invalid_subject", None),
        (
            {**SAMPLE, "id": 1},
            "invalid_attribute",
            "id: Input should be a valid string",
        ),
        (
            {**SAMPLE, "data": {"joint_currents": [0, "1"]}},
            "invalid_data",
            "data.joint_currents.1: Input should be a valid number",
        ),
    ],
)
def test_an_event_is_refused_with_the_reason(
    event: Any, code: str, detail: str | None
) -> None:
    refusal = verdict(event)

    assert refusal.code == code
    assert detail is None or refusal.detail == detail


def test_at_most_three_reasons_are_given() -> None:
    refusal = verdict({**SAMPLE, "data": dict.fromkeys("abcde", 1)})

    assert refusal.detail.count(";") == 2


def an_event(**changes: Any) -> Any:
    event = reception._checked({**SAMPLE, **changes})
    assert not isinstance(event, Refusal)
    return event


def test_one_speaks_for_known_robots_only() -> None:
    assert Voice(frozenset({SUBJECT}), "robot_not_known").objection(an_event()) is None

    objection = Voice(frozenset({uuid7()}), "robot_not_known").objection(an_event())
    assert objection is not None
    assert objection.code == "robot_not_known"


def test_an_insurer_speaks_for_all() -> None:
    assert Voice(None, "").objection(an_event()) is None


def test_an_event_does_not_take_another_robots_name() -> None:
    everyone = Voice(None, "")

    assert everyone.objection(an_event(source=f"/robots/{SUBJECT}")) is None
    objection = everyone.objection(an_event(source=f"/robots/{uuid7()}"))
    assert objection is not None
    assert objection.code == "source_of_another_robot"


@pytest.mark.parametrize(
    ("raw", "id_"), [({"id": "a"}, "a"), ({"id": 1}, None), ("text", None)]
)
def test_a_result_names_the_event_if_it_has_a_name(raw: Any, id_: str | None) -> None:
    assert reception._result(3, raw, Refusal("code", "why")) == EventResult(
        index=3, id=id_, status="refused", code="code", detail="why"
    )
