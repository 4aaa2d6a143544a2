from __future__ import annotations

from dataclasses import fields
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from robosure.contexts.eventflow.events import TELEMETRY_TYPE, Telemetry
from robosure.contexts.eventflow.schemas import EVENT_TYPES, SAMPLE, TelemetryData

EVENT = EVENT_TYPES[TELEMETRY_TYPE].event


def first_error(**changes: Any) -> tuple[str, str]:
    with pytest.raises(ValidationError) as refused:
        EVENT.validate_json(orjson.dumps({**SAMPLE, **changes}))
    error = refused.value.errors()[0]
    return ".".join(map(str, error["loc"])), error["type"]


def test_the_schema_knows_every_reading_of_telemetry_and_no_other() -> None:
    known = EVENT_TYPES[TELEMETRY_TYPE].schema["properties"]

    assert list(known) == [reading.name for reading in fields(Telemetry)]
    assert issubclass(TelemetryData, Telemetry)


def test_the_sample_is_valid() -> None:
    event = EVENT.validate_json(orjson.dumps(SAMPLE))

    assert event.subject.version == 7
    assert event.data.joint_currents[-1] is None


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
        ({"time": "2026-03-02T08:17:21"}, "time", "timezone_aware"),
        ({"time": "yesterday"}, "time", "value_error"),
        ({"time": 1772439441}, "time", "value_error"),
        ({"time": "1772439441"}, "time", "value_error"),
        ({"time": "2026-13-02T08:17:21Z"}, "time", "datetime_from_date_parsing"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "time", "value_error"),
        ({"datacontenttype": "text/xml"}, "datacontenttype", "value_error"),
        ({"data": None}, "data", "dataclass_type"),
        ({"data": []}, "data", "dataclass_type"),
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
        ({"joint_currents": 0.5}, "data.joint_currents", "tuple_type"),
        ({"joint_currents": [None] * 129}, "data.joint_currents", "too_long"),
        ({"tool_current": True}, "data.tool_current", "float_type"),
        ({"cycle": 1.5}, "data.cycle", "int_type"),
        ({"cycle": 2**63}, "data.cycle", "less_than"),
        ({"protective_stop": 1}, "data.protective_stop", "bool_type"),
        ({"battery": 101}, "data.battery", "less_than_equal"),
        ({"temperature": 20}, "data.temperature", "unexpected_keyword_argument"),
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
