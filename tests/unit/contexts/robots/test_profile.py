from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from robosure.contexts.robots.domain.profile import (
    Counter,
    Csv,
    Flag,
    Format,
    JointQuantities,
    Numbers,
    ProfileDocument,
    Quantity,
    Readings,
    TimeFormat,
    Timestamp,
    TimeSteps,
    Unit,
)
from robosure.kernel.errors import Invalid

TOOL = Readings(tool_current=Quantity("I", Unit.AMPERE))


def a_document(**fields: Any) -> ProfileDocument:
    defaults: dict[str, Any] = {
        "format": Format.CSV,
        "timestamp": Timestamp("t"),
        "readings": TOOL,
    }
    return ProfileDocument(**{**defaults, **fields})


def faults(**fields: Any) -> set[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        a_document(**fields)
    assert refused.value.code == "invalid_profile"
    errors = refused.value.errors
    assert all(error.detail for error in errors)
    return {(error.field, error.code) for error in errors}


def test_a_complete_profile_is_accepted() -> None:
    readings = Readings(
        joint_currents=JointQuantities(("I0", 2), Unit.MILLIAMPERE),
        joint_temperatures=JointQuantities(("T0",), Unit.KELVIN),
        joint_speeds=JointQuantities(("w0",), Unit.DEG_PER_S),
        tool_current=Quantity("I", Unit.AMPERE),
        cycle=Counter("cycle"),
        protective_stop=Flag("stop", ("1",), ("0",)),
        grip_lost=Flag("lost"),
        battery=Quantity("soc", Unit.RATIO),
        speed=Quantity("v", Unit.KM_PER_H),
    )
    document = a_document(
        readings=readings,
        timestamp=Timestamp(
            "t", TimeFormat.STRPTIME, "%d.%m.%Y %H:%M:%S", "Europe/Berlin"
        ),
        csv=Csv(delimiter="\t", quote=None, encoding="latin-1"),
        numbers=Numbers(",", "."),
    )

    assert list(document.columns())[:3] == [
        ("timestamp.column", "t"),
        ("readings.joint_currents.columns.0", "I0"),
        ("readings.joint_currents.columns.1", 2),
    ]


@pytest.mark.parametrize("timestamp", [TimeSteps(8), TimeSteps(0.001)])
def test_counted_time_needs_no_column(timestamp: TimeSteps) -> None:
    document = a_document(timestamp=timestamp)

    assert list(document.columns()) == [("readings.tool_current.column", "I")]


@pytest.mark.parametrize(
    ("csv", "fault"),
    [
        (Csv(delimiter=""), ("csv.delimiter", "not_a_character")),
        (Csv(delimiter="||"), ("csv.delimiter", "not_a_character")),
        (Csv(delimiter="\n"), ("csv.delimiter", "not_a_character")),
        (Csv(quote=""), ("csv.quote", "not_a_character")),
        (Csv(quote="\r"), ("csv.quote", "not_a_character")),
        (Csv(delimiter=";", quote=";"), ("csv.quote", "not_a_character")),
        (Csv(encoding="klingon"), ("csv.encoding", "unknown_encoding")),
        (Csv(encoding="base64"), ("csv.encoding", "unknown_encoding")),
        (Csv(encoding="\0"), ("csv.encoding", "unknown_encoding")),
    ],
)
def test_the_dialect_must_be_one(csv: Csv, fault: tuple[str, str]) -> None:
    assert faults(csv=csv) == {fault}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (Numbers(";"), {("numbers.decimal_mark", "not_a_decimal_mark")}),
        (Numbers(""), {("numbers.decimal_mark", "not_a_decimal_mark")}),
        (Numbers(".", "#"), {("numbers.thousands_mark", "not_a_thousands_mark")}),
        (Numbers(".", ""), {("numbers.thousands_mark", "not_a_thousands_mark")}),
        (Numbers(",", ","), {("numbers.thousands_mark", "same_as_decimal_mark")}),
    ],
)
def test_number_marks_must_be_marks(
    numbers: Numbers, expected: set[tuple[str, str]]
) -> None:
    assert faults(numbers=numbers) == expected


PATTERN, ZONE = "timestamp.pattern", "timestamp.time_zone"


