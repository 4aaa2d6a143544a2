"""Signing in, and who one is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Form, Request, Response

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.jobs import send_password_letters
from robosure.contexts.identity.repository import (
    SqlOrganisations,
    SqlPasswordLetters,
)
from robosure.contexts.identity.routes.caching import keep_out_of_caches
from robosure.contexts.identity.routes.services import (
    ClientDep,
    SessionsDep,
    SessionServiceDep,
    SignInServiceDep,
    SignOnCodesDep,
)
from robosure.contexts.identity.schemas.sign_in import (
    Me,
    PasswordChange,
    ProofIn,
    SignIn,
    TokenForm,
    TokenPair,
)
from robosure.contexts.identity.service.sessions import Grant
from robosure.kernel.errors import DomainError, Invalid
from robosure.kernel.time import Clock
from robosure.platform.database.behalf import PLATFORM
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Principal,
    RouteClass,
    RuntimeDep,
    SourceDep,
    TokensDep,
    WriteDb,
    limited_as,
    problem_of,
    problems,
    public,
    signed_in,
)
from robosure.platform.jobs import defer
from robosure.platform.security import Tokens

router = ApiRouter()


@router.post(
    "/auth/sign-in",
    summary="Sign in",
    dependencies=[public(behalf=PLATFORM)],
    response_model=TokenPair,
    responses=problems(422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def sign_in(
    *,
    body: SignIn,
    request: Request,
    response: Response,
    session: WriteDb,
    service: SignInServiceDep,
    sessions: SessionServiceDep,
    tokens: TokensDep,
    clock: ClockDep,
    source: SourceDep,
    client: ClientDep,
) -> TokenPair | Response:
    """Answer a short-lived access token, and a refresh token that gets the next pair.

    After several failures the next attempt has to wait: `429` with `sign_in_delayed`
    until `Retry-After` is over, whether or not the password is right. The wait is a
    minute at most, so nobody is locked out for good.

    Who has set up a second factor is asked for a `code` of it: `401` with
    `second_factor_required`. Who has lost it is sent one: `second_factor_lost`. Where
    two factors are wanted, who has none yet sets one up before anything else.
    """
    grant = await service.sign_in(
        body.email,
        password=body.password.get_secret_value(),
        code=body.code.get_secret_value(),
        source=source,
        client=client,
        sessions=sessions,
    )
    if isinstance(grant, DomainError):
        defer(session, send_password_letters)
        return await problem_of(request, grant)
    return _answer(grant, request, response, tokens, clock)


@router.post(
    "/auth/token",
    summary="Stay signed in",
    dependencies=[public(behalf=PLATFORM)],
    response_model=TokenPair,
    responses=problems(422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def go_on(
    *,
    form: Annotated[TokenForm, Form()],
    request: Request,
    response: Response,
    session: WriteDb,
    service: SignInServiceDep,
    sessions: SessionServiceDep,
    codes: SignOnCodesDep,
    tokens: TokensDep,
    clock: ClockDep,
    source: SourceDep,
    client: ClientDep,
    runtime: RuntimeDep,
) -> TokenPair | Response:
    """Answer the next pair of tokens, or the first one after single sign-on.

    With the grant type `refresh_token`, use the last one that you got. Each is good
    once; its answer may be asked for again for ten seconds. A spent one ends the
    session.

    With `authorization_code`, `code` is what a page got in its address after single
    sign-on, and `code_verifier` what it thought of before. It is good once, for a
    minute.

    `password` is for trying things out with tools that know this form of OAuth 2.0:
    it signs in as `/auth/sign-in` does, and production refuses it.
    """
    grant: Grant | DomainError
    if form.grant_type == "refresh_token":
        grant = await sessions.refresh(form.refresh_token.get_secret_value())
    elif form.grant_type == "authorization_code":
        grant = await codes.redeem(
            form.code.get_secret_value(), form.code_verifier.get_secret_value()
        )
    elif runtime.settings.environment == "production":
        raise Invalid("grant_not_taken", grant_type=form.grant_type)
    else:
        grant = await service.sign_in(
            form.username,
            password=form.password.get_secret_value(),
            code=form.code.get_secret_value(),
            source=source,
            client=client,
            sessions=sessions,
        )
        defer(session, send_password_letters)
    if isinstance(grant, DomainError):
        return await problem_of(request, grant)
    return _answer(grant, request, response, tokens, clock)


def _answer(
    grant: Grant, request: Request, response: Response, tokens: Tokens, clock: Clock
) -> TokenPair:
    # From here on the request acts for them, so the audit trail says who signed in.
    request.state.principal = grant.principal
    keep_out_of_caches(response)
    return pair_of(grant, tokens, clock.now())


def pair_of(grant: Grant, tokens: Tokens, now: datetime) -> TokenPair:
    """Answer a grant."""
    return TokenPair(
        access_token=tokens.issue(grant.principal, now=now),
        expires_in=int(tokens.lifetime.total_seconds()),
        refresh_token=grant.refresh_token,
        refresh_expires_in=int((grant.ends_at - now).total_seconds()),
    )


@router.post(
    "/auth/proof",
    summary="Prove again who you are",
    responses=problems(409, 422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def prove_again(
    *,
    body: ProofIn,
    response: Response,
    principal: Annotated[Principal, signed_in(before_second_factor=True)],
    service: SignInServiceDep,
    sessions: SessionServiceDep,
    tokens: TokensDep,
    clock: ClockDep,
    source: SourceDep,
) -> TokenPair:
    """Answer tokens with which, for five minutes, you may do what is sensitive.

    The session's tokens so far are good no longer: `401` with `token_superseded`.
    Requests that are under way go on.

    What is sensitive answers `401` with `insufficient_user_authentication` if you have
    signed in, or proved again who you are, longer ago than that.
    """
    proven = await service.prove_again(
        principal,
        password=body.password.get_secret_value(),
        code=body.code.get_secret_value(),
        source=source,
        sessions=sessions,
    )
    keep_out_of_caches(response)
    return pair_of(proven, tokens, clock.now())


@router.post(
    "/auth/password",
    summary="Change your password",
    status_code=204,
    responses=problems(422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def change_password(
    *,
    body: PasswordChange,
    principal: Annotated[Principal, signed_in()],
    session: WriteDb,
    service: SignInServiceDep,
    sessions: SessionsDep,
    clock: ClockDep,
    source: SourceDep,
) -> None:
    """Have another password, and be signed out everywhere, here too."""
    await service.change_password(
        principal,
        current=body.current_password.get_secret_value(),
        new=body.new_password.get_secret_value(),
        source=source,
        organisations=SqlOrganisations(session),
        sessions=sessions,
        letters=SqlPasswordLetters(session),
        clock=clock,
    )


@router.get("/auth/me", summary="Who am I?", responses=problems())
async def me(
    principal: Annotated[Principal, signed_in(before_second_factor=True)],
) -> Me:
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
        session_id=principal.session_id,
    )
