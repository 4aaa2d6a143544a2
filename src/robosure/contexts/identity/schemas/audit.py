"""The audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field

from robosure.contexts.identity.schemas.fields import INSURER, KEY, NOON, USER, example
from robosure.platform.http import OutputModel


def _hexadecimal(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


Hash = Annotated[str, BeforeValidator(_hexadecimal)]


class AuditChange(OutputModel):
    """What became of one object."""

    object_type: str
    object_id: str
    before: dict[str, Any] | None = Field(
        description="Fields that changed, as they were; null of a new object. Secrets "
        "are hidden, personal data is masked, and what is long is given as its digest."
    )
    after: dict[str, Any] | None = Field(
        description="The same fields, as they are; null of one that is gone."
    )


class AuditEntryOut(OutputModel):
    """Who did what, on whose behalf, to what, from where, and when."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=KEY,
            sequence=42,
            at=NOON,
            actor=USER,
            actor_kind="user",
            actor_name="Ada Lovelace",
            actor_organisation_id=INSURER,
            organisation_id=INSURER,
            action="PATCH /api/v1/users/{user_id}",
            subject={"user_id": USER},
            object_type="user",
            object_id=USER,
            objects=["user", f"user:{USER}"],
            changes=[
                {
                    "object_type": "user",
                    "object_id": USER,
                    "before": {"active": True},
                    "after": {"active": False},
                }
            ],
            address="203.0.113.7",
            user_agent="Mozilla/5.0",
            correlation_id="01983a5e-7c10-7b4e-9d52-6f0e5a2c1b04",
            outcome="completed",
            previous_hash="8d969eef6ecad3c29a3a629280e686cf"
            "0c3f5d5a86aff3ca12020c923adc6c92",
            hash="5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5",
        )
    )

    id: UUID
    sequence: int | None = Field(
        description="Place in the organisation's chain; null, as are the fields below "
        "that no entry had then, of one from before there were chains."
    )
    at: datetime
    actor: UUID | None = Field(
        description="Null for someone not signed in, and for the platform itself."
    )
    actor_kind: str | None = Field(
        description="`user`, `api_key`, `anonymous` or `platform`."
    )
    actor_name: str
    actor_organisation_id: UUID | None
    organisation_id: UUID | None = Field(description="On whose behalf; its chain.")
    action: str
    subject: dict[str, str] = Field(
        description="Which object, by path parameter; and how many, if over 100."
    )
    object_type: str | None = Field(description="Of the object it is about above all.")
    object_id: str | None
    objects: list[str] | None = Field(description="All that it can be found by.")
    changes: list[AuditChange] | None
    address: str | None = Field(description="The client's.")
    user_agent: str | None
    correlation_id: str | None = Field(description="The request's id.")
    outcome: str | None
    previous_hash: Hash | None = Field(description="Of the entry before, in the chain.")
    hash: Hash | None = Field(
        description="SHA-256 of the hash before, the sequence as 8 bytes, and the "
        "SHA-256 of the entry's canonical form."
    )
