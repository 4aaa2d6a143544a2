"""Second factors."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Response

from robosure.contexts.identity.domain import Factor
from robosure.contexts.identity.jobs import send_password_letters
from robosure.contexts.identity.queries import SecondFactorQueries
from robosure.contexts.identity.repository import (
    SqlExternalIdentities,
    SqlOrganisations,
    SqlUsers,
)
from robosure.contexts.identity.routes.caching import keep_out_of_caches
from robosure.contexts.identity.routes.services import (
    LostFactorsDep,
    RolesInForceDep,
    SecondFactorServiceDep,
    SessionServiceDep,
    SignInServiceDep,
)
from robosure.contexts.identity.routes.sign_in import pair_of
from robosure.contexts.identity.schemas.second_factor import (
    CodeIn,
    EnrolmentIn,
    EnrolmentOut,
    RecoveryCodes,
    SecondFactorConfirmed,
    SecondFactorOut,
)
from robosure.contexts.identity.service.users import managed_user
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Principal,
    ReadDb,
    RouteClass,
    SourceDep,
    TokensDep,
    WriteDb,
    limited_as,
    problems,
    requires,
    signed_in,
)
from robosure.platform.jobs import defer

router = ApiRouter()
RecentPerson = Annotated[Principal, signed_in(recently=True)]
Beginner = Annotated[Principal, signed_in(recently=True, before_second_factor=True)]


@router.get(
    "/auth/second-factor", summary="Read your second factor", responses=problems()
)
async def read_second_factor(
    session: ReadDb,
    principal: Annotated[Principal, signed_in(before_second_factor=True)],
) -> SecondFactorOut:
    """Answer since when you are asked for one, if you are."""
    return await SecondFactorQueries(session, principal).own()


@router.post(
    "/auth/second-factor",
    summary="Begin a second factor",
    status_code=201,
    responses=problems(409, 422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def begin_second_factor(
    *,
    body: EnrolmentIn,
    response: Response,
    principal: Beginner,
    service: SecondFactorServiceDep,
    sign_ins: SignInServiceDep,
    source: SourceDep,
) -> EnrolmentOut:
    """Answer a secret for an authenticator app (TOTP), to be confirmed with a code.

    Until then nothing changes at sign-in, and asking again shows another secret.
    """
    if Factor.FEDERATED not in principal.factors:
        password = body.password.get_secret_value()
        await sign_ins.check_password(principal, password, source=source)
    keep_out_of_caches(response)
    return EnrolmentOut.model_validate(await service.begin(principal))


@router.post(
    "/auth/second-factor/confirm",
    summary="Confirm your second factor",
    responses=problems(404, 409, 422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def confirm_second_factor(
    *,
    body: CodeIn,
    response: Response,
    principal: Beginner,
    service: SecondFactorServiceDep,
    sessions: SessionServiceDep,
    tokens: TokensDep,
    clock: ClockDep,
) -> SecondFactorConfirmed:
    """Be asked for a code from the next sign-in on; answers the recovery codes.

    It proves who you are: go on by the tokens that it answers. Those before are good no
    longer, and your other sessions end, as they began without it.
    """
    codes = await service.confirm(principal, body.code.get_secret_value())
    await sessions.end_others(principal)
    grant = await sessions.prove(principal, Factor.ONE_TIME_CODE)
    keep_out_of_caches(response)
    pair = pair_of(grant, tokens, clock.now())
    return SecondFactorConfirmed(**pair.model_dump(), recovery_codes=codes)


@router.post(
    "/auth/second-factor/recovery-codes",
    summary="Renew your recovery codes",
    status_code=201,
    responses=problems(404, 422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def renew_recovery_codes(
    *,
    body: CodeIn,
    response: Response,
    principal: RecentPerson,
    service: SecondFactorServiceDep,
    sign_ins: SignInServiceDep,
    source: SourceDep,
) -> RecoveryCodes:
    """Answer new recovery codes for a code; those so far are good no longer."""
    code = body.code.get_secret_value()
    await sign_ins.check_code(principal, code, source=source)
    codes = await service.renew_recovery_codes(principal)
    keep_out_of_caches(response)
    return RecoveryCodes(recovery_codes=codes)


@router.post(
    "/auth/second-factor/removal",
    summary="Remove your second factor",
    status_code=204,
    responses=problems(404, 422, 429),
)
@limited_as(RouteClass.SIGN_IN)
async def remove_second_factor(
    *,
    body: CodeIn,
    principal: RecentPerson,
    service: SecondFactorServiceDep,
    sign_ins: SignInServiceDep,
    sessions: SessionServiceDep,
    source: SourceDep,
) -> None:
    """Be asked for no code any more, as before you change to another telephone.

    It takes a last code, and ends your other sessions.
    """
    code = body.code.get_secret_value()
    await sign_ins.check_code(principal, code, source=source)
    await service.remove(principal.subject)
    await sessions.end_others(principal)


@router.delete(
    "/users/{user_id}/second-factor",
    summary="Remove a user's second factor",
    status_code=204,
    responses=problems(404, 422),
)
async def remove_second_factor_of_user(
    *,
    user_id: UUID,
    session: WriteDb,
    principal: Annotated[Principal, requires("users:manage", sensitive=True)],
    service: SecondFactorServiceDep,
    lost_factors: LostFactorsDep,
    sessions: SessionServiceDep,
    roles: RolesInForceDep,
) -> None:
    """Help somebody who has lost their app and their recovery codes.

    They are signed out everywhere, and both of you are told by mail. Their next sign-in
    by the password takes a code that is sent to their address, and is good for setting
    up another second factor alone. Who manages people by a role of the insurer's own
    does so for those who may do no more than they. Make sure first that it is them who
    asks.
    """
    users, organisations = SqlUsers(session), SqlOrganisations(session)
    user, organisation = await managed_user(users, organisations, principal, user_id)
    await roles.check_may_give(principal, organisation, user.roles)
    if await SqlExternalIdentities(session).are_of(user_id):
        await service.remove(user_id)  # no password opens anything; see their provider
    else:
        await lost_factors.lose(principal, user)
        defer(session, send_password_letters)
    await sessions.end_all_of(principal, user_id)
