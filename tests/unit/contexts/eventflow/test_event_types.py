from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError, with_config
from pydantic.dataclasses import dataclass as validated
from typing_extensions import TypedDict

from robosure.contexts.eventflow.domain import Deprecation, Retention
from robosure.contexts.eventflow.schemas import (
    EVENT_TYPES,
    SAMPLE,
    TELEMETRY,
    EventType,
    TelemetryEvent,
    catalogue,
)
from robosure.contexts.eventflow.schemas.telemetry import Moment

TIME = TypeAdapter(Moment)
SUBJECT = UUID("01928f6e-5a3c-7d21-9b4e-3f6a1c2d4e5f")
AT = datetime(2026, 3, 2, 8, 17, 21, tzinfo=UTC)


@with_config(extra="forbid", strict=True)
class DoorData(TypedDict, total=False):
    metres: float
    feet: float


@validated(frozen=True)
class DoorEvent:
    id: str
    source: str
    type: Literal["door.opened.v1"]
    subject: UUID
    time: Moment
    data: DoorData


DOOR = {
    "id": "1",
    "source": "/gate",
    "type": "door.opened.v1",
    "subject": str(SUBJECT),
    "time": "2026-03-02T08:17:21Z",
    "data": {"metres": 2.0},
}


def a_type(**changes: Any) -> EventType:
    told: dict[str, Any] = {
        "series": "door.opened",
        "version": 1,
        "owner": "eventflow",
        "description": "A door was opened.",
        "model": DoorEvent,
        "sample": DOOR,
        "retention": Retention(days=30, archived=False),
    }
    return EventType(**{**told, **changes})


def in_feet(_subject: UUID, _time: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "feet": data["metres"] / 0.3048}


def with_hour(
    _subject: UUID, time: datetime, data: Mapping[str, Any]
) -> dict[str, Any]:
    return {**data, "hour": time.hour, "high": data["feet"] > 6}


def test_a_type_is_named_after_its_series_and_version() -> None:
    event_type = a_type()

    assert event_type.name == "door.opened.v1"
    assert TELEMETRY.name == "robot.telemetry.v1"
    assert dict(EVENT_TYPES) == {"robot.telemetry.v1": TELEMETRY}


def test_its_schemas_say_which_dialect_they_are_in_and_which_they_are() -> None:
    assert TELEMETRY.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert TELEMETRY.schema["$id"] == (
        "https://robosure.dev/event-types/robot.telemetry.v1.data.json"
    )
    assert TELEMETRY.event_schema["$id"] == (
        "https://robosure.dev/event-types/robot.telemetry.v1.json"
    )
    assert TELEMETRY.event_schema["properties"]["time"]["format"] == "date-time"


def test_a_sample_that_is_not_valid_cannot_be_registered() -> None:
    wrong = {**DOOR, "data": {"metres": "two"}}

    with pytest.raises(ValueError, match=r"sample of door\.opened\.v1 is not valid"):
        a_type(sample=wrong)


def test_a_sample_of_another_type_cannot_be_registered() -> None:
    with pytest.raises(
        ValueError, match=r"sample of door\.opened\.v2 is of type door\.opened\.v1"
    ):
        a_type(version=2)


def test_one_name_is_registered_once() -> None:
    with pytest.raises(ValueError, match="two event types have one name"):
        catalogue(a_type(), a_type(description="Another."))


def test_a_deprecated_type_names_a_successor_that_is_there() -> None:
    retiring = Deprecation(sunset=date(2027, 1, 1), successor="door.opened.v2")

    with pytest.raises(ValueError, match=r"succeeded by door\.opened\.v2, which"):
        catalogue(a_type(deprecation=retiring))

    retiring = replace(retiring, successor=TELEMETRY.name)
    assert list(catalogue(a_type(deprecation=retiring), TELEMETRY)) == [
        "door.opened.v1",
        "robot.telemetry.v1",
    ]


def test_events_are_kept_for_at_least_a_day() -> None:
    assert Retention(days=1, archived=False).days == 1
    with pytest.raises(ValueError, match="at least a day"):
        Retention(days=0, archived=True)


def test_steps_enrich_the_data_in_their_order() -> None:
    # given a type whose second step reads what the first one adds
    event_type = a_type(steps=(in_feet, with_hour))
    # when an event is enriched
    data = {"metres": 3.048}
    enriched = event_type.enriched(SUBJECT, AT, data)
    # then both were applied, and what was given is as it was
    assert enriched == {"metres": 3.048, "feet": 10.0, "hour": 8, "high": True}
    assert data == {"metres": 3.048}


