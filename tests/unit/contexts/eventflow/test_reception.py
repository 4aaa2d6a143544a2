from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest

from robosure.contexts.eventflow.schemas import SAMPLE, TELEMETRY
from robosure.contexts.eventflow.service import forms
from robosure.contexts.eventflow.service.forms import (
    FORMS,
    NOT_JSON,
    Refusal,
    parse_batch,
    parse_lines,
    parse_one,
)
from robosure.contexts.eventflow.service.voice import (
    REMEMBERED,
    RememberedRobots,
    Voice,
    own_source,
)
from robosure.kernel.errors import Invalid, Malformed, TooLarge
from robosure.kernel.ids import uuid7
from tests.support import FixedClock

SUBJECT = UUID(str(SAMPLE["subject"]))
OWN = own_source(SUBJECT)
PLAIN = TELEMETRY.plain.one(orjson.dumps(SAMPLE))


def verdict(event: Any) -> Refusal:
    checked = forms._checked(event)
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
    event = forms._checked(SAMPLE)

    assert not isinstance(event, Refusal)
    assert event.subject == str(SUBJECT)


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
    event = forms._checked({**SAMPLE, **changes})
    assert not isinstance(event, Refusal)
    return event


def test_a_refusal_is_short_however_long_what_it_is_about() -> None:
    of_the_id = verdict({**SAMPLE, "id": "i" * 7_000_000})
    of_a_name = verdict({**SAMPLE, "data": {"k" * 7_000_000: 1}})

    assert of_the_id.id == "i" * 255
    assert len(of_a_name.detail) < 400


def test_one_speaks_for_known_robots_only() -> None:
    assert (
        Voice(frozenset({str(SUBJECT)}), "robot_not_known").objection(an_event(), OWN)
        is None
    )

    objection = Voice(frozenset({str(uuid7())}), "robot_not_known").objection(
        an_event(), OWN
    )
    assert objection is not None
    assert objection.code == "robot_not_known"


def test_an_insurer_speaks_for_all() -> None:
    assert Voice(None, "").objection(an_event(), OWN) is None


def test_an_event_does_not_take_another_robots_name() -> None:
    everyone = Voice(None, "")

    assert everyone.objection(an_event(source=f"/robots/{SUBJECT}"), OWN) is None
    objection = everyone.objection(an_event(source=f"/robots/{uuid7()}"), OWN)
    assert objection is not None
    assert objection.code == "source_of_another_robot"


@pytest.mark.parametrize(
    ("raw", "id_"), [({"id": "a"}, "a"), ({"id": 1}, None), ("text", None)]
)
def test_a_refusal_names_the_event_if_it_has_a_name(raw: Any, id_: str | None) -> None:
    assert verdict(raw).id == id_


BATCH = FORMS["application/cloudevents-batch+json"]
LINES = FORMS["application/x-ndjson"]
ONE = FORMS["application/cloudevents+json"]


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (ONE, orjson.dumps(SAMPLE)),
        (BATCH, orjson.dumps([SAMPLE])),
        (LINES, orjson.dumps(SAMPLE) + b"\r\n\n"),
    ],
)
def test_a_body_read_as_a_whole_says_what_its_events_say_alone(
    form: forms.Form, body: bytes
) -> None:
    assert form.read(body) == [PLAIN]
    escaped = body.replace(b"controller", b"\\u0063ontroller")
    assert form.read(escaped) == [forms._checked(SAMPLE)]


def test_one_bad_event_is_refused_and_the_rest_of_its_body_is_read() -> None:
    good, bad, last = BATCH.read(orjson.dumps([SAMPLE, {}, SAMPLE]))

    assert good == last == forms._checked(SAMPLE)
    assert bad == Refusal("missing_attribute", "type: Field required")


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (LINES, b""),
        (LINES, b" \n"),
        (BATCH, b'[{"extension": NaN}]'),
        (BATCH, b"[" + orjson.dumps(SAMPLE)[:-1] + b',"extension":Infinity}]'),
        (ONE, orjson.dumps(SAMPLE)[:-1] + b',"extension":-Infinity}'),
        # Together these lines would be two events; alone neither is any.
        (LINES, orjson.dumps([SAMPLE, SAMPLE])[1:-1].replace(b',"type"', b',\n"type"')),
    ],
)
def test_what_is_no_json_is_refused_in_every_form(
    form: forms.Form, body: bytes
) -> None:
    with pytest.raises(Malformed):
        form.read(body)


