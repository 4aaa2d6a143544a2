"""What webhooks say: the public form of facts, apart from how contexts tell them.

These models are a promise to receivers. A field may be added; one that goes, or changes
its meaning, is a new event type. No personal data is among them, only ids: who needs
more asks the API, which knows who is asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from robosure.contexts.claims.events import ClaimDecided, ClaimPaid, ClaimReported
from robosure.contexts.notifications.domain import EventType
from robosure.contexts.payments.events import InstalmentFailed, InstalmentPaid
from robosure.contexts.policies.events import PolicyBound
from robosure.contexts.risk.events import RobotScored
from robosure.contexts.robots.events import RobotChanged, RobotRegistered
from robosure.kernel.events import DomainEvent
from robosure.platform.http import MoneyModel, OutputModel
from robosure.platform.messages import sample_of


def _as_told_by(kind: type[DomainEvent]) -> ConfigDict:
    def add_example(schema: JsonDict, model: type[BaseModel]) -> None:
        told = model.model_validate(sample_of(kind), from_attributes=True)
        schema["examples"] = [told.model_dump(mode="json")]

    return ConfigDict(json_schema_extra=add_example)


class PolicyTerm(OutputModel):
    """The days on which there is cover."""

    inception: date = Field(description="First day with cover.")
    expiry: date = Field(description="First day without.")
    time_zone: str = Field(description="Whose midnights count (IANA).")


class PolicyRobot(OutputModel):
    """A robot under a policy."""

    robot_id: UUID
    serial_number: str
    insured_value: MoneyModel


class PolicyBoundData(OutputModel):
    """Cover was sold."""

    model_config = _as_told_by(PolicyBound)

    policy_id: UUID
    number: str
    insurer_id: UUID
    holder_id: UUID
    product_code: str
    product_version: int
    term: PolicyTerm
    robots: list[PolicyRobot]
    premium: MoneyModel = Field(description="Net of tax.")
    tax: MoneyModel
    total: MoneyModel
    instalments: int = Field(description="Into how many payments the total is split.")


class InstalmentPaidData(OutputModel):
    """An instalment was collected."""

    model_config = _as_told_by(InstalmentPaid)

    policy_id: UUID
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    instalment_id: UUID
    sequence: int = Field(description="1 for the first of `instalments`.")
    instalments: int
    amount: MoneyModel
    paid_at: datetime


class InstalmentFailedData(OutputModel):
    """An attempt to collect an instalment was declined."""

    model_config = _as_told_by(InstalmentFailed)

    policy_id: UUID
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    instalment_id: UUID
    sequence: int = Field(description="1 for the first of `instalments`.")
    instalments: int
    amount: MoneyModel
    attempt: int = Field(description="1 for the first attempt at this instalment.")
    reason: str = Field(description="The payment processor's word for it.")


class ClaimReportedData(OutputModel):
    """A first notice of loss was taken."""

    model_config = _as_told_by(ClaimReported)

    claim_id: UUID
    number: str
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    policy_id: UUID
    robot_id: UUID
    incident_type: str
    incident_at: datetime


class ClaimDecidedData(OutputModel):
    """A claim was approved for an amount, or declined; the API says why."""

    model_config = _as_told_by(ClaimDecided)

    claim_id: UUID
    number: str
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    approved: bool
    amount: MoneyModel


class ClaimPaidData(OutputModel):
    """A settlement was paid, and the claim is closed."""

    model_config = _as_told_by(ClaimPaid)

    claim_id: UUID
    number: str
    policy_number: str
    insurer_id: UUID
    holder_id: UUID
    paid: MoneyModel


class RobotRegisteredData(OutputModel):
    """A machine was put under an operator's name."""

    model_config = _as_told_by(RobotRegistered)

    robot_id: UUID
    serial_number: str
    model_id: UUID
    manufacturer_id: UUID
    operator_id: UUID
    robot_class: str
    insured_value: MoneyModel
    commissioned_on: date
    operating_environment: str


class RobotChangedData(OutputModel):
    """A robot's firmware or place of work is now this."""

    model_config = _as_told_by(RobotChanged)

    robot_id: UUID
    firmware: str | None
    operating_environment: str


class RobotRiskChangedData(OutputModel):
    """A robot was scored for the first time, or its score moved into another band."""

    model_config = _as_told_by(RobotScored)

    robot_id: UUID
    score_id: UUID
    score: Decimal = Field(description="From 0, the safest, to 100.")
    band: str = Field(
        description="`low`, `moderate`, `elevated`, `high` or `severe`.",
    )
    model_version: str = Field(description="Of the scoring model.")
    scored_at: datetime


class PingData(OutputModel):
    """Somebody asked for a test of the endpoint."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"endpoint_id": "019c8f3e-9a40-7000-8000-000000000001"}]
        }
    )

    endpoint_id: UUID


@dataclass(frozen=True)
class Told:
    """A type of event as receivers see it.

    Attributes:
        audience: which organisations are told.
    """

    data: type[OutputModel]
    audience: str


_PARTIES: Final = "the policyholder and the insurer"
_AROUND_ROBOT: Final = "the operator, the manufacturer, and who insured the robot"

TOLD: Final[Mapping[EventType, Told]] = {
    EventType.POLICY_BOUND: Told(PolicyBoundData, _PARTIES),
    EventType.INSTALMENT_PAID: Told(InstalmentPaidData, _PARTIES),
    EventType.INSTALMENT_FAILED: Told(InstalmentFailedData, _PARTIES),
    EventType.CLAIM_REPORTED: Told(ClaimReportedData, _PARTIES),
    EventType.CLAIM_DECIDED: Told(ClaimDecidedData, _PARTIES),
    EventType.CLAIM_PAID: Told(ClaimPaidData, _PARTIES),
    EventType.ROBOT_REGISTERED: Told(
        RobotRegisteredData, "the operator and the manufacturer"
    ),
    EventType.ROBOT_CHANGED: Told(RobotChangedData, _AROUND_ROBOT),
    EventType.ROBOT_RISK_CHANGED: Told(RobotRiskChangedData, _AROUND_ROBOT),
    EventType.PING: Told(PingData, "the endpoint that is tested"),
}
"""Every type of event."""


class WebhookMessage(OutputModel):
    """The body of a webhook."""

    type: EventType
    timestamp: datetime = Field(description="When it happened.")
    data: OutputModel

    @classmethod
    def body_of(cls, event_type: EventType, fact: object, *, at: datetime) -> str:
        """Write a fact down as it is sent.

        Args:
            event_type: says which model of :data:`TOLD` it takes the form of.
            fact: has the attributes that the model wants.
            at: when it happened.
        """
        data = TOLD[event_type].data.model_validate(fact, from_attributes=True)
        message = cls(type=event_type, timestamp=at, data=data)
        return message.model_dump_json(serialize_as_any=True)
