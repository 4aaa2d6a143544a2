"""Roles."""

from __future__ import annotations

from pydantic import ConfigDict

from robosure.contexts.identity.schemas.fields import example
from robosure.platform.http import OutputModel


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