@pytest.mark.parametrize("form", [BATCH, LINES])
def test_too_many_events_are_refused_as_a_whole(form: forms.Form) -> None:
    one = orjson.dumps(SAMPLE)
    for event in (one, b"{}"):
        lines = [event] * 1001
        joined = b"[" + b",".join(lines) + b"]" if form is BATCH else b"\n".join(lines)
        with pytest.raises(TooLarge):
            form.read(joined)
    whole = [one] * 1000
    joined = b"[" + b",".join(whole) + b"]" if form is BATCH else b"\n".join(whole)
    assert len(form.read(joined)) == 1000


@dataclass
class Registry:
    """Robots of one organisation, and what it was asked."""

    robots: set[str]
    asked: list[set[str]] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def of(
        self, organisation_id: UUID, *, among: Collection[UUID]
    ) -> frozenset[UUID]:
        ids = set(map(str, among))
        self.asked.append(ids)
        if self.gate is not None:
            await self.gate.wait()
        return frozenset(map(UUID, self.robots & ids))


def robot_ids(count: int) -> list[str]:
    return [str(uuid7()) for _ in range(count)]


async def test_a_known_robot_is_looked_up_again_after_ten_seconds() -> None:
    # given a robot that was looked up, and again while it was remembered
    owner, clock = uuid7(), FixedClock()
    (robot,) = robot_ids(1)
    registry = Registry({robot})
    robots = RememberedRobots(registry, clock)
    assert await robots.of(owner, among={robot}) == {robot}
    clock.advance(0.8 * REMEMBERED)
    assert await robots.of(owner, among={robot}) == {robot}
    assert len(registry.asked) == 2
    # when it changes hands, then it is still the owner's for less than ten seconds
    registry.robots.clear()
    clock.advance(0.8 * REMEMBERED - timedelta(microseconds=1))
    assert await robots.of(owner, among={robot}) == {robot}
    assert len(registry.asked) == 2
    clock.advance(0.2 * REMEMBERED + timedelta(microseconds=1))
    assert await robots.of(owner, among={robot}) == frozenset()
    assert timedelta(seconds=10) == REMEMBERED


async def test_robots_are_at_hand_while_nobody_has_to_be_asked_for_them() -> None:
    # given an owner of two robots, of whom one was looked up
    owner, clock = uuid7(), FixedClock()
    one, other = robot_ids(2)
    registry = Registry({one, other})
    robots = RememberedRobots(registry, clock)
    assert robots.at_hand(owner, now=clock.now()) is None
    await robots.of(owner, among={one})
    assert robots.at_hand(owner, now=clock.now()) == frozenset({one})
    assert robots.at_hand(uuid7(), now=clock.now()) is None
    # when it should be looked up again, then it is at hand once somebody does
    clock.advance(0.8 * REMEMBERED)
    assert robots.at_hand(owner, now=clock.now()) is None
    registry.gate = asyncio.Event()
    renewing = asyncio.create_task(robots.of(owner, among={one}))
    await asyncio.sleep(0)
    assert robots.at_hand(owner, now=clock.now()) == frozenset({one})
    # and not for longer than it is remembered
    clock.advance(0.2 * REMEMBERED)
    assert robots.at_hand(owner, now=clock.now()) is None
    registry.gate.set()
    await renewing
    assert robots.at_hand(owner, now=clock.now()) == frozenset({one})


async def test_nobody_is_asked_about_no_robots() -> None:
    registry = Registry(set())
    robots = RememberedRobots(registry, FixedClock())
    assert await robots.of(uuid7(), among=set()) == frozenset()
    assert registry.asked == []


