"""Organisations."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.queries import DirectoryQueries
from robosure.contexts.identity.repository import (
    SqlAuthorityLimits,
    SqlOrganisations,
)
from robosure.contexts.identity.schemas.organisations import (
    OrganisationIn,
    OrganisationOut,
)
from robosure.contexts.identity.service.organisations import OrganisationService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Idempotent,
    Page,
    Principal,
    ReadDb,
    WriteDb,
    problems,
    requires,
)

router = ApiRouter()


def _organisation_service(session: WriteDb, clock: ClockDep) -> OrganisationService:
    return OrganisationService(
        SqlOrganisations(session), limits=SqlAuthorityLimits(session), clock=clock
    )


@router.post(
    "/organisations",
    summary="Register an organisation",
    status_code=201,
    dependencies=[Idempotent],
    responses=problems(409, 422),
)
async def register_organisation(
    body: OrganisationIn,
    principal: Annotated[Principal, requires("organisations:manage")],
    service: Annotated[OrganisationService, Depends(_organisation_service)],
) -> OrganisationOut:
    """Take in an insurer, an operator or a manufacturer. Only insurers' admins may."""
    organisation = await service.register(
        principal,
        kind=body.kind,
        name=body.name,
        email=body.email,
        country=body.country,
    )
    return OrganisationOut.model_validate(organisation)


@router.get("/organisations", summary="List organisations", responses=problems(422))
async def list_organisations(
    session: ReadDb,
    principal: Annotated[Principal, requires("organisations:read")],
    cursor: Cursor,
    kind: OrganisationKind | None = None,
) -> Page[OrganisationOut]:
    """An insurer sees all organisations, everyone else their own."""
    return await DirectoryQueries(session, principal).organisations(cursor, kind=kind)


@router.get(
    "/organisations/{organisation_id}",
    summary="Read an organisation",
    responses=problems(404, 422),
)
async def read_organisation(
    organisation_id: UUID,
    session: ReadDb,
    principal: Annotated[Principal, requires("organisations:read")],
) -> OrganisationOut:
    """An insurer sees all organisations, everyone else their own."""
    return await DirectoryQueries(session, principal).organisation(organisation_id)
