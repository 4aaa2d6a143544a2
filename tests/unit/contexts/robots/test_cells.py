from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.robots.domain import cells
from robosure.contexts.robots.domain.cells import Refusal
from robosure.contexts.robots.domain.profile import (
    Flag,
    Numbers,
    TimeFormat,
    Timestamp,
    TimeSteps,
    Unit,
)

MISSING = frozenset({"", "NaN"})
POINT, COMMA = Numbers(), Numbers(",")


def refusal(convert: Any, cell: object) -> str:
    with pytest.raises(Refusal) as refused:
        convert(cell)
    return refused.value.code


@pytest.mark.parametrize(
    ("numbers", "text", "expected"),
    [
        (COMMA, "-7,39E-30", -7.39e-30),
        (COMMA, "0,109627604", 0.109627604),
        (COMMA, "32", 32.0),
        (COMMA, "+1,", 1.0),
        (COMMA, ",5", 0.5),
        (POINT, "1e3", 1000.0),
        (Numbers(",", "."), "1.234.567,89", 1234567.89),
        (Numbers(",", "."), "1234,5", 1234.5),
        (Numbers(".", " "), "12 345", 12345.0),
    ],
)
def test_numbers_are_read_as_they_are_spelt(
    numbers: Numbers, text: str, expected: float
) -> None:
    assert cells.number(numbers)(text) == expected


@pytest.mark.parametrize(
    "text",
    ["1.5", " 1", "1 ", "1_000", "nan", "inf", "0x1", "--1", "", ",", "1,2,3", "٣"],
)
def test_what_is_spelt_otherwise_is_no_number(text: str) -> None:
    assert refusal(cells.number(COMMA), text) == "not_a_number"


@pytest.mark.parametrize("text", ["1.23", "1.2345", ".123", "12.34.567"])
def test_thousands_come_in_threes(text: str) -> None:
    assert refusal(cells.number(Numbers(",", ".")), text) == "not_a_number"


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        (POINT, "1x5"),
        (Numbers(",", "."), "1x234,5"),
        (Numbers("."), "1x"),
        (Numbers("."), "x5"),
    ],
)
def test_a_mark_stands_for_itself_and_is_no_pattern(
    numbers: Numbers, text: str
) -> None:
    # unescaped, a point would be any character
    assert refusal(cells.number(numbers), text) == "not_a_number"


@pytest.mark.parametrize("cell", [10**400, -(10**400), "1e999", math.inf])
def test_a_number_is_finite(cell: object) -> None:
    assert refusal(cells.number(POINT), cell) == "not_finite"


@pytest.mark.parametrize("cell", [True, [1], {"a": 1}])
def test_other_json_values_are_no_numbers(cell: object) -> None:
    assert refusal(cells.number(POINT), cell) == "not_a_number"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_written_with_a_comma_is_read_back(value: float) -> None:
    assert cells.number(COMMA)(repr(value).replace(".", ",")) == value


@pytest.mark.parametrize(
    ("unit", "cell", "expected"),
    [
        (Unit.AMPERE, "1.5", 1.5),
        (Unit.MILLIAMPERE, 1500, 1.5),
        (Unit.CELSIUS, "27.875", 27.875),
        (Unit.FAHRENHEIT, "212", 100.0),
        (Unit.KELVIN, "273.15", 0.0),
        (Unit.RAD_PER_S, "0.5", 0.5),
        (Unit.DEG_PER_S, "180", math.pi),
        (Unit.M_PER_S, "2", 2.0),
        (Unit.KM_PER_H, "3.6", 1.0),
        (Unit.PERCENT, "55", 55.0),
        (Unit.RATIO, "0.5", 50.0),
    ],
)
def test_units_become_canonical(unit: Unit, cell: object, expected: float) -> None:
    assert cells.quantity(unit, POINT, MISSING)(cell) == expected


@pytest.mark.parametrize("unit", [Unit.AMPERE, Unit.KELVIN, Unit.RATIO])
@pytest.mark.parametrize("cell", ["", "NaN", None])
def test_a_missing_reading_is_unknown_and_not_zero(unit: Unit, cell: object) -> None:
    assert cells.quantity(unit, POINT, MISSING)(cell) is None


@pytest.mark.parametrize(
    ("unit", "cell"),
    [(Unit.PERCENT, "100.1"), (Unit.PERCENT, "-1"), (Unit.RATIO, "1.01")],
)
def test_a_share_is_from_nothing_to_all(unit: Unit, cell: object) -> None:
    assert refusal(cells.quantity(unit, POINT, MISSING), cell) == "out_of_range"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("31", 31), ("31,0", 31), (31, 31), (31.0, 31), ("", None), (None, None)],
)
def test_a_counter_is_a_whole_number(cell: object, expected: int | None) -> None:
    assert cells.counter(COMMA, MISSING)(cell) == expected


