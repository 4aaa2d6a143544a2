from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from robosure.contexts.eventflow.events import Telemetry
from robosure.contexts.robots.domain.mapping import Mapped, Mapper, compiled
from robosure.contexts.robots.domain.profile import (
    Counter,
    Csv,
    Flag,
    Format,
    JointQuantities,
    Json,
    Numbers,
    ProfileDocument,
    Quantity,
    Readings,
    TimeFormat,
    Timestamp,
    TimeSteps,
    Unit,
)
from robosure.contexts.robots.schemas.profiles import ProfileIn, shipped_profiles
from robosure.kernel.errors import DomainError, Invalid, TooLarge
from tests.real_data import ur3_file

HEADER = "Time;I0;I1;cycle ;stop\n"
ROW = "2022-10-26T08:17:21Z;1,5;-2E-3;7;True\n"
CSV = ProfileDocument(
    format=Format.CSV,
    csv=Csv(delimiter=";"),
    numbers=Numbers(","),
    timestamp=Timestamp("Time"),
    readings=Readings(
        joint_currents=JointQuantities(("I0", "I1"), Unit.AMPERE),
        cycle=Counter("cycle "),
        protective_stop=Flag("stop", ("True",), ("False",)),
    ),
)
JSON = ProfileDocument(
    format=Format.JSON,
    timestamp=Timestamp("head.at", TimeFormat.EPOCH_MILLISECONDS),
    readings=Readings(
        joint_currents=JointQuantities(("joints.0.i", "joints.1.i"), Unit.MILLIAMPERE),
        battery=Quantity("soc", Unit.RATIO),
        grip_lost=Flag("lost"),
    ),
)
OBJECT: dict[str, Any] = {
    "head": {"at": 1666772241000},
    "joints": [{"i": 1500}, {"i": None}],
    "soc": 0.5,
    "lost": False,
}
AT = datetime(2022, 10, 26, 8, 17, 21, tzinfo=UTC)


def read(document: ProfileDocument, body: str | bytes, **how: Any) -> Mapped:
    content = body.encode() if isinstance(body, str) else body
    return Mapper(document).read(content, **how)


def codes(mapped: Mapped) -> list[tuple[int, str]]:
    return [(problem.row, problem.code) for problem in mapped.problems]


def refused(document: ProfileDocument, body: str | bytes, **how: Any) -> DomainError:
    with pytest.raises(DomainError) as raised:
        read(document, body, **how)
    return raised.value


def test_a_csv_row_becomes_a_sample() -> None:
    (sample,) = read(CSV, HEADER + ROW).samples

    assert sample.row == 0
    assert sample.time == AT
    assert sample.data == {
        "joint_currents": [1.5, -0.002],
        "cycle": 7,
        "protective_stop": True,
    }


def test_the_event_id_is_a_digest_of_the_moment_and_the_raw_values() -> None:
    (sample,) = read(CSV, HEADER + ROW).samples

    canonical = (
        '["2022-10-26T08:17:21+00:00",'
        '["2022-10-26T08:17:21Z","1,5","-2E-3","7","True"]]'
    )
    assert sample.event_id == hashlib.sha256(canonical.encode()).hexdigest()


def test_the_same_row_is_the_same_event_wherever_it_stands() -> None:
    alone = read(CSV, HEADER + ROW)
    later = read(CSV, HEADER + ROW.replace("7;", "8;") + ROW, first_row=500)

    assert [sample.row for sample in later.samples] == [500, 501]
    assert later.samples[1].event_id == alone.samples[0].event_id
    assert later.samples[0].event_id != alone.samples[0].event_id


def test_a_bad_row_is_refused_alone_with_its_column() -> None:
    bad = "2022-10-26T08:17:22Z;1.5;1;7;True\n"
    short = "2022-10-26T08:17:22Z;1,5\n"
    mapped = read(CSV, HEADER + bad + ROW + short + "\n")

    assert [sample.row for sample in mapped.samples] == [1]
    assert codes(mapped) == [
        (0, "not_a_number"),
        (2, "wrong_field_count"),
        (3, "wrong_field_count"),
    ]
    assert mapped.problems[0].detail == "not a number: '1.5' in column 'I0'"