@pytest.mark.parametrize(
    ("timestamp", "fault"),
    [
        (Timestamp("t", TimeFormat.STRPTIME), (PATTERN, "required")),
        (Timestamp("t", TimeFormat.STRPTIME, ""), (PATTERN, "required")),
        (Timestamp("t", TimeFormat.STRPTIME, "%H:%M"), (PATTERN, "not_a_pattern")),
        (Timestamp("t", TimeFormat.STRPTIME, "%Y %Y"), (PATTERN, "not_a_pattern")),
        (Timestamp("t", TimeFormat.STRPTIME, "%!"), (PATTERN, "not_a_pattern")),
        (Timestamp("t", TimeFormat.ISO8601, "%Y-%m-%d"), (PATTERN, "not_used")),
        (Timestamp("t", time_zone="Mars/Base"), (ZONE, "unknown_time_zone")),
    ],
)
def test_the_timestamp_must_be_readable(
    timestamp: Timestamp, fault: tuple[str, str]
) -> None:
    assert faults(timestamp=timestamp) == {fault}


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        (TimeSteps(0), ("timestamp.step_milliseconds", "out_of_range")),
        (TimeSteps(-8), ("timestamp.step_milliseconds", "out_of_range")),
        (TimeSteps(float("nan")), ("timestamp.step_milliseconds", "out_of_range")),
        (TimeSteps(86_400_001), ("timestamp.step_milliseconds", "out_of_range")),
        (
            TimeSteps(8, datetime(2022, 10, 26)),  # noqa: DTZ001 - the point
            ("timestamp.base", "naive_datetime"),
        ),
    ],
)
def test_steps_are_of_a_sensible_length_from_a_known_moment(
    steps: TimeSteps, fault: tuple[str, str]
) -> None:
    assert faults(timestamp=steps) == {fault}


def test_steps_may_start_at_an_aware_moment() -> None:
    base = datetime(2022, 10, 26, tzinfo=UTC)

    assert a_document(timestamp=TimeSteps(8, base)).timestamp == TimeSteps(8, base)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (Readings(), {("readings", "required")}),
        (
            Readings(tool_current=Quantity("I", Unit.CELSIUS)),
            {("readings.tool_current.unit", "wrong_unit")},
        ),
        (
            Readings(joint_speeds=JointQuantities(("a",), Unit.M_PER_S)),
            {("readings.joint_speeds.unit", "wrong_unit")},
        ),
        (
            Readings(joint_speeds=JointQuantities((), Unit.RAD_PER_S)),
            {("readings.joint_speeds.columns", "wrong_length")},
        ),
        (
            Readings(joint_speeds=JointQuantities(("a",) * 129, Unit.RAD_PER_S)),
            {("readings.joint_speeds.columns", "wrong_length")},
        ),
        (
            Readings(grip_lost=Flag("a", true=())),
            {("readings.grip_lost", "required")},
        ),
        (
            Readings(grip_lost=Flag("a", false=())),
            {("readings.grip_lost", "required")},
        ),
        (
            Readings(grip_lost=Flag("a", true=("1", "x"), false=("x",))),
            {("readings.grip_lost", "ambiguous_word")},
        ),
        (
            Readings(cycle=Counter(-1)),
            {("readings.cycle.column", "out_of_range")},
        ),
    ],
)
def test_readings_must_make_sense(
    readings: Readings, expected: set[tuple[str, str]]
) -> None:
    assert faults(readings=readings) == expected


def test_every_field_at_fault_is_named_at_once() -> None:
    assert faults(
        timestamp=Timestamp("t", time_zone="Mars/Base"),
        readings=Readings(),
        numbers=Numbers("'"),
    ) == {
        ("timestamp.time_zone", "unknown_time_zone"),
        ("readings", "required"),
        ("numbers.decimal_mark", "not_a_decimal_mark"),
    }


def test_without_a_header_columns_are_known_by_position() -> None:
    a_document(
        csv=Csv(header=False),
        timestamp=Timestamp(0),
        readings=Readings(cycle=Counter(3)),
    )

    assert faults(csv=Csv(header=False)) == {
        ("timestamp.column", "no_header"),
        ("readings.tool_current.column", "no_header"),
    }


def test_json_is_read_by_dotted_paths() -> None:
    a_document(
        format=Format.JSON,
        timestamp=Timestamp("head.at"),
        readings=Readings(cycle=Counter("body.0.cycle")),
    )

    assert faults(
        format=Format.JSON,
        timestamp=Timestamp(1),
        readings=Readings(cycle=Counter("a..b")),
    ) == {
        ("timestamp.column", "not_a_path"),
        ("readings.cycle.column", "not_a_path"),
    }
