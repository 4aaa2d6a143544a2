"""Roles, and what they may do."""

from __future__ import annotations

from robosure.contexts.identity.schemas.roles import RoleOut, RolesOut
from robosure.platform.http import ApiRouter, RolesDep, problems, requires

router = ApiRouter()


@router.get(
    "/roles",
    summary="List roles and what they may do",
    dependencies=[requires("users:read")],
    responses=problems(),
)
async def list_roles(roles: RolesDep) -> RolesOut:
    """Answer every role with its permissions, as all contexts together declare them."""
    return RolesOut(
        items=[
            RoleOut(name=name, permissions=sorted(permissions))
            for name, permissions in roles.roles.items()
        ]
    )