def test_a_header_alone_is_no_row() -> None:
    assert read(CSV, HEADER) == Mapped([], [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "missing_header"),
        (HEADER.replace("cycle ", "cycle"), "missing_column"),
        (HEADER.replace("I1", "I0"), "ambiguous_column"),
        (HEADER.replace("stop", "Time"), "ambiguous_column"),
        (HEADER.encode() + b"\xff", "undecodable_body"),
        (HEADER + '2022;"1', "malformed_csv"),
    ],
)
def test_a_csv_body_of_another_shape_is_refused_as_a_whole(
    body: str | bytes, code: str
) -> None:
    assert refused(CSV, body).code == code


def test_columns_may_be_known_by_position_under_a_header() -> None:
    document = ProfileDocument(
        format=Format.CSV,
        timestamp=Timestamp(0),
        readings=Readings(cycle=Counter(2)),
    )

    (sample,) = read(document, "a,,\n2022-10-26T08:17:21Z,x,4\n").samples

    assert sample.data == {"cycle": 4}
    assert refused(document, "a,b\n").code == "missing_column"


def test_without_a_header_rows_must_reach_as_far_as_the_columns() -> None:
    document = ProfileDocument(
        format=Format.CSV,
        csv=Csv(header=False, quote=None),
        timestamp=Timestamp(0),
        readings=Readings(cycle=Counter(1)),
    )

    mapped = read(document, "2022-10-26T08:17:21Z,4,more\n2022-10-26T08:17:21Z\n")

    assert [sample.data for sample in mapped.samples] == [{"cycle": 4}]
    assert codes(mapped) == [(1, "wrong_field_count")]


def test_quoted_fields_may_hold_the_delimiter_and_line_ends() -> None:
    document = ProfileDocument(
        format=Format.CSV,
        timestamp=Timestamp("t"),
        readings=Readings(grip_lost=Flag("lost", true=("a,\r\nb",))),
    )

    body = 't,lost\r\n2022-10-26T08:17:21Z,"a,\r\nb"\r\n'

    assert read(document, body).samples[0].data == {"grip_lost": True}


def test_no_more_than_a_thousand_rows_are_read_at_once() -> None:
    assert len(read(CSV, HEADER + ROW * 1000).samples) == 1000

    error = refused(CSV, HEADER + ROW * 1001)
    assert isinstance(error, TooLarge)
    assert error.code == "too_many_rows"


def test_json_is_read_by_paths() -> None:
    (sample,) = read(JSON, json.dumps([OBJECT])).samples

    assert sample.time == AT
    assert sample.data == {
        "joint_currents": [1.5, None],
        "battery": 50.0,
        "grip_lost": False,
    }


def test_json_may_come_as_one_object_an_array_or_lines() -> None:
    text = json.dumps(OBJECT)

    one = read(JSON, text)
    assert read(JSON, f"[{text}]") == one
    assert read(JSON, f"{text}\n\n", lines=True) == one


def test_the_order_of_an_objects_fields_makes_no_other_event() -> None:
    turned = dict(reversed(OBJECT.items()))

    assert read(JSON, json.dumps(turned)) == read(JSON, json.dumps(OBJECT))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"head": {}}, "missing_field"),
        ({"head": None}, "missing_field"),
        ({"joints": [{"i": 1}]}, "missing_field"),
        ({"joints": {"0": {"i": 1}, "one": {}}}, "missing_field"),
        ({"soc": [0.5]}, "not_a_value"),
        ({"soc": {"value": 0.5}}, "not_a_value"),
        ({"soc": True}, "not_a_number"),
        ({"lost": "no"}, "not_a_boolean"),
    ],
)
def test_a_json_row_of_another_shape_is_refused(
    changes: dict[str, Any], code: str
) -> None:
    assert codes(read(JSON, json.dumps({**OBJECT, **changes}))) == [(0, code)]


