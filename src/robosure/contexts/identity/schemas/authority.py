"""Authority limits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from robosure.contexts.identity.domain import LimitStatus
from robosure.contexts.identity.schemas.fields import (
    KEY,
    NOON,
    USER,
    Word,
    example,
)
from robosure.kernel.authority import Decision
from robosure.platform.http import InputModel, MoneyModel, OutputModel

_AMOUNT = {"minor": 2_500_000, "currency": "EUR"}
_REASON = "Grace heads the claims team from March on."

Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)
]


class AuthorityLimitIn(InputModel):
    """The most that holders of a role, or one person, are to be able to approve."""

    model_config = ConfigDict(
        json_schema_extra=example(
            decision="settlement", role="adjuster", amount=_AMOUNT, reason=_REASON
        )
    )

    decision: Decision = Field(description="What is approved.")
    role: Word | None = Field(
        default=None, description="Whose holders it is for; or else `user_id`."
    )
    user_id: UUID | None = Field(
        default=None,
        description="Whom it is for; it goes before the limits of their roles.",
    )
    amount: MoneyModel = Field(
        description="Not negative; nothing takes the authority away. It is for this "
        "currency alone."
    )
    reason: Reason


class AuthorityLimitOut(OutputModel):
    """The most that holders of a role, or one person, may approve."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=KEY,
            decision="settlement",
            role="adjuster",
            user_id=None,
            amount=_AMOUNT,
            reason=_REASON,
            status="proposed",
            proposed_by=USER,
            proposed_at=NOON,
            decided_by=None,
            decided_at=None,
            ended_at=None,
            version=1,
        )
    )

    id: UUID
    decision: Decision
    role: str | None
    user_id: UUID | None
    amount: MoneyModel
    reason: str
    status: LimitStatus = Field(description="In force once it is `approved`.")
    proposed_by: UUID | None = Field(
        description="Null for what every insurer starts with."
    )
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    ended_at: datetime | None = Field(
        description="When another took its place, or its role went."
    )
    version: int = Field(description="Counts changes; the ETag.")
