"""The people of organisations."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from robosure.contexts.identity.jobs import send_password_letters
from robosure.contexts.identity.queries import DirectoryQueries
from robosure.contexts.identity.repository import (
    SqlCustomRoles,
    SqlOrganisations,
    SqlPasswordLetters,
    SqlUsers,
)
from robosure.contexts.identity.routes.services import SessionsDep
from robosure.contexts.identity.schemas.users import UserChange, UserIn, UserOut
from robosure.contexts.identity.service.roles import Roles
from robosure.contexts.identity.service.users import UserService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    IfMatch,
    Page,
    PasswordsDep,
    Principal,
    ProofDep,
    ReadDb,
    RolesDep,
    WriteDb,
    problems,
    requires,
    set_etag,
)
from robosure.platform.jobs import defer

router = ApiRouter()


OwnOrganisation = Annotated[
    UUID | None, Query(description="Only those of this organisation.")
]


def _user_service(
    *,
    session: WriteDb,
    sessions: SessionsDep,
    passwords: PasswordsDep,
    roles: RolesDep,
    clock: ClockDep,
) -> UserService:
    return UserService(
        SqlUsers(session),
        organisations=SqlOrganisations(session),
        sessions=sessions,
        letters=SqlPasswordLetters(session),
        passwords=passwords,
        roles=Roles(SqlCustomRoles(session), catalogue=roles),
        clock=clock,
    )


@router.post(
    "/users",
    summary="Register a user",
    status_code=201,
    responses=problems(404, 409, 422),
)
async def register_user(
    *,
    body: UserIn,
    session: WriteDb,
    response: Response,
    principal: Annotated[Principal, requires("users:manage", sensitive=True)],
    service: Annotated[UserService, Depends(_user_service)],
) -> UserOut:
    """Take a person into your organisation, or, as an insurer, into a customer's.

    Without a password they get a letter, by which they choose their own within 72
    hours; until then none fits.
    """
    user = await service.register(
        principal,
        organisation_id=body.organisation_id,
        email=body.email,
        name=body.name,
        password=body.password.get_secret_value() if body.password else None,
        roles=body.roles,
        skills=body.skills,
    )
    if body.password is None:
        defer(session, send_password_letters)
    set_etag(response, user.version)
    return UserOut.model_validate(user)


@router.get("/users", summary="List users", responses=problems(422))
async def list_users(
    session: ReadDb,
    principal: Annotated[Principal, requires("users:read")],
    cursor: Cursor,
    organisation_id: OwnOrganisation = None,
) -> Page[UserOut]:
    """Your own organisation's; for an insurer also operators' and manufacturers'."""
    return await DirectoryQueries(session, principal).users(
        cursor, organisation_id=organisation_id
    )


@router.get("/users/{user_id}", summary="Read a user", responses=problems(404, 422))
async def read_user(
    user_id: UUID,
    response: Response,
    session: ReadDb,
    principal: Annotated[Principal, requires("users:read")],
) -> UserOut:
    """Answer a user, with the version to send back as `If-Match`."""
    user = await DirectoryQueries(session, principal).user(user_id)
    set_etag(response, user.version)
    return user


@router.patch(
    "/users/{user_id}",
    summary="Change a user",
    responses=problems(404, 409, 412, 422),
)
async def change_user(
    *,
    user_id: UUID,
    body: UserChange,
    response: Response,
    principal: Annotated[Principal, requires("users:manage")],
    service: Annotated[UserService, Depends(_user_service)],
    if_match: IfMatch,
    proof: ProofDep,
) -> UserOut:
    """Change name, roles, skills or standing. Nobody changes their own access.

    Other roles or standing are sensitive, and sign them out everywhere.
    """
    if body.roles is not None or body.active is not None:
        proof.require_for_what_is_sensitive()
    user = await service.change(
        principal,
        user_id,
        expected_version=if_match,
        name=body.name,
        roles=body.roles,
        skills=body.skills,
        active=body.active,
    )
    set_etag(response, user.version)
    return UserOut.model_validate(user)
