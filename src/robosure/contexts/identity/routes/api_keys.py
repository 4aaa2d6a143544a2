"""Keys of devices, and of partners' systems."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from robosure.contexts.identity.queries import DirectoryQueries
from robosure.contexts.identity.repository import SqlApiKeys, SqlOrganisations
from robosure.contexts.identity.routes.caching import keep_out_of_caches
from robosure.contexts.identity.routes.users import OwnOrganisation
from robosure.contexts.identity.schemas.api_keys import (
    ApiKeyIn,
    ApiKeyIssued,
    ApiKeyOut,
    Rotation,
)
from robosure.contexts.identity.service.api_keys import ApiKeyService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Page,
    Principal,
    ReadDb,
    RolesDep,
    WriteDb,
    problems,
    requires,
)

router = ApiRouter()


def _api_key_service(
    session: WriteDb, roles: RolesDep, clock: ClockDep
) -> ApiKeyService:
    return ApiKeyService(
        SqlApiKeys(session),
        organisations=SqlOrganisations(session),
        roles=roles,
        clock=clock,
    )


@router.post(
    "/api-keys",
    summary="Make an API key",
    status_code=201,
    responses=problems(404, 422),
)
async def issue_api_key(
    body: ApiKeyIn,
    response: Response,
    principal: Annotated[Principal, requires("api-keys:manage", sensitive=True)],
    service: Annotated[ApiKeyService, Depends(_api_key_service)],
) -> ApiKeyIssued:
    """Make a key for a device or a partner; the answer shows it this once.

    An operator's key speaks for the fleet that it runs, a manufacturer's for the robots
    of its models, and one that is bound to a robot for that one alone.
    """
    issued, key = await service.issue(
        principal,
        organisation_id=body.organisation_id,
        kind=body.kind,
        name=body.name,
        scopes=body.scopes,
        robot_id=body.robot_id,
        expires_at=body.expires_at,
    )
    keep_out_of_caches(response)
    return ApiKeyIssued(key=key, api_key=ApiKeyOut.model_validate(issued))


@router.get("/api-keys", summary="List API keys", responses=problems(422))
async def list_api_keys(
    session: ReadDb,
    principal: Annotated[Principal, requires("api-keys:manage")],
    cursor: Cursor,
    organisation_id: OwnOrganisation = None,
) -> Page[ApiKeyOut]:
    """Answer keys by their visible prefix, revoked and expired ones too."""
    return await DirectoryQueries(session, principal).api_keys(
        cursor, organisation_id=organisation_id
    )


@router.post(
    "/api-keys/{api_key_id}/rotate",
    summary="Rotate an API key",
    status_code=201,
    responses=problems(404, 409, 422),
)
async def rotate_api_key(
    *,
    api_key_id: UUID,
    body: Rotation,
    response: Response,
    principal: Annotated[Principal, requires("api-keys:manage", sensitive=True)],
    service: Annotated[ApiKeyService, Depends(_api_key_service)],
) -> ApiKeyIssued:
    """Make a successor that is the same but for its secret, shown this once.

    Both keys work until the overlap is over. A key that is revoked, expired or rotated
    already is `409`; one that was rotated goes on with its successor.
    """
    successor, key = await service.rotate(
        principal, api_key_id, overlap=timedelta(hours=body.overlap_hours)
    )
    keep_out_of_caches(response)
    return ApiKeyIssued(key=key, api_key=ApiKeyOut.model_validate(successor))


@router.delete(
    "/api-keys/{api_key_id}",
    summary="Revoke an API key",
    status_code=204,
    responses=problems(404, 422),
)
async def revoke_api_key(
    api_key_id: UUID,
    principal: Annotated[Principal, requires("api-keys:manage")],
    service: Annotated[ApiKeyService, Depends(_api_key_service)],
) -> None:
    """Stop a key working at once. It stays listed, with the time of revocation."""
    await service.revoke(principal, api_key_id)
