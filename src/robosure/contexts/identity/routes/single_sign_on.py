"""Signing in by an identity provider."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

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
from robosure.contexts.identity.routes.sign_on_page import sign_on_page
from robosure.contexts.identity.schemas.sign_in import TokenPair
from robosure.contexts.identity.service.admission import AdmissionService
from robosure.contexts.identity.service.provider_logout import (
    ProviderLogoutService,
)
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


def _provider_logout(
    session: WriteDb, sessions: SessionServiceDep
) -> ProviderLogoutService:
    return ProviderLogoutService(SqlExternalIdentities(session), sessions=sessions)


def _answer(
    code: Annotated[str | None, Query(max_length=4_096)] = None,
    state: Annotated[str | None, Query(max_length=200)] = None,
    iss: Annotated[str | None, Query(max_length=2_000)] = None,
    error: Annotated[str | None, Query(max_length=200)] = None,
) -> Answer:
    return Answer(code=code, state=state, issuer=iss, error=error)


SingleSignOnDep = Annotated[SingleSignOn, Depends(_single_sign_on)]
ReturnTo = Annotated[
    str | None,
    Query(
        max_length=1_000,
        description="A page of an origin among those that CORS allows. It gets "
        "`#code=...`, for `POST /api/v1/auth/token` with the grant type "
        "`authorization_code`. Left out, the callback answers the tokens itself.",
    ),
]
CodeChallenge = Annotated[
    str | None,
    Query(
        max_length=100,
        description="With `return_to`: the SHA-256, in base64url, of a verifier that "
        "the page thinks of and keeps (RFC 7636, `S256`).",
    ),
]


@router.get(
    "/auth/sso/{provider_id}",
    summary="Ask whether to sign in by an identity provider",
    response_class=HTMLResponse,
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(404, 422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def offer_single_sign_on(
    provider_id: UUID,
    service: SingleSignOnDep,
    return_to: ReturnTo = None,
    code_challenge: CodeChallenge = None,
) -> Response:
    """Show a page with a button, for people who come by a link.

    Nobody is sent to a provider, to come back signed in, whom somebody has merely lured
    here.
    """
    name = await service.offer(
        provider_id, return_to=return_to, challenge=code_challenge
    )
    response = sign_on_page(name)
    keep_out_of_caches(response)
    return response


@router.post(
    "/auth/sso/{provider_id}",
    summary="Sign in by an identity provider",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(403, 404, 422, 429, 503),
)
@limited_as(RouteClass.SIGN_IN)
async def begin_single_sign_on(
    *,
    provider_id: UUID,
    request: Request,
    service: SingleSignOnDep,
    return_to: ReturnTo = None,
    code_challenge: CodeChallenge = None,
) -> Response:
    """Send the browser to the provider, for ten minutes at most.

    It is what the button of that page does, or of a page of an origin among those that
    CORS allows: a form, by which the browser says where it was sent from (`Origin`).
    """
    departure = await service.begin(
        provider_id,
        origin=request.headers.get("origin"),
        return_to=return_to,
        challenge=code_challenge,
    )
    response = RedirectResponse(departure.url, status_code=303)
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
    admitted = await admission.admit(
        provider_id, assertion, provider_version=journey.provider_version
    )
    if isinstance(admitted, DomainError):
        return await problem_of(request, admitted)
    vouching = admitted.vouching
    factors = [Factor.FEDERATED, *([Factor.MULTIPLE] * vouching.second_factor)]
    grant = await sessions.begin(
        admitted.user, factors=factors, client=client, vouching=vouching
    )
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


@router.post(
    "/auth/sso/{provider_id}/back-channel-logout",
    summary="Say that somebody has signed out at their provider",
    response_class=Response,
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(400, 404, 422, 429),
)
async def end_by_provider(
    *,
    provider_id: UUID,
    logout_token: Annotated[
        str, Form(max_length=8_192, description="That the provider has signed.")
    ] = "",
    service: SingleSignOnDep,
    logout: Annotated[ProviderLogoutService, Depends(_provider_logout)],
) -> Response:
    """End the sessions that began by a session there which is over.

    For providers alone (OpenID Connect Back-Channel Logout 1.0). Each token is good
    once, within five minutes.
    """
    await logout.end(provider_id, await service.notice(provider_id, logout_token))
    response = Response()
    keep_out_of_caches(response)
    return response
