from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from robosure.contexts.eventflow.events import TELEMETRY_TYPE, Telemetry
from robosure.contexts.eventflow.schemas import EVENT_TYPES, SAMPLE

EVENT = EVENT_TYPES[TELEMETRY_TYPE].event


def first_error(**changes: Any) -> tuple[str, str]:
    with pytest.raises(ValidationError) as refused:
        EVENT.validate_json(orjson.dumps({**SAMPLE, **changes}))
    error = refused.value.errors()[0]
    return ".".join(map(str, error["loc"])), error["type"]


def test_the_schema_knows_every_reading_of_telemetry_and_no_other() -> None:
    known = EVENT_TYPES[TELEMETRY_TYPE].schema["properties"]

    assert list(known) == [reading.name for reading in fields(Telemetry)]


def test_the_sample_is_valid() -> None:
    event = EVENT.validate_json(orjson.dumps(SAMPLE))

    assert event.subject.version == 7
    assert event.data["joint_currents"] == [0.11, -2.02, -1.53, -1.0, -0.06, None]


def test_extension_attributes_are_passed_over() -> None:
    EVENT.validate_json(orjson.dumps({**SAMPLE, "traceparent": "00-0af7", "seq": 1}))


@pytest.mark.parametrize(
    ("changes", "place", "kind"),
    [
        ({"specversion": "0.3"}, "specversion", "literal_error"),
        ({"id": ""}, "id", "string_too_short"),
        ({"id": 5}, "id", "string_type"),
        ({"id": "x" * 256}, "id", "string_too_long"),
        ({"source": "a\0b"}, "source", "string_pattern_mismatch"),
        ({"subject": "robot-1"}, "subject", "uuid_parsing"),
        ({"time": "2026-03-02T08:17:21"}, "time", "rfc3339"),
        ({"time": "yesterday"}, "time", "rfc3339"),
        ({"time": 1772439441}, "time", "rfc3339"),
        ({"time": "1772439441"}, "time", "rfc3339"),
        ({"time": "2026-03-02"}, "time", "rfc3339"),
        ({"time": "2026-03-02T08:17:21z"}, "time", "rfc3339"),
        ({"time": "2026-03-02T08:17:21\u221205:30"}, "time", "rfc3339"),
        ({"time": "2026-03-02T08:17:21Z\n"}, "time", "rfc3339"),
        ({"time": "2026-03-02T08:17:60Z"}, "time", "datetime_from_date_parsing"),
        ({"time": "2026-13-02T08:17:21Z"}, "time", "datetime_from_date_parsing"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time", "greater_than_equal"),
        ({"time": "1582-10-10T00:00:00Z"}, "time", "greater_than_equal"),
        ({"time": "1969-12-31T23:59:59Z"}, "time", "greater_than_equal"),
        ({"time": "9999-12-31T23:59:59-14:00"}, "time", "less_than_equal"),
        ({"datacontenttype": "text/xml"}, "datacontenttype", "string_pattern_mismatch"),
        ({"data": None}, "data", "dict_type"),
        ({"data": []}, "data", "dict_type"),
    ],
)
def test_attributes_must_be_what_cloud_events_says(
    changes: dict[str, Any], place: str, kind: str
) -> None:
    assert first_error(**changes) == (place, kind)


@pytest.mark.parametrize(
    ("data", "place", "kind"),
    [
        ({"joint_currents": ["0.5"]}, "data.joint_currents.0", "float_type"),
        ({"joint_currents": 0.5}, "data.joint_currents", "list_type"),
        ({"joint_currents": [None] * 129}, "data.joint_currents", "too_long"),
        ({"tool_current": True}, "data.tool_current", "float_type"),
        ({"cycle": 1.5}, "data.cycle", "int_type"),
        ({"cycle": 2**63}, "data.cycle", "less_than"),
        ({"protective_stop": 1}, "data.protective_stop", "bool_type"),
        ({"battery": 101}, "data.battery", "less_than_equal"),
        ({"temperature": -274}, "data.temperature", "greater_than_equal"),
        ({"heading": 360.5}, "data.heading", "less_than_equal"),
        ({"position_x": "12"}, "data.position_x", "float_type"),
        ({"humidity": 20}, "data.humidity", "extra_forbidden"),
    ],
)
def test_data_must_match_the_schema_strictly(
    data: dict[str, Any], place: str, kind: str
) -> None:
    assert first_error(data=data) == (place, kind)


@pytest.mark.parametrize("number", ["1e999", "NaN", "Infinity", "-Infinity"])
def test_a_reading_is_finite(number: str) -> None:
    text = orjson.dumps({**SAMPLE, "data": {"speed": 0.25}}).decode()

    with pytest.raises(ValidationError):
        EVENT.validate_json(text.replace("0.25", number))
