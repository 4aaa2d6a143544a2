"""Who else may say who an organisation's people are."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from robosure.contexts.identity.queries import IdentityProviderQueries
from robosure.contexts.identity.repository import (
    SqlCustomRoles,
    SqlIdentityProviders,
    SqlOrganisations,
)
from robosure.contexts.identity.schemas.identity_providers import (
    IdentityProviderChange,
    IdentityProviderIn,
    IdentityProviderOut,
)
from robosure.contexts.identity.service.identity_providers import (
    IdentityProviderService,
)
from robosure.contexts.identity.service.roles import Roles
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    RolesDep,
    SettingsDep,
    WriteDb,
    problems,
    requires,
    set_etag,
)

router = ApiRouter()

Reader = Annotated[Principal, requires("identity-providers:manage")]
Manager = Annotated[Principal, requires("identity-providers:manage", sensitive=True)]


def _service(
    session: WriteDb, roles: RolesDep, settings: SettingsDep, clock: ClockDep
) -> IdentityProviderService:
    return IdentityProviderService(
        SqlIdentityProviders(session),
        organisations=SqlOrganisations(session),
        roles=Roles(SqlCustomRoles(session), catalogue=roles),
        settings=settings,
        clock=clock,
    )


def _queries(
    session: ReadDb, principal: Reader, settings: SettingsDep
) -> IdentityProviderQueries:
    return IdentityProviderQueries(session, principal, base_url=settings.base_url)


Service = Annotated[IdentityProviderService, Depends(_service)]
Queries = Annotated[IdentityProviderQueries, Depends(_queries)]


@router.post(
    "/identity-providers",
    summary="Register an identity provider",
    status_code=201,
    responses=problems(409, 422),
)
async def register_identity_provider(
    body: IdentityProviderIn,
    response: Response,
    principal: Manager,
    service: Service,
    settings: SettingsDep,
) -> IdentityProviderOut:
    """Let your organisation's people sign in by it, at `GET /api/v1/auth/sso/{id}`.

    Whom it vouches for has an account of your organisation and no other. Tell it the
    `redirect_uri` of the answer.
    """
    provider = await service.register(
        principal,
        name=body.name,
        kind=body.kind,
        connection=body.connection(),
        client_secret=body.client_secret.get_secret_value(),
        rules=body.rules(),
        authentication=body.authentication.rules(),
        enabled=body.enabled,
        just_in_time=body.just_in_time,
    )
    set_etag(response, provider.version)
    return IdentityProviderOut.of(provider, settings.base_url)


@router.get(
    "/identity-providers", summary="List identity providers", responses=problems(422)
)
async def list_identity_providers(
    found: Queries, cursor: Cursor
) -> Page[IdentityProviderOut]:
    """Answer your own organisation's, without their secrets."""
    return await found.all(cursor)


@router.get(
    "/identity-providers/{provider_id}",
    summary="Read an identity provider",
    responses=problems(404, 422),
)
async def read_identity_provider(
    provider_id: UUID, response: Response, found: Queries
) -> IdentityProviderOut:
    """Answer a provider, with the version to send back as `If-Match`."""
    provider = await found.one(provider_id)
    set_etag(response, provider.version)
    return provider


@router.patch(
    "/identity-providers/{provider_id}",
    summary="Change an identity provider",
    responses=problems(404, 409, 412, 422),
)
async def change_identity_provider(
    *,
    provider_id: UUID,
    body: IdentityProviderChange,
    response: Response,
    principal: Manager,
    service: Service,
    settings: SettingsDep,
    if_match: IfMatch,
) -> IdentityProviderOut:
    """Change what is given. Other roles are in effect with each one's next sign-in.

    Another `issuer`, other `endpoints` or another `subject_claim` let nobody in by the
    accounts so far: a subject may mean somebody else there. The accounts stay.
    """
    secret, authentication = body.client_secret, body.authentication
    provider = await service.change(
        principal,
        provider_id,
        expected_version=if_match,
        traits=body.traits(),
        connection=body.connection(),
        client_secret=None if secret is None else secret.get_secret_value(),
        rules=body.rules(),
        authentication=None if authentication is None else authentication.rules(),
    )
    set_etag(response, provider.version)
    return IdentityProviderOut.of(provider, settings.base_url)


@router.delete(
    "/identity-providers/{provider_id}",
    summary="Remove an identity provider",
    status_code=204,
    responses=problems(404, 409, 412, 422),
)
async def remove_identity_provider(
    provider_id: UUID, principal: Manager, service: Service, if_match: IfMatch
) -> None:
    """Forget it, and whom it means by its subjects. The accounts it made stay."""
    await service.remove(principal, provider_id, expected_version=if_match)
