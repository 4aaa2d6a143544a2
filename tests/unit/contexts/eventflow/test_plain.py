"""What is taken in plain form is what its type's model makes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, StringConstraints

from robosure.contexts.eventflow.schemas import SAMPLE, TELEMETRY
from robosure.contexts.eventflow.schemas.plain import (
    PlainForm,
    is_canonical,
    is_utc,
    may_be_plain,
)
from robosure.contexts.eventflow.schemas.telemetry import Moment
from robosure.contexts.eventflow.service import forms
from robosure.contexts.eventflow.service.forms import FORMS, Refusal
from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7
from robosure.platform.streams import Batch
from robosure.platform.streams.ingest import read, written

BATCH = FORMS["application/cloudevents-batch+json"]
BODIES = {
    "application/cloudevents+json": b"%b",
    "application/cloudevents-batch+json": b"[%b]",
    "application/x-ndjson": b"%b\n",
}
RECEIVED = Batch(uuid7(), None, datetime.now(UTC))


def passed_on(taken: Any) -> tuple[Any, ...]:
    """Return an event as whoever reads the stream sees it."""
    (incoming,) = read(written(RECEIVED, 0, [taken]))
    attributes = {**incoming.cloud_event, "time": incoming.event.time}
    # 1 and 1.0, or 0.0 and -0.0, are not the same here.
    return incoming.event.time, json.dumps(attributes, default=str, sort_keys=True)


def plainly(body: bytes, form: forms.Form = BATCH) -> Any:
    return form.read_plain(body)


def carefully(body: bytes) -> Any:
    """Return what the models alone make of an array of events."""
    (event,) = [forms._checked(each) for each in forms.parse_batch(body)]
    return event


def is_the_same(body: bytes) -> bool:
    """Whether a body of one event is plain; if it is, then it means the same."""
    plain = plainly(body)
    if plain is None:
        return False
    (event,) = plain
    careful = carefully(body)
    assert not isinstance(careful, Refusal), careful
    assert passed_on(event) == passed_on(careful)
    (whole,) = forms._batch.validate_json(body)
    assert passed_on(event) == passed_on(forms._taken(whole))
    return True


@pytest.mark.parametrize("media_type", BODIES)
def test_the_sample_is_plain_in_every_form(media_type: str) -> None:
    body = BODIES[media_type] % orjson.dumps(SAMPLE)

    (event,) = plainly(body, FORMS[media_type])

    assert FORMS[media_type].read(body) == [event]
    assert passed_on(event) == passed_on(carefully(orjson.dumps([SAMPLE])))


def with_text(name: str, text: str) -> bytes:
    """Return the sample with something else written for one of its attributes."""
    rest = {key: value for key, value in SAMPLE.items() if key != name}
    return b"[" + orjson.dumps(rest)[:-1] + f',"{name}":{text}}}]'.encode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("id", '"a\\u0000b"'),
        ("id", '"a\\/b"'),
        ("id", '"a\x7fb"'),
        ("id", '"\u00e9"'),
        ("id", '""'),
        ("id", "5"),
        ("id", f'"{"x" * 256}"'),
        ("source", "null"),
        ("specversion", '"0.3"'),
        ("specversion", "1.0"),
        ("type", '"robot.telemetry.v2"'),
        ("datacontenttype", '"text/xml"'),
        ("datacontenttype", "null"),
        ("subject", f'"{str(SAMPLE["subject"]).upper()}"'),
        ("subject", f'"{UUID(str(SAMPLE["subject"])).hex}"'),
        ("subject", f'"urn:uuid:{SAMPLE["subject"]}"'),
        ("subject", '"robot-1"'),
        ("time", "1772439441"),
        ("time", '"1772439441"'),
        ("time", '"2026-03-02"'),
        ("time", '"2026-03-02T08:17:21"'),
        ("time", '"2026-03-02T08:17:21z"'),
        ("time", '"2026-03-02t08:17:21Z"'),
        ("time", '"2026-03-02 08:17:21Z"'),
        ("time", '"2026-03-02T08:17:21+00:00"'),
        ("time", '"2026-03-02T08:17:21+01:00"'),
        ("time", '"2026-03-02T08:17:21.1234567Z"'),
        ("time", '"2026-03-02T08:17:60Z"'),
        ("time", '"2026-03-02T24:00:00Z"'),
        ("time", '"2026-02-29T08:17:21Z"'),
        ("time", '"2026-04-31T08:17:21Z"'),
        ("time", '"1969-12-31T23:59:59Z"'),
        ("time", '"9999-12-31T23:59:59Z"'),
        ("time", '"2026-03-02T08:17:21Z\\n"'),
        ("extension", "1"),
        ("extension", "NaN"),
        ("extension", "[" * 300 + "]" * 300),
        ("data", "null"),
        ("data", "[]"),
        ("data", '{"humidity":20}'),
        ("data", '{"cycle":1.0}'),
        ("data", '{"cycle":1e2}'),
        ("data", '{"cycle":9223372036854775808}'),
        ("data", '{"cycle":-9223372036854775809}'),
        ("data", '{"cycle":true}'),
        ("data", '{"battery":100.0000001}'),
        ("data", '{"battery":-1e-300}'),
        ("data", '{"battery":"50"}'),
        ("data", '{"temperature":-273.16}'),
        ("data", '{"heading":-361}'),
        ("data", '{"speed":1e999}'),
        ("data", '{"speed":NaN}'),
        ("data", '{"speed":-Infinity}'),
        ("data", '{"speed":01}'),
        ("data", '{"speed":1.}'),
        ("data", '{"protective_stop":1}'),
        ("data", '{"joint_speeds":null}'),
        ("data", '{"joint_speeds":[true]}'),
        ("data", "{" + '"joint_speeds":[' + "0," * 128 + "0]}"),
    ],
)
def test_what_is_not_plain_is_judged_by_the_model(name: str, text: str) -> None:
    body = with_text(name, text)

    assert plainly(body) is None


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"cycle":null,"battery":null,"grip_lost":null}',
        '{"cycle":-0,"battery":-0.0,"speed":-0}',
        '{"cycle":9223372036854775807,"battery":100,"heading":-360}',
        '{"cycle":-9223372036854775808,"battery":0}',
        '{"speed":9007199254740993}',
        '{"speed":123456789012345678901234567890}',
        '{"speed":5e-324,"position_x":1.7976931348623157e308}',
        '{"speed":1e-400,"position_x":2.2250738585072011e-308}',
        '{"speed":0.1000000000000000055511151231257827021181583404541015625}',
        '{"speed":1E+5,"speed":2}',
        '{"joint_speeds":[1,null,-2.5e-3]}',
    ],
)
def test_numbers_are_taken_as_the_model_takes_them(text: str) -> None:
    assert is_the_same(with_text("data", text))


_TIMES = st.one_of(
    st.datetimes(timezones=st.just(UTC)).map(
        lambda moment: moment.isoformat().replace("+00:00", "Z")
    ),
    st.from_regex(
        r"\A[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
        r"(\.[0-9]{1,9})?(Z|z|[+-][0-2][0-9]:[0-5][0-9])\Z"
    ),
)
_NUMBERS = st.one_of(
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z"),
    st.sampled_from(["null", "true", "false", '"1"', "[]", "{}", "[1,null,2.5]"]),
)
_READINGS = st.dictionaries(
    st.sampled_from([*TELEMETRY.schema["properties"], "humidity"]), _NUMBERS
).map(lambda all_: "{" + ",".join(f'"{k}":{v}' for k, v in all_.items()) + "}")
_TEXTS = st.one_of(
    st.text(max_size=300), st.text(st.characters(max_codepoint=127), max_size=300)
)


@given(time=_TIMES)
def test_times_are_taken_as_the_model_takes_them(time: str) -> None:
    is_the_same(with_text("time", f'"{time}"'))


@given(data=_READINGS)
def test_readings_are_taken_as_the_model_takes_them(data: str) -> None:
    is_the_same(with_text("data", data))


@given(
    name=st.sampled_from(["id", "source", "datacontenttype", "type", "extension"]),
    text=_TEXTS,
    ascii_only=st.booleans(),
)
def test_texts_are_taken_as_the_model_takes_them(
    name: str, text: str, *, ascii_only: bool
) -> None:
    written_out = json.dumps(text, ensure_ascii=ascii_only)
    try:
        is_the_same(with_text(name, written_out))
    except UnicodeEncodeError:  # half of a pair, which no UTF-8 has
        assert not ascii_only


@given(body=st.binary(max_size=40), at=st.integers(0, 500), cut=st.integers(0, 5))
def test_no_damage_makes_anything_else_of_an_event(
    body: bytes, at: int, cut: int
) -> None:
    whole = orjson.dumps([SAMPLE])
    damaged = whole[:at] + body + whole[at + cut :]
    try:
        same = is_the_same(damaged)
    except Invalid as error:
        pytest.fail(f"plain, but {error}: {damaged!r}")
    except ValueError:  # two events, or none
        return
    assert same or plainly(damaged) is None


def test_one_event_that_is_not_plain_takes_its_body_the_other_way() -> None:
    special = {**SAMPLE, "id": "\u00e9", "time": "2026-03-02T10:17:21.847+02:00"}
    body = orjson.dumps([SAMPLE, special, {}])

    assert plainly(body) is None
    plain, other, refused = BATCH.read(body)

    assert isinstance(refused, Refusal)
    assert not isinstance(plain, Refusal)
    assert not isinstance(other, Refusal)
    assert passed_on(other)[0] == passed_on(plain)[0]
    assert other.id == "\u00e9"


@pytest.mark.parametrize("body", [b"\xc3\xa9", b"\\u0041", b"\x7f"])
def test_a_body_with_escapes_or_more_than_ascii_is_not_plain(body: bytes) -> None:
    assert may_be_plain(b"[]")
    assert not may_be_plain(body)


def test_a_subject_is_canonical_in_one_way() -> None:
    subject = uuid7()

    assert is_canonical(str(subject))
    assert not is_canonical(str(subject).upper())
    assert not is_canonical(subject.hex)
    assert not is_canonical("robot-1")


@pytest.mark.parametrize("name", ["subject", "time"])
def test_what_is_too_long_to_be_plain_is_not_remembered(name: str) -> None:
    before = is_canonical.cache_info().currsize, is_utc.cache_info().currsize

    assert plainly(with_text(name, f'"{"1" * 1_000_000}"')) is None

    assert before == (is_canonical.cache_info().currsize, is_utc.cache_info().currsize)


class Weight(TypedDict):
    grams: Annotated[float, Field(gt=0, lt=10)]
    count: Annotated[int, Field(gt=0, lt=10)]
    names: Annotated[list[str], Field(min_length=1)]


def a_model(**changes: Any) -> type[Any]:
    """Return a model of an event with other types or defaults."""
    hints: dict[str, Any] = {
        "specversion": Literal["1.0"],
        "id": str,
        "source": str,
        "type": Literal["crate.weighed.v1"],
        "subject": UUID,
        "time": Moment,
        "data": Weight,
    }
    return dataclass(type("Weighed", (), {"__annotations__": hints | changes}))


WEIGHED = {
    **{key: SAMPLE[key] for key in ("specversion", "id", "source", "subject", "time")},
    "type": "crate.weighed.v1",
    "data": {"grams": 9.5, "count": 9, "names": ["a"]},
}


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ({}, True),
        ({"grams": 0}, False),
        ({"grams": 10}, False),
        ({"count": 0}, False),
        ({"count": 10}, False),
        ({"names": []}, False),
    ],
)
def test_a_form_is_as_strict_as_its_model(data: dict[str, Any], fits: bool) -> None:
    form = PlainForm(a_model())
    event = {**WEIGHED, "data": WEIGHED["data"] | data}

    taken = form.one(orjson.dumps(event))

    assert (taken is not None) is fits
    if taken is not None:
        assert orjson.loads(msgspec.json.encode(taken)) == event


def test_what_is_required_is_required() -> None:
    form = PlainForm(a_model())

    assert form.one(orjson.dumps({**WEIGHED, "data": {"grams": 1}})) is None


@pytest.mark.parametrize(
    "hint",
    [
        complex,
        Annotated[float, Field(multiple_of=2)],
        Annotated[str, StringConstraints(to_lower=True)],
    ],
)
def test_what_is_not_known_is_an_error_at_the_start(hint: Any) -> None:
    with pytest.raises(TypeError, match="no plain form"):
        PlainForm(a_model(id=hint))
