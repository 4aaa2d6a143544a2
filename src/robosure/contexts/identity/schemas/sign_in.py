"""Signing in, and who one is."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.schemas.fields import INSURER, USER, example
from robosure.platform.http import OutputModel


class AccessToken(BaseModel):
    """A signed, short-lived proof of who someone is (RFC 6749, section 5.1)."""

    model_config = ConfigDict(
        json_schema_extra=example(
            access_token="eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIw.c2ln",  # noqa: S106 - an example
            token_type="bearer",  # noqa: S106 - a kind of token
            expires_in=600,
        )
    )

    access_token: str = Field(description="Send as `Authorization: Bearer ...`.")
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds until it expires.")


class Me(OutputModel):
    """Who the platform takes the caller for."""

    model_config = ConfigDict(
        json_schema_extra=example(
            subject=USER,
            kind="user",
            name="Ada Lovelace",
            organisation_id=INSURER,
            organisation_kind="insurer",
            roles=["adjuster"],
            permissions=["claims:assess", "claims:read"],
            robot_id=None,
        )
    )

    subject: UUID = Field(description="The user's or the API key's id.")
    kind: Literal["user", "api_key"]
    name: str
    organisation_id: UUID
    organisation_kind: OrganisationKind
    roles: list[str] = Field(description="Roles in effect; an API key has none.")
    permissions: list[str]
    robot_id: UUID | None = Field(description="The one robot an API key speaks for.")