async def test_robots_are_looked_up_again_all_at_once_by_one_who_asks() -> None:
    # given two robots that were looked up one by one
    owner, clock = uuid7(), FixedClock()
    one, other, new = robot_ids(3)
    registry = Registry({one, other, new})
    robots = RememberedRobots(registry, clock)
    for robot in (one, other):
        await robots.of(owner, among={robot})
    # when two requests come shortly before they would be forgotten
    clock.advance(0.8 * REMEMBERED)
    registry.gate = asyncio.Event()
    first = asyncio.create_task(robots.of(owner, among={one, new}))
    await asyncio.sleep(0)
    assert await robots.of(owner, among={other}) == {one, other}
    registry.gate.set()
    # then only the first asked, for all of them
    assert await first == {one, other, new}
    assert registry.asked == [{one}, {other}, {one, other, new}]
    # and from then they are remembered
    clock.advance(0.8 * REMEMBERED - timedelta(microseconds=1))
    assert await robots.of(owner, among={one, other, new}) == {one, other, new}
    assert len(registry.asked) == 3


async def test_whoever_fails_to_look_up_again_leaves_it_to_the_next() -> None:
    # given a robot that is to be looked up again, by one who gives up
    owner, clock = uuid7(), FixedClock()
    (robot,) = robot_ids(1)
    registry = Registry({robot})
    robots = RememberedRobots(registry, clock)
    await robots.of(owner, among={robot})
    clock.advance(0.8 * REMEMBERED)
    registry.gate = asyncio.Event()
    first = asyncio.create_task(robots.of(owner, among={robot}))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    # then the next does
    registry.gate.set()
    assert await robots.of(owner, among={robot}) == {robot}
    assert len(registry.asked) == 3


async def test_what_several_find_at_a_time_is_all_remembered() -> None:
    # given an owner of whom one robot is known
    owner, clock = uuid7(), FixedClock()
    old, one, other = robot_ids(3)
    registry = Registry({old, one, other})
    robots = RememberedRobots(registry, clock)
    await robots.of(owner, among={old})
    # when two others are looked up at the same time
    registry.gate = asyncio.Event()
    asking = [asyncio.create_task(robots.of(owner, among={r})) for r in (one, other)]
    await asyncio.sleep(0)
    registry.gate.set()
    await asyncio.gather(*asking)
    # then all are known
    assert await robots.of(owner, among={old, one, other}) == {old, one, other}
    assert len(registry.asked) == 3


async def test_a_robot_that_is_registered_just_now_counts_at_once() -> None:
    # given an owner of one robot, who was refused for another
    owner = uuid7()
    old, new = robot_ids(2)
    registry = Registry({old})
    robots = RememberedRobots(registry, FixedClock())
    assert await robots.of(owner, among={old, new}) == {old}
    # when that is registered
    registry.robots.add(new)
    # then it is known, and the other was not asked for again
    assert await robots.of(owner, among={old, new}) == {old, new}
    assert registry.asked == [{old, new}, {new}]


async def test_what_is_one_owners_is_not_anothers() -> None:
    (robot,) = robot_ids(1)
    registry = Registry({robot})
    robots = RememberedRobots(registry, FixedClock())
    await robots.of(uuid7(), among={robot})
    registry.robots.clear()
    assert await robots.of(uuid7(), among={robot}) == frozenset()


async def test_no_more_robots_are_remembered_than_there_is_room_for() -> None:
    # given room for three, and two of one owner
    ids = robot_ids(4)
    registry = Registry(set(ids))
    first, second = set(ids[:2]), set(ids[2:])
    robots = RememberedRobots(registry, FixedClock(), most=3)
    one, other = uuid7(), uuid7()
    await robots.of(one, among=first)
    # when two of another come
    await robots.of(other, among=second)
    # then the first make room
    await robots.of(other, among=second)
    await robots.of(one, among=first)
    assert registry.asked == [first, second, first]


@pytest.mark.parametrize(
    ("media_type", "body", "code"),
    [
        ("application/x-ndjson", b"x\n" * 2_001, "too_many_events"),
        (
            "application/cloudevents-batch+json",
            b"[" + b"0," * 600_001 + b"0]",
            "too_many_values",
        ),
    ],
)
def test_a_body_of_nothing_but_punctuation_is_refused_unread(
    media_type: str, body: bytes, code: str
) -> None:
    with pytest.raises(TooLarge) as refused:
        forms.FORMS[media_type].read(body)
    assert refused.value.code == code
