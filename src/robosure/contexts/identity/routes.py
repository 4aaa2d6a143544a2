"""Identity over HTTP."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import AwareDatetime

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.queries import (
    AuditFilter,
    IdentityQueries,
    export_audit_entries,
)
from robosure.contexts.identity.repository import (
    SqlApiKeys,
    SqlOrganisations,
    SqlUsers,
)
from robosure.contexts.identity.schemas import (
    AccessToken,
    ApiKeyIn,
    ApiKeyIssued,
    ApiKeyOut,
    AuditEntryOut,
    Me,
    OrganisationIn,
    OrganisationOut,
    RoleOut,
    RolesOut,
    UserChange,
    UserIn,
    UserOut,
)
from robosure.contexts.identity.service import (
    ApiKeyService,
    OrganisationService,
    SignInService,
    UserService,
)
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Idempotent,
    IfMatch,
    Page,
    PasswordsDep,
    Principal,
    ReadDb,
    RolesDep,
    RouteClass,
    RuntimeDep,
    TokensDep,
    WriteDb,
    limited_as,
    problems,
    public,
    requires,
    set_etag,
    signed_in,
)

router = ApiRouter(tags=["identity"])

OwnOrganisation = Annotated[
    UUID | None, Query(description="Only those of this organisation.")
]


@router.post(
    "/auth/token",
    summary="Sign in with e-mail and password",
    dependencies=[public()],
    responses=problems(422),
)
@limited_as(RouteClass.SIGN_IN)
async def sign_in(
    *,
    form: Annotated[OAuth2PasswordRequestForm, Depends()],
    request: Request,
    response: Response,
    session: WriteDb,
    passwords: PasswordsDep,
    roles: RolesDep,
    tokens: TokensDep,
    clock: ClockDep,
) -> AccessToken:
    """Answer a short-lived access token; `username` is the e-mail address."""
    service = SignInService(
        SqlUsers(session),
        organisations=SqlOrganisations(session),
        passwords=passwords,
        roles=roles,
    )
    principal = await service.sign_in(form.username, password=form.password)
    # From here on the request acts for them, so the audit trail says who signed in.
    request.state.principal = principal
    _keep_out_of_caches(response)
    return AccessToken(
        access_token=tokens.issue(principal, now=clock.now()),
        token_type="bearer",  # noqa: S106 - a kind of token
        expires_in=int(tokens.lifetime.total_seconds()),
    )


@router.get("/auth/me", summary="Who am I?", responses=problems())
async def me(principal: Annotated[Principal, signed_in()]) -> Me:
    """Answer who the platform takes you for, and what you may do."""
    return Me(
        subject=principal.subject,
        kind=principal.kind,
        name=principal.name,
        organisation_id=principal.organisation_id,
        organisation_kind=OrganisationKind(principal.organisation_kind),
        roles=sorted(principal.roles),
        permissions=sorted(principal.permissions),
        robot_id=principal.robot_id,
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


# --- organisations --------------------------------------------------------------------


def _organisation_service(session: WriteDb, clock: ClockDep) -> OrganisationService:
    return OrganisationService(SqlOrganisations(session), clock=clock)


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
    return await IdentityQueries(session, principal).organisations(cursor, kind=kind)


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
    return await IdentityQueries(session, principal).organisation(organisation_id)


# --- users ----------------------------------------------------------------------------


def _user_service(
    session: WriteDb, passwords: PasswordsDep, clock: ClockDep
) -> UserService:
    return UserService(
        SqlUsers(session),
        organisations=SqlOrganisations(session),
        passwords=passwords,
        clock=clock,
    )


@router.post(
    "/users",
    summary="Register a user",
    status_code=201,
    responses=problems(404, 409, 422),
)
async def register_user(
    body: UserIn,
    response: Response,
    principal: Annotated[Principal, requires("users:manage")],
    service: Annotated[UserService, Depends(_user_service)],
) -> UserOut:
    """Take a person into your organisation, or, as an insurer, into a customer's."""
    user = await service.register(
        principal,
        organisation_id=body.organisation_id,
        email=body.email,
        name=body.name,
        password=body.password.get_secret_value(),
        roles=body.roles,
        skills=body.skills,
    )
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
    return await IdentityQueries(session, principal).users(
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
    user = await IdentityQueries(session, principal).user(user_id)
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
) -> UserOut:
    """Change name, roles, skills or standing. Nobody changes their own access."""
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


# --- API keys -------------------------------------------------------------------------


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
    principal: Annotated[Principal, requires("api-keys:manage")],
    service: Annotated[ApiKeyService, Depends(_api_key_service)],
) -> ApiKeyIssued:
    """Make a key for a device or a partner; the answer shows it this once."""
    issued, key = await service.issue(
        principal,
        organisation_id=body.organisation_id,
        name=body.name,
        scopes=body.scopes,
        robot_id=body.robot_id,
        expires_at=body.expires_at,
    )
    _keep_out_of_caches(response)
    return ApiKeyIssued(key=key, api_key=ApiKeyOut.model_validate(issued))


@router.get("/api-keys", summary="List API keys", responses=problems(422))
async def list_api_keys(
    session: ReadDb,
    principal: Annotated[Principal, requires("api-keys:manage")],
    cursor: Cursor,
    organisation_id: OwnOrganisation = None,
) -> Page[ApiKeyOut]:
    """Answer keys by their visible prefix, revoked and expired ones too."""
    return await IdentityQueries(session, principal).api_keys(
        cursor, organisation_id=organisation_id
    )


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


# --- audit trail ----------------------------------------------------------------------


def _chosen(
    *,
    actor: Annotated[UUID | None, Query(description="Only what they did.")] = None,
    action: Annotated[
        str | None,
        Query(max_length=200, description="Such as `DELETE /api/v1/users/{user_id}`."),
    ] = None,
    object_type: Annotated[
        str | None,
        Query(max_length=64, description="Only what concerns a `policy`, say."),
    ] = None,
    object_id: Annotated[
        str | None, Query(max_length=200, description="Only that one; with its type.")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="Only since then.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(alias="to", description="Only before then.")
    ] = None,
) -> AuditFilter:
    return AuditFilter(actor, action, object_type, object_id, since, until)


ChosenEntries = Annotated[AuditFilter, Depends(_chosen)]
_ENTRIES_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The entries, the newest first.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One entry per line."},
                "example": '{"id":"01983a5e-7c10-7b4e-9d52-6f0e5a2c1b03",...}\n',
            }
        },
    }
}


@router.get("/audit-entries", summary="Read the audit trail", responses=problems(422))
async def list_audit_entries(
    session: ReadDb,
    principal: Annotated[Principal, requires("audit:read")],
    cursor: Cursor,
    chosen: ChosenEntries,
) -> Page[AuditEntryOut]:
    """Answer who did what and when, newest first. Only an insurer's people may."""
    queries = IdentityQueries(session, principal)
    return await queries.audit_entries(cursor, chosen=chosen)


@router.get(
    "/audit-entries/export",
    summary="Export the audit trail",
    response_class=StreamingResponse,
    responses={**_ENTRIES_FILE, **problems(422)},
)
@limited_as(RouteClass.EXPORT)
async def export_audit_trail(
    principal: Annotated[Principal, requires("audit:read")],
    runtime: RuntimeDep,
    chosen: ChosenEntries,
) -> StreamingResponse:
    """Answer all entries that fit, one JSON object per line, as they are being read."""
    lines = await export_audit_entries(runtime.database, principal, chosen=chosen)
    return StreamingResponse(lines, media_type="application/x-ndjson")


def _keep_out_of_caches(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"
