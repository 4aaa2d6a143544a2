"""API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

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
    "name": "Cell 4 gateway",
    "prefix": "rbs_5f1d0c9a7e34",
    "scopes": ["events:write"],
    "robot_id": None,
    "created_by": USER,
    "created_at": NOON,
    "expires_at": "2027-03-02T12:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}


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
    name: Name = Field(description="What it is for.")
    scopes: list[Word] = Field(
        min_length=1,
        max_length=100,
        description="Permissions that you hold, or that devices hold.",
    )
    robot_id: UUID | None = Field(
        default=None, description="Bind the key to one robot."
    )
    expires_at: AwareDatetime | None = None


class ApiKeyOut(OutputModel):
    """An API key, without what makes it one."""

    model_config = ConfigDict(json_schema_extra=example(**_API_KEY))

    id: UUID
    organisation_id: UUID
    name: str
    prefix: str = Field(description="The key's beginning, to tell it from others.")
    scopes: list[str]
    robot_id: UUID | None
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


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
