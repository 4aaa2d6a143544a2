"""Permissions, and roles as sets of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints

from robosure.contexts.identity.schemas.fields import (
    KEY,
    NOON,
    USER,
    Word,
    example,
)
from robosure.platform.http import InputModel, OutputModel

_OWN = {
    "description": "Looks into claims that seem made up.",
    "permissions": ["claims:read", "policies:read"],
}

Description = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)
]


class RoleOut(OutputModel):
    """A role and what it may do."""

    model_config = ConfigDict(
        json_schema_extra=example(name="device", permissions=["events:write"])
    )

    name: str
    permissions: list[str]


class RolesOut(OutputModel):
    """Every role."""

    items: list[RoleOut]


class PermissionOut(OutputModel):
    """Something that one may, or may not, be allowed to do."""

    model_config = ConfigDict(
        json_schema_extra=example(
            name="claims:approve",
            description="Approve or decline claims, up to one's authority.",
            roles=["adjuster", "admin"],
        )
    )

    name: str
    description: str
    roles: list[str] = Field(description="Of the roles that come along, who holds it.")


class PermissionsOut(OutputModel):
    """Every permission."""

    items: list[PermissionOut]


class CustomRoleChange(InputModel):
    """What a role of the insurer's own is, from now on."""

    model_config = ConfigDict(json_schema_extra=example(**_OWN))

    description: Description = Field(description="What it is for.")
    permissions: list[Word] = Field(
        min_length=1,
        max_length=200,
        description="All of them; what is new among them you hold yourself.",
    )


class CustomRoleIn(CustomRoleChange):
    """A role for people of your insurer."""

    model_config = ConfigDict(json_schema_extra=example(name="investigator", **_OWN))

    name: Word = Field(
        description="In snake_case; unique, and not that of a role that comes along. "
        "It stays as it is."
    )


class CustomRoleOut(OutputModel):
    """A role of the insurer's own."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=KEY,
            name="investigator",
            **_OWN,
            created_by=USER,
            created_at=NOON,
            version=1,
        )
    )

    id: UUID
    name: str
    description: str
    permissions: list[str]
    created_by: UUID
    created_at: datetime
    version: int = Field(description="Counts changes; the ETag.")
