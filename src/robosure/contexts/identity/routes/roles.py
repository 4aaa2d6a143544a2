"""Permissions, roles, and roles of an insurer's own."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from robosure.contexts.identity.domain import CustomRole
from robosure.contexts.identity.queries import DirectoryQueries
from robosure.contexts.identity.schemas.roles import (
    CustomRoleChange,
    CustomRoleIn,
    CustomRoleOut,
    PermissionOut,
    PermissionsOut,
    RoleOut,
    RolesOut,
)
from robosure.contexts.identity.service.roles import CustomRoleService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Idempotent,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    RolesDep,
    WriteDb,
    problems,
    requires,
    set_etag,
)

router = ApiRouter()

Reader = Annotated[Principal, requires("users:read")]


def _service(
    session: WriteDb,
    principal: Annotated[Principal, requires("roles:manage", sensitive=True)],
    roles: RolesDep,
    clock: ClockDep,
) -> CustomRoleService:
    return CustomRoleService.on(session, catalogue=roles, by=principal, clock=clock)


Service = Annotated[CustomRoleService, Depends(_service)]


@router.get(
    "/permissions",
    summary="List permissions and who holds them",
    dependencies=[requires("users:read")],
    responses=problems(),
)
async def list_permissions(roles: RolesDep) -> PermissionsOut:
    """Answer every permission, with the roles that hold it unless an insurer adds some.

    Roles of an insurer's own are under `/custom-roles`.
    """
    return PermissionsOut(
        items=[
            PermissionOut(
                name=name,
                description=roles.descriptions.get(name, ""),
                roles=sorted(roles.holders_of(name)),
            )
            for name in sorted(roles.permissions)
        ]
    )


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


@router.post(
    "/custom-roles",
    summary="Make a role of your insurer's own",
    status_code=201,
    dependencies=[Idempotent],
    responses=problems(409, 422),
)
async def define_custom_role(
    body: CustomRoleIn, response: Response, service: Service
) -> CustomRoleOut:
    """Make a role of permissions that you hold; people of your insurer may have it.

    An insurer's other roles have them too: those of robots, say, are for no person.
    """
    role = await service.define(
        name=body.name, description=body.description, permissions=body.permissions
    )
    return _shown(role, response)


@router.get(
    "/custom-roles", summary="List your insurer's own roles", responses=problems(422)
)
async def list_custom_roles(
    session: ReadDb, principal: Reader, cursor: Cursor
) -> Page[CustomRoleOut]:
    """Answer the roles that your insurer made; other organisations have none."""
    return await DirectoryQueries(session, principal).custom_roles(cursor)


@router.get(
    "/custom-roles/{role_id}",
    summary="Read a role of your insurer's own",
    responses=problems(404, 422),
)
async def read_custom_role(
    role_id: UUID, response: Response, session: ReadDb, principal: Reader
) -> CustomRoleOut:
    """Answer one role."""
    role = await DirectoryQueries(session, principal).custom_role(role_id)
    set_etag(response, role.version)
    return role


@router.put(
    "/custom-roles/{role_id}",
    summary="Change a role of your insurer's own",
    responses=problems(404, 409, 412, 422),
)
async def change_custom_role(
    role_id: UUID,
    body: CustomRoleChange,
    response: Response,
    service: Service,
    expected: IfMatch,
) -> CustomRoleOut:
    """Describe it anew. Its name stays.

    Who holds it has it so from their next access token on, ten minutes later at most.
    """
    role = await service.change(
        role_id,
        expected=expected,
        description=body.description,
        permissions=body.permissions,
    )
    return _shown(role, response)


@router.delete(
    "/custom-roles/{role_id}",
    summary="Remove a role of your insurer's own",
    status_code=204,
    responses=problems(404, 409, 412, 422),
)
async def remove_custom_role(
    role_id: UUID, service: Service, expected: IfMatch
) -> None:
    """Remove a role that nobody holds or gets; its authority limits end."""
    await service.remove(role_id, expected=expected)


def _shown(role: CustomRole, response: Response) -> CustomRoleOut:
    set_etag(response, role.version)
    return CustomRoleOut.model_validate(role)
