"""Any JSON, or nearly, sent as events: it is taken in or refused, and never breaks."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile import BATCH, EITHER_WAY, LINES, SINGLE
from tests.support import ApiClient, Delivery

Json = dict[str, Any]

_PROFILE: Final = settings(
    max_examples=150,
    deadline=None,
    # The tables are not emptied between examples; each has a robot of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
_SUBJECTS: Final = ("{}", "urn:uuid:{}", "{{{}}}", "not {}", "")

numbers = (
    st.integers() | st.floats() | st.sampled_from([2**63, -(2**63), 1e308, 5e-324])
)
texts = st.text(max_size=40) | st.sampled_from(["\x00", "\ud7ff", "e\u0301", "1e999"])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    ),
    max_leaves=12,
)
moments = st.datetimes().map(lambda at: f"{at.isoformat()}Z") | texts
readings = st.fixed_dictionaries(
    {},
    optional={
        "speed": numbers | st.none(),
        "battery": numbers,
        "cycle": numbers,
        "protective_stop": st.booleans() | scalars,
        "joint_currents": st.lists(numbers | st.none(), max_size=8),
        "joint_temperatures": st.lists(scalars, max_size=8),
        "unknown": values,
    },
)
attributes = st.fixed_dictionaries(
    {
        "specversion": st.just("1.0") | scalars,
        "id": texts | scalars,
        "source": texts | scalars,
        "type": st.just("robot.telemetry.v1") | scalars,
        "subject": st.sampled_from(_SUBJECTS) | st.just("{}"),
        "time": moments | scalars,
        "data": readings | values,
    },
    optional={"datacontenttype": texts, "extension": values},
)


def good_event(robot: UUID, number: int) -> Json:
    return {
        "specversion": "1.0",
        "id": f"good-{number}",
        "source": f"/gateways/{robot}",
        "type": "robot.telemetry.v1",
        "subject": str(robot),
        "time": "2026-03-02T08:00:00Z",
        "data": {"speed": 0.5},
    }


def about(robot: UUID, event: Json) -> Json:
    return {**event, "subject": event["subject"].format(robot)}


async def processed(api: ApiClient, robot: UUID) -> dict[str, int]:
    answer = await api.as_("admin").get(f"/event-counts?subject={robot}")
    assert answer.status_code == 200
    return {name: answer.json()[name] for name in ("stored", "repeated", "failed")}


@_PROFILE
@given(
    hostile=st.lists(attributes | values, max_size=6),
    good=st.integers(0, 3),
    content_type=st.sampled_from([BATCH, LINES]),
)
async def test_good_events_among_anything_are_stored_and_all_is_accounted_for(
    api: ApiClient,
    deliver: Delivery,
    hostile: list[Any],
    good: int,
    content_type: str,
) -> None:
    # given good events of a robot, with anything before and behind them
    robot = uuid4()
    events = [
        about(robot, event) if isinstance(event, dict) and "subject" in event else event
        for event in hostile
    ]
    events[len(events) // 2 : 0] = [good_event(robot, number) for number in range(good)]
    separator = b"," if content_type == BATCH else b"\n"
    body = separator.join(json.dumps(event).encode() for event in events)
    if content_type == BATCH:
        body = b"[" + body + b"]"
    # when they are sent
    answer = await api.as_("admin").post(
        "/events", content=body, headers={"Content-Type": content_type}
    )
    await deliver()
    # then they are refused together, and nothing is stored
    counts = await processed(api, robot)
    if answer.status_code != 202:
        assert 400 <= answer.status_code < 500, answer.text
        assert sum(counts.values()) == 0
        return
    # or each is answered for, and what was accepted was processed
    receipt = answer.json()
    assert receipt["accepted"] + receipt["refused"] == len(events)
    assert receipt["accepted"] == sum(counts.values())
    assert counts["stored"] >= good


@_PROFILE
@given(
    body=st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()),
    content_type=st.sampled_from([SINGLE, BATCH, LINES, "application/json"]),
)
async def test_any_body_is_answered_and_none_breaks(
    api: ApiClient, body: bytes, content_type: str
) -> None:
    answer = await api.as_("admin").post(
        "/events", content=body, headers={"Content-Type": content_type}
    )
    assert answer.status_code in EITHER_WAY, answer.text
