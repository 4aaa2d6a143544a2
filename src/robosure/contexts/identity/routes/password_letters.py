"""Choosing a password by a letter: after forgetting it, or as the first one."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from robosure.contexts.identity.jobs import send_password_letters
from robosure.contexts.identity.repository import (
    SqlOrganisations,
    SqlPasswordLetters,
    SqlUsers,
)
from robosure.contexts.identity.routes.services import SessionsDep
from robosure.contexts.identity.schemas.sign_in import PasswordChoice, PasswordReset
from robosure.contexts.identity.service.password_letters import PasswordLetterService
from robosure.platform.database.behalf import PLATFORM
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    PasswordsDep,
    RouteClass,
    SourceDep,
    ThrottleDep,
    WriteDb,
    limited_as,
    problems,
    public,
)
from robosure.platform.jobs import defer

router = ApiRouter()


def _service(
    session: WriteDb, sessions: SessionsDep, passwords: PasswordsDep, clock: ClockDep
) -> PasswordLetterService:
    return PasswordLetterService(
        SqlPasswordLetters(session),
        users=SqlUsers(session),
        organisations=SqlOrganisations(session),
        sessions=sessions,
        passwords=passwords,
        clock=clock,
    )


ServiceDep = Annotated[PasswordLetterService, Depends(_service)]


@router.post(
    "/auth/password-reset",
    summary="Ask for a letter to choose another password",
    status_code=202,
    response_class=Response,
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def request_password_reset(
    *,
    body: PasswordReset,
    session: WriteDb,
    service: ServiceDep,
    throttle: ThrottleDep,
    source: SourceDep,
) -> None:
    """Have a letter sent, whose token is good once, for 30 minutes.

    The answer is the same whether or not anybody has that address. Nobody is written
    to who is deactivated, or who signs in by an identity provider.
    """
    await service.request(body.email, source=source, attempts=throttle)
    defer(session, send_password_letters)


@router.post(
    "/auth/password-reset/confirm",
    summary="Choose a password by a letter",
    status_code=204,
    dependencies=[public(behalf=PLATFORM)],
    responses=problems(422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def choose_password(
    *, body: PasswordChoice, request: Request, service: ServiceDep
) -> None:
    """Have another password, or a first one, and be signed out everywhere.

    It signs nobody in; who has a second factor is asked for it as ever. A token that is
    wrong, used or over is `401` with `invalid_password_token`.
    """
    # From here on the request acts for them, so the audit trail says whose it is.
    request.state.principal = await service.choose(
        body.token.get_secret_value(), body.new_password.get_secret_value()
    )