def test_a_type_without_steps_leaves_the_data_as_it_is() -> None:
    data = {"speed": 0.5}

    assert TELEMETRY.steps == ()
    assert TELEMETRY.enriched(SUBJECT, AT, data) is data


def changes_what_it_is_given(
    _subject: UUID, _time: datetime, data: Any
) -> dict[str, Any]:
    data["feet"] = 1.0
    changed: dict[str, Any] = data
    return changed


def counts(_subject: UUID, _time: datetime, data: Any) -> dict[str, Any]:
    calls.append(1)
    return {**data, "calls": len(calls)}


calls: list[int] = []


@pytest.mark.parametrize("step", [changes_what_it_is_given, counts])
def test_a_step_that_is_no_pure_function_cannot_be_registered(step: Any) -> None:
    with pytest.raises(ValueError, match="is not a pure function"):
        a_type(steps=(step,))


def test_a_step_that_makes_no_json_cannot_be_registered() -> None:
    def makes_a_set(_subject: UUID, _time: datetime, data: Any) -> dict[str, Any]:
        return {**data, "doors": {1}}

    with pytest.raises(ValueError, match="makes no JSON"):
        a_type(steps=(makes_a_set,))


def test_what_has_passed_holds_what_was_sent_and_nothing_else() -> None:
    event = TELEMETRY.event.validate_json(
        orjson.dumps({**SAMPLE, "data": {"battery": 81, "speed": None}})
    )

    assert event.data == {"battery": 81.0, "speed": None}


def test_of_a_key_that_is_there_twice_the_same_value_is_checked_and_kept() -> None:
    body = orjson.dumps({**SAMPLE, "data": {"battery": 20}}).replace(
        b'"battery":20', b'"battery":500,"battery":20'
    )

    assert TELEMETRY.event.validate_json(body).data == {"battery": 20.0}
    with pytest.raises(ValidationError):
        TELEMETRY.event.validate_json(
            body.replace(b"500", b"20").replace(b":20}", b":500}")
        )


def test_a_batch_is_validated_in_one_call() -> None:
    body = orjson.dumps([SAMPLE, {**SAMPLE, "id": "2"}])

    first, second = TELEMETRY.batch.validate_json(body)

    assert isinstance(first, TelemetryEvent)
    assert (first.id, second.id) == ("1f0c2b7a-000001", "2")


def test_of_a_batch_every_event_that_is_wrong_is_named() -> None:
    wrong = {**SAMPLE, "data": {"battery": 101}}
    body = orjson.dumps([wrong, SAMPLE, {**SAMPLE, "subject": "robot-1"}])

    with pytest.raises(ValidationError) as refused:
        TELEMETRY.batch.validate_json(body)

    assert [error["loc"] for error in refused.value.errors()] == [
        (0, "data", "battery"),
        (2, "subject"),
    ]


def test_a_time_keeps_the_offset_it_was_written_with() -> None:
    event = TELEMETRY.event.validate_json(
        orjson.dumps({**SAMPLE, "time": "2026-03-02T13:47:21+05:30"})
    )

    assert event.time.isoformat() == "2026-03-02T13:47:21+05:30"
    assert event.time == AT


@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9]\D[0-9:]{5,8}(\.[0-9]+)?\S+", fullmatch=True
    )
    | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
)
def test_a_time_that_is_taken_is_read_alike_from_its_text(text: str) -> None:
    try:
        taken = TIME.validate_json(orjson.dumps(text))
    except ValidationError:
        return

    assert datetime.fromisoformat(text) == taken


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "Application/JSON; charset=utf-8", "application/geo+json"],
)
def test_data_may_say_that_it_is_json(media_type: str) -> None:
    event = TELEMETRY.event.validate_json(
        orjson.dumps({**SAMPLE, "datacontenttype": media_type})
    )

    assert event.datacontenttype == media_type


def test_a_message_describes_the_type() -> None:
    retiring = Deprecation(sunset=date(2027, 1, 1), successor="door.opened.v2")

    message = a_type(deprecation=retiring).message()

    assert (message.kind, message.name, message.owner) == (
        "ingested",
        "door.opened.v1",
        "eventflow",
    )
    assert (message.retention_days, message.archived) == (30, False)
    assert (message.sunset, message.successor) == (date(2027, 1, 1), "door.opened.v2")
    assert message.sample == DOOR
    assert set(message.schema["properties"]) == {"metres", "feet"}
    assert set(message.whole["properties"]) == set(DOOR)
