"""Signing in by an identity provider."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from robosure.contexts.identity.domain import Factor
from robosure.contexts.identity.repository import (
    SqlCustomRoles,
    SqlExternalIdentities,
    SqlIdentityProviders,
    SqlOrganisations,
    SqlUsers,
)
from robosure.contexts.identity.routes.caching import keep_out_of_caches
from robosure.contexts.identity.routes.services import (
    ClientDep,
    SessionsDep,
    SessionServiceDep,
    SignOnCodesDep,
)
from robosure.contexts.identity.routes.sign_in import pair_of
from robosure.contexts.identity.schemas.sign_in import TokenPair
from robosure.contexts.identity.service.admission import AdmissionService
from robosure.contexts.identity.service.roles import Roles
from robosure.contexts.identity.service.single_sign_on import SingleSignOn
from robosure.kernel.errors import DomainError
from robosure.platform.database.behalf import PLATFORM
from robosure.platform.federation import Answer
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    PasswordsDep,
    RolesDep,
    RouteClass,
    RuntimeDep,
    TokensDep,
    WriteDb,
    limited_as,
    problem_of,
    problems,
    public,
)
from robosure.platform.security.once import KEPT

router = ApiRouter()

COOKIE: Final = "__Host-robosure-sso"
"""Of this host alone, over TLS alone: no other host can have put it there."""

_COOKIE_IS: Final[dict[str, Any]] = {
    "path": "/", "secure": True, "httponly": True, "samesite": "lax",
}  # fmt: skip


def _single_sign_on(runtime: RuntimeDep) -> SingleSignOn:
    return SingleSignOn.on(runtime)


def _admission(
    *,
    session: WriteDb,
    roles: RolesDep,
    sessions: SessionsDep,
    passwords: PasswordsDep,
    clock: ClockDep,
) -> AdmissionService:
    return AdmissionService(
        SqlIdentityProviders(session),
        identities=SqlExternalIdentities(session),
        users=SqlUsers(session),
        organisations=SqlOrganisations(session),
        roles=Roles(SqlCustomRoles(session), catalogue=roles),
        sessions=sessions,
        passwords=passwords,
        clock=clock,
    )


def _answer(
    code: Annotated[str | None, Query(max_length=4_096)] = None,
    state: Annotated[str | None, Query(max_length=200)] = None,
    iss: Annotated[str | None, Query(max_length=2_000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> Answer:
    return Answer(code=code, state=state, issuer=iss, error=error)


SingleSignOnDep = Annotated[SingleSignOn, Depends(_single_sign_on)]


@router.get(
    "/auth/sso/{provider_id}",
    summary="Sign in by an identity provider",
    status_code=302,
    response_class=RedirectResponse,
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(404, 422, 429, 503),
)
@limited_as(RouteClass.SIGN_IN)
async def begin_single_sign_on(
    provider_id: UUID,
    service: SingleSignOnDep,
    return_to: Annotated[
        str | None,
        Query(
            max_length=1_000,
            description="A page of an origin among those that CORS allows. It gets "
            "`#code=...`, for `POST /api/v1/auth/token` with the grant type "
            "`authorization_code`. Left out, the callback answers the tokens itself.",
        ),
    ] = None,
    code_challenge: Annotated[
        str | None,
        Query(
            max_length=100,
            description="With `return_to`: the SHA-256, in base64url, of a verifier "
            "that the page thinks of and keeps (RFC 7636, `S256`).",
        ),
    ] = None,
) -> Response:
    """Send the browser to the provider, for ten minutes at most."""
    departure = await service.begin(
        provider_id, return_to=return_to, challenge=code_challenge
    )
    response = RedirectResponse(departure.url, status_code=302)
    response.set_cookie(
        COOKIE, departure.sealed, max_age=int(KEPT.total_seconds()), **_COOKIE_IS
    )
    keep_out_of_caches(response)
    return response


@router.get(
    "/auth/sso/{provider_id}/callback",
    summary="Come back from an identity provider",
    dependencies=[public(behalf=PLATFORM)],
    response_model=TokenPair,
    responses={
        303: {"description": "To the page that was asked for, with a code."},
        **problems(404, 409, 422, 429, 503),
    },
)
@limited_as(RouteClass.SIGN_IN)
async def finish_single_sign_on(
    *,
    provider_id: UUID,
    answer: Annotated[Answer, Depends(_answer)],
    request: Request,
    response: Response,
    service: SingleSignOnDep,
    admission: Annotated[AdmissionService, Depends(_admission)],
    sessions: SessionServiceDep,
    codes: SignOnCodesDep,
    tokens: TokensDep,
    clock: ClockDep,
    client: ClientDep,
) -> TokenPair | Response:
    """Ask the provider who came back, and sign them in.

    The provider sends browsers here, each provider to an address of its own. What it
    says of name and roles is in effect from now on; other roles end other sessions.
    """
    assertion, journey = await service.finish(
        provider_id, answer, sealed=request.cookies.get(COOKIE)
    )
    user = await admission.admit(provider_id, assertion)
    if isinstance(user, DomainError):
        return await problem_of(request, user)
    grant = await sessions.begin(user, factors=[Factor.FEDERATED], client=client)
    # From here on the request acts for them, so the audit trail says who signed in.
    request.state.principal = grant.principal
    session_id = grant.principal.session_id
    if journey.return_to and journey.challenge and session_id:
        code = await codes.issue(session_id, journey.challenge)
        fragment = urlencode({"code": code})
        response = RedirectResponse(f"{journey.return_to}#{fragment}", status_code=303)
    keep_out_of_caches(response)
    response.delete_cookie(COOKIE, **_COOKIE_IS)
    if isinstance(response, RedirectResponse):
        return response
    return pair_of(grant, tokens, clock.now())
