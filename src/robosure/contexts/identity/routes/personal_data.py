"""Personal data of people: to be handed out, and to be erased."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from robosure.contexts.identity.repository import SqlOrganisations, SqlUsers
from robosure.contexts.identity.routes.services import RolesInForceDep, SessionsDep
from robosure.contexts.identity.schemas.personal_data import ErasureOut, ExportOut
from robosure.contexts.identity.service.personal_data import PersonalDataService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    PasswordsDep,
    PersonalDataDep,
    Principal,
    RouteClass,
    SettingsDep,
    WriteDb,
    limited_as,
    problems,
    requires,
    signed_in,
)

router = ApiRouter()


def _service(
    session: WriteDb, sources: PersonalDataDep, clock: ClockDep
) -> PersonalDataService:
    return PersonalDataService(
        session,
        SqlUsers(session),
        organisations=SqlOrganisations(session),
        sources=sources,
        clock=clock,
    )


ServiceDep = Annotated[PersonalDataService, Depends(_service)]


@router.get(
    "/auth/me/personal-data",
    summary="Export what is kept about you",
    responses=problems(404),
)
@limited_as(RouteClass.EXPORT)
async def export_own_personal_data(
    principal: Annotated[Principal, signed_in()], service: ServiceDep
) -> ExportOut:
    """Answer all that is kept about you. The audit trail notes that it was."""
    return ExportOut.model_validate(await service.own(principal))


@router.get(
    "/users/{user_id}/personal-data",
    summary="Export what is kept about a user",
    responses=problems(404, 422),
)
@limited_as(RouteClass.EXPORT)
async def export_personal_data(
    user_id: UUID,
    principal: Annotated[Principal, requires("personal-data:read")],
    service: ServiceDep,
) -> ExportOut:
    """Answer all that is kept about a person. The audit trail notes that it was."""
    return ExportOut.model_validate(await service.of(principal, user_id))


@router.post(
    "/users/{user_id}/erasure",
    summary="Erase a user",
    responses=problems(404, 409, 422),
)
async def erase_user(
    *,
    user_id: UUID,
    principal: Annotated[Principal, requires("personal-data:erase", sensitive=True)],
    service: ServiceDep,
    sessions: SessionsDep,
    roles: RolesInForceDep,
    passwords: PasswordsDep,
    settings: SettingsDep,
) -> ErasureOut:
    """Take a person out of all that need not be kept (GDPR Art. 17), for good.

    Pseudonyms take their place, and they are signed out everywhere. What the law wants
    to have kept is told, with how long. Who asks again is told the same. Somebody who
    manages people is erased by those only who may do as much; an organisation's last
    admin by nobody.
    """
    user = await service.erase(
        principal,
        user_id,
        sessions=sessions,
        roles=roles,
        passwords=passwords,
        settings=settings,
    )
    told = {"user_id": user.id, "erased_at": user.erased_at, **(user.erasure or {})}
    return ErasureOut.model_validate(told)
