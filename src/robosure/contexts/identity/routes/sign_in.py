"""Signing in, and who one is."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.repository import SqlOrganisations, SqlUsers
from robosure.contexts.identity.routes.caching import keep_out_of_caches
from robosure.contexts.identity.schemas.sign_in import AccessToken, Me
from robosure.contexts.identity.service.sign_in import SignInService
from robosure.platform.database.behalf import PLATFORM
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    PasswordsDep,
    Principal,
    RolesDep,
    RouteClass,
    SourceDep,
    ThrottleDep,
    TokensDep,
    WriteDb,
    limited_as,
    problems,
    public,
    signed_in,
)

router = ApiRouter()


@router.post(
    "/auth/token",
    summary="Sign in with e-mail and password",
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(422, 429),
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
    throttle: ThrottleDep,
    source: SourceDep,
) -> AccessToken:
    """Answer a short-lived access token; `username` is the e-mail address.

    After several failures the next attempt has to wait: `429` with `sign_in_delayed`
    until `Retry-After` is over, whether or not the password is right. The wait is a
    minute at most, so nobody is locked out for good.
    """
    service = SignInService(
        SqlUsers(session),
        organisations=SqlOrganisations(session),
        passwords=passwords,
        roles=roles,
        attempts=throttle,
    )
    principal = await service.sign_in(
        form.username, password=form.password, source=source
    )
    # From here on the request acts for them, so the audit trail says who signed in.
    request.state.principal = principal
    keep_out_of_caches(response)
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
