"""API keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from robosure.contexts.identity.domain import LONGEST_OVERLAP, KeyKind
from robosure.contexts.identity.schemas.fields import (
    INSURER,
    KEY,
    NOON,
    USER,
    Name,
    Word,
    example,
)
from robosure.platform.http import InputModel, OutputModel

_API_KEY: dict[str, Any] = {
    "id": KEY,
    "organisation_id": INSURER,
    "kind": "insurer",
    "name": "Cell 4 gateway",
    "prefix": "rbs_5f1d0c9a7e34",
    "scopes": ["events:write"],
    "robot_id": None,
    "created_by": USER,
    "created_at": NOON,
    "expires_at": "2027-03-02T12:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
    "predecessor_id": None,
    "successor_id": None,
    "rotated_at": None,
}
_MOST_HOURS: Final = LONGEST_OVERLAP // timedelta(hours=1)


class ApiKeyIn(InputModel):
    """A key to make for a device or a partner's system."""

    model_config = ConfigDict(
        json_schema_extra=example(
            name="Cell 4 gateway",
            scopes=["events:write"],
            expires_at="2027-03-02T12:00:00Z",
        )
    )

    organisation_id: UUID | None = Field(
        default=None, description="Your own, if left out."
    )
    kind: KeyKind | None = Field(
        default=None,
        description="For which robots it speaks: follows from the organisation and the "
        "robot; named, it is checked.",
    )
    name: Name = Field(description="What it is for.")
    scopes: list[Word] = Field(
        min_length=1,
        max_length=100,
        description="Permissions that you or devices hold, and that somebody of the "
        "organisation may; for one robot, those that concern its telemetry.",
    )
    robot_id: UUID | None = Field(
        default=None, description="Bind the key to one robot."
    )
    expires_at: AwareDatetime | None = None


class Rotation(InputModel):
    """How a key gives way to its successor."""

    model_config = ConfigDict(json_schema_extra=example(overlap_hours=24))

    overlap_hours: int = Field(
        default=24,
        ge=0,
        le=_MOST_HOURS,
        description="How long the key still works beside its successor; 0 is at once.",
    )


class ApiKeyOut(OutputModel):
    """An API key, without what makes it one."""

    model_config = ConfigDict(json_schema_extra=example(**_API_KEY))

    id: UUID
    organisation_id: UUID
    kind: KeyKind = Field(description="For which robots it speaks.")
    name: str
    prefix: str = Field(description="The key's beginning, to tell it from others.")
    scopes: list[str]
    robot_id: UUID | None
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None
    predecessor_id: UUID | None = Field(description="The key whose successor it is.")
    successor_id: UUID | None = Field(description="The key that it was rotated to.")
    rotated_at: datetime | None = Field(
        description="When that was; both work until this one expires."
    )


class ApiKeyIssued(OutputModel):
    """A new API key, shown this once."""

    model_config = ConfigDict(
        json_schema_extra=example(
            key="rbs_5f1d0c9a7e34_q4m0V1xJ2nB8cK5tR7yW9zA3sD6fG0hLpE1uI2oT4iM",
            api_key=_API_KEY,
        )
    )

    key: str = Field(description="Send as `X-API-Key`. It cannot be shown again.")
    api_key: ApiKeyOut