@pytest.mark.parametrize("cell", ["1,5", "1e300", 2**64])
def test_a_counter_takes_no_fraction_and_no_more_than_64_bits(cell: object) -> None:
    assert refusal(cells.counter(COMMA, MISSING), cell) == "not_an_integer"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("True", True),
        ("False", False),
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("", None),
        (None, None),
    ],
)
def test_a_flag_knows_its_words(cell: object, expected: bool | None) -> None:
    words = Flag("stop", true=("True", "1"), false=("False", "0"))

    assert cells.flag(words, MISSING)(cell) is expected


@pytest.mark.parametrize("cell", ["true", "yes", 2])
def test_a_flag_knows_no_other_words(cell: object) -> None:
    words = Flag("stop", true=("True",), false=("False",))

    assert refusal(cells.flag(words, MISSING), cell) == "not_a_boolean"


AT = datetime(2022, 10, 26, 8, 17, 21, 847000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timestamp", "cell", "expected"),
    [
        (Timestamp("t"), "2022-10-26T08:17:21.847Z", AT),
        (Timestamp("t"), "2022-10-26T10:17:21.847+02:00", AT),
        (Timestamp("t", time_zone="Europe/Oslo"), "2022-10-26 10:17:21.847", AT),
        (Timestamp("t", TimeFormat.EPOCH_SECONDS), "1666772241.847", AT),
        (Timestamp("t", TimeFormat.EPOCH_SECONDS), 1666772241.847, AT),
        (Timestamp("t", TimeFormat.EPOCH_MILLISECONDS), 1666772241847, AT),
        (
            Timestamp("t", TimeFormat.STRPTIME, "%d.%m.%Y %H:%M:%S.%f", "UTC"),
            "26.10.2022 08:17:21.847",
            AT,
        ),
        (
            Timestamp("t", TimeFormat.STRPTIME, "%Y-%m-%d %H:%M:%S%z"),
            "2022-10-26 10:17:21+0200",
            AT.replace(microsecond=0),
        ),
        (
            Timestamp("t", TimeFormat.STRPTIME, "%Y%m%d%H%M%S", "UTC"),
            20221026081721,
            AT.replace(microsecond=0),
        ),
        # The hour that an autumn's clock shows twice is the first of the two.
        (
            Timestamp("t", time_zone="Europe/Oslo"),
            "2022-10-30T02:30:00",
            datetime(2022, 10, 30, 0, 30, tzinfo=UTC),
        ),
    ],
)
def test_moments_are_read_in_utc(
    timestamp: Timestamp, cell: object, expected: datetime
) -> None:
    assert cells.moment(timestamp, POINT, MISSING)(cell) == expected


@pytest.mark.parametrize(
    ("timestamp", "cell", "code"),
    [
        (Timestamp("t"), "2022-10-26T08:17:21", "naive_timestamp"),
        (Timestamp("t"), "26.10.2022", "not_a_timestamp"),
        (Timestamp("t"), 20221026, "not_a_timestamp"),
        (Timestamp("t"), "0001-01-01T00:00:00+14:00", "not_a_timestamp"),
        (Timestamp("t"), "", "missing_timestamp"),
        (Timestamp("t"), None, "missing_timestamp"),
        (Timestamp("t", TimeFormat.EPOCH_SECONDS), "1e300", "not_a_timestamp"),
        (Timestamp("t", TimeFormat.EPOCH_SECONDS), "now", "not_a_number"),
        (
            Timestamp("t", TimeFormat.STRPTIME, "%Y-%m-%d", "UTC"),
            "2022/10/26",
            "not_a_timestamp",
        ),
    ],
)
def test_what_is_no_moment_is_refused(
    timestamp: Timestamp, cell: object, code: str
) -> None:
    assert refusal(cells.moment(timestamp, POINT, MISSING), cell) == code


def test_steps_are_counted_without_drifting() -> None:
    at = cells.steps(TimeSteps(1000 / 3), AT)

    assert at(0) == AT
    assert at(3_000_000) == datetime(2022, 11, 6, 22, 4, 1, 847000, tzinfo=UTC)


def test_steps_end_with_the_calendar() -> None:
    assert refusal(cells.steps(TimeSteps(86_400_000), AT), 10**12) == "not_a_timestamp"


def test_a_refusal_reads_as_a_sentence() -> None:
    refused = Refusal("not_a_number", "x" * 100)
    assert str(refused) == f"not a number: '{'x' * 60}'"

    refused.column = "cycle "
    assert str(refused) == f"not a number: '{'x' * 60}' in column 'cycle '"
    assert str(Refusal("missing_field")) == "missing field"
