"""What receivers read: documented, and without what is nobody's business."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from robosure.contexts.notifications.domain import EventType
from robosure.contexts.notifications.queries import event_types
from robosure.contexts.notifications.schemas.facts import TOLD, WebhookMessage
from robosure.contexts.risk.events import RobotScored
from robosure.contexts.robots.events import RobotRegistered
from robosure.kernel.ids import uuid7
from tests.unit.contexts.notifications.test_templates import BOUND, DECLINED, REPORTED
from tests.unit.contexts.payments.factories import eur

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_the_whole_body_of_a_webhook() -> None:
    body = WebhookMessage.body_of(EventType.CLAIM_REPORTED, REPORTED, at=NOON)
    assert json.loads(body) == {
        "type": "claim.reported",
        "timestamp": "2026-03-02T12:00:00Z",
        "data": {
            "claim_id": str(REPORTED.claim_id),
            "number": "CLM-2026-000007",
            "policy_number": "POL-2026-000042",
            "insurer_id": str(REPORTED.insurer_id),
            "holder_id": str(REPORTED.holder_id),
            "policy_id": str(REPORTED.policy_id),
            "robot_id": str(REPORTED.robot_id),
            "incident_type": "collision",
            "incident_at": "2026-03-02T12:00:00Z",
        },
    }
    assert ", " not in body


def test_a_policy_is_told_without_its_means_of_payment() -> None:
    body = WebhookMessage.body_of(EventType.POLICY_BOUND, BOUND, at=NOON)
    data = json.loads(body)["data"]
    assert "tok_ok" not in body
    assert data["total"] == {"minor": 112_000, "currency": "EUR"}
    assert data["term"] == {
        "inception": "2026-03-02",
        "expiry": "2027-03-02",
        "time_zone": "UTC",
    }
    assert data["robots"] == [
        {
            "robot_id": str(BOUND.robots[0].robot_id),
            "serial_number": "UR3-0001",
            "insured_value": {"minor": 2_500_000, "currency": "EUR"},
        }
    ]


def test_a_decision_is_told_without_what_somebody_wrote_about_it() -> None:
    body = WebhookMessage.body_of(EventType.CLAIM_DECIDED, DECLINED, at=NOON)
    assert DECLINED.reason not in body
    assert json.loads(body)["data"]["approved"] is False


def test_a_robot_and_its_risk_are_told_as_they_are() -> None:
    registered = RobotRegistered(
        robot_id=uuid7(), serial_number="UR3-0001", model_id=uuid7(),
        manufacturer_id=uuid7(), operator_id=uuid7(), robot_class="cobot",
        insured_value=eur("25000.00"), commissioned_on=date(2024, 5, 1),
        operating_environment="factory",
    )  # fmt: skip
    scored = RobotScored(
        robot_id=uuid7(), score_id=uuid7(), score=Decimal("61.4"), band="high",
        multiplier=Decimal("1.5"), model_version="1", samples=9, scored_at=NOON,
    )  # fmt: skip
    body = WebhookMessage.body_of(EventType.ROBOT_REGISTERED, registered, at=NOON)
    assert json.loads(body)["data"]["commissioned_on"] == "2024-05-01"
    body = WebhookMessage.body_of(EventType.ROBOT_RISK_CHANGED, scored, at=NOON)
    assert json.loads(body)["data"] == {
        "robot_id": str(scored.robot_id),
        "score_id": str(scored.score_id),
        "score": "61.4",
        "band": "high",
        "model_version": "1",
        "scored_at": "2026-03-02T12:00:00Z",
    }


@pytest.mark.parametrize("event_type", EventType)
def test_every_type_is_described_with_an_example_that_is_true(
    event_type: EventType,
) -> None:
    (described,) = [each for each in event_types().items if each.type is event_type]
    example = TOLD[event_type].data.model_validate(described.example)
    assert example.model_dump(mode="json") == described.example
    assert described.description
    assert described.audience
    assert set(described.json_schema["properties"]) == set(described.example)
