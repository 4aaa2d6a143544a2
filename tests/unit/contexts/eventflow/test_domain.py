from __future__ import annotations

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robosure.contexts.eventflow.domain import Evidence, Extraction, StoredEvent
from robosure.contexts.eventflow.events import TELEMETRY_TYPE, TelemetryExtracted
from robosure.kernel.errors import InvalidState
from robosure.kernel.ids import uuid7

ROBOT = uuid7()
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def an_event(
    id_: str, *, seconds: float = 0, source: str = "/cell/1", **data: Any
) -> StoredEvent:
    at = AT + timedelta(seconds=seconds)
    return StoredEvent(source, id_, TELEMETRY_TYPE, ROBOT, at, data)


def lines_of(evidence: Evidence) -> list[Any]:
    text = gzip.decompress(evidence.content).decode()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_evidence_is_one_cloud_event_per_line_by_time_and_id() -> None:
    later, b, a = an_event("a", seconds=1), an_event("b"), an_event("a", speed=0.5)

    evidence = Evidence.of([later, b, a])

    assert evidence.samples == 3
    assert [line["id"] for line in lines_of(evidence)] == ["a", "b", "a"]
    assert lines_of(evidence)[0] == {
        "specversion": "1.0",
        "id": "a",
        "source": "/cell/1",
        "type": "robot.telemetry.v1",
        "subject": str(ROBOT),
        "time": "2026-03-02T08:00:00Z",
        "datacontenttype": "application/json",
        "data": {"speed": 0.5},
    }


def test_evidence_counts_what_is_known_to_have_happened() -> None:
    evidence = Evidence.of(
        [
            an_event("a", protective_stop=True, grip_lost=False),
            an_event("b", protective_stop=True, grip_lost=True),
            an_event("c", protective_stop=None, grip_lost=None),
            an_event("d"),
        ]
    )

    assert evidence.protective_stop_samples == 2
    assert evidence.grip_loss_samples == 1


def test_no_events_are_evidence_too() -> None:
    evidence = Evidence.of([])

    assert evidence.samples == 0
    assert lines_of(evidence) == []


@given(st.permutations([an_event(str(n), seconds=n % 3) for n in range(6)]))
def test_the_same_events_give_the_same_bytes(events: list[StoredEvent]) -> None:
    assert Evidence.of(events) == Evidence.of(sorted(events, key=lambda e: e.id))


def test_times_are_written_in_utc() -> None:
    oslo = timezone(timedelta(hours=1))
    event = replace(an_event("a"), time=AT.astimezone(oslo))

    assert event.as_cloud_event()["time"] == "2026-03-02T08:00:00Z"


def an_extraction(*, at: datetime) -> Extraction:
    return Extraction.request(
        uuid7(),
        claim_id=uuid7(),
        robot_id=ROBOT,
        window_start=AT,
        window_end=AT + timedelta(minutes=20),
        at=at,
    )


def test_a_window_of_the_past_is_due_at_once() -> None:
    now = AT + timedelta(days=1)

    assert an_extraction(at=now).due_at == now


def test_a_window_that_is_not_over_is_due_when_it_has_settled() -> None:
    assert an_extraction(at=AT).due_at == AT + timedelta(minutes=21)


def test_completing_tells_what_was_frozen() -> None:
    now = AT + timedelta(days=1)
    extraction = an_extraction(at=now)
    evidence = Evidence.of([an_event("a", protective_stop=True)])

    extraction.complete(evidence, sha256="ab", at=now)

    assert extraction.done_at == now
    assert extraction.pending_events == [
        TelemetryExtracted(
            request_id=extraction.id,
            robot_id=ROBOT,
            window_start=AT,
            window_end=AT + timedelta(minutes=20),
            samples=1,
            protective_stop_samples=1,
            grip_loss_samples=0,
            file_key=f"evidence/{extraction.id}.ndjson.gz",
            sha256="ab",
        )
    ]


def test_evidence_is_frozen_once_and_not_before_it_is_due() -> None:
    extraction = an_extraction(at=AT)
    evidence = Evidence.of([])

    with pytest.raises(InvalidState, match="extraction not due"):
        extraction.complete(evidence, sha256="ab", at=extraction.due_at - timedelta(1))
    assert extraction.done_at is None

    extraction.complete(evidence, sha256="ab", at=extraction.due_at)
    with pytest.raises(InvalidState, match="extraction not due"):
        extraction.complete(evidence, sha256="ab", at=extraction.due_at)
    assert len(extraction.pending_events) == 1