def test_absent_fields_may_be_missing_readings() -> None:
    document = ProfileDocument(
        format=Format.JSON,
        json=Json(absent_is_missing=True),
        timestamp=JSON.timestamp,
        readings=JSON.readings,
    )

    mapped = read(document, json.dumps([{"head": OBJECT["head"]}, {}]))

    assert [sample.data for sample in mapped.samples] == [
        {"joint_currents": [None, None], "battery": None, "grip_lost": None}
    ]
    assert codes(mapped) == [(1, "missing_timestamp")]


def test_bad_lines_are_refused_alone() -> None:
    body = f'{json.dumps(OBJECT)}\n{{"head":\n[1]\n{{"soc": NaN}}'

    mapped = read(JSON, body, lines=True)

    assert [sample.row for sample in mapped.samples] == [0]
    assert codes(mapped) == [
        (1, "malformed_json"),
        (2, "not_an_object"),
        (3, "malformed_json"),
    ]


@pytest.mark.parametrize("body", ["", "{", "[NaN]", "[" * 100_000, "9" * 5000])
def test_a_body_that_is_no_json_is_refused_as_a_whole(body: str) -> None:
    assert refused(JSON, body).code == "malformed_json"


STEPS = ProfileDocument(
    format=Format.CSV,
    timestamp=TimeSteps(8, AT),
    readings=Readings(cycle=Counter("n")),
)


def test_time_may_be_counted_from_a_base() -> None:
    mapped = read(STEPS, "n\n1\n2\n", first_row=125)

    assert [sample.time for sample in mapped.samples] == [
        datetime(2022, 10, 26, 8, 17, 22, tzinfo=UTC),
        datetime(2022, 10, 26, 8, 17, 22, 8000, tzinfo=UTC),
    ]


def test_a_start_that_comes_with_the_upload_stands_before_the_base() -> None:
    start = datetime(2024, 2, 29, tzinfo=UTC)

    assert read(STEPS, "n\n1\n", start=start).samples[0].time == start


def test_something_must_tell_when_row_zero_was() -> None:
    document = ProfileDocument(
        format=Format.CSV, timestamp=TimeSteps(8), readings=STEPS.readings
    )

    error = refused(document, "n\n1\n")
    assert isinstance(error, Invalid)
    assert error.code == "start_required"


def test_a_profile_is_compiled_once() -> None:
    assert compiled(CSV) is compiled(CSV)


# --- the profile that ships -----------------------------------------------------------


def test_the_shipped_profile_reads_the_ur3_file_as_it_is() -> None:
    # given the file of 7,409 rows, and the profile that ships
    (text,) = shipped_profiles()
    profile = ProfileIn.model_validate_json(text)
    header, *lines = ur3_file().read_bytes().splitlines(keepends=True)

    # when it is read in parts of 1,000 rows
    parts = [
        compiled(profile.document.to_domain()).read(
            header + b"".join(lines[first : first + 1000]), first_row=first
        )
        for first in range(0, len(lines), 1000)
    ]
    samples = [sample for part in parts for sample in part.samples]

    # then every row is a sample of its own, in order, and only 54 are incomplete
    assert profile.name == "ur3-cobotops"
    assert [part.problems for part in parts] == [[]] * 8
    assert len(samples) == len({sample.event_id for sample in samples}) == 7409
    assert all(a.time < b.time for a, b in pairwise(samples))
    assert samples[0].time == datetime(2022, 10, 26, 8, 17, 21, 847000, tzinfo=UTC)
    assert samples[-1].time == datetime(2022, 10, 26, 15, 36, 6, 580000, tzinfo=UTC)
    read_back = [Telemetry(**sample.data) for sample in samples]
    incomplete = [
        t
        for t in read_back
        if None in (*t.joint_currents, *t.joint_temperatures, t.tool_current)
    ]
    assert len(incomplete) == 54
    assert all(t.protective_stop is None for t in incomplete)
    assert sum(t.protective_stop is True for t in read_back) == 278
    assert sum(t.grip_lost is True for t in read_back) == 243
    assert read_back[1].joint_speeds[0] == -7.39e-30
    assert all(len(t.joint_currents) == 6 for t in read_back)
