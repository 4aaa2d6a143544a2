"""Where people are signed in."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Response
from fastapi.responses import JSONResponse

from robosure.contexts.identity.queries import SessionQueries
from robosure.contexts.identity.routes.services import SessionServiceDep
from robosure.contexts.identity.schemas.sessions import SessionOut, SignedOut
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Page,
    Principal,
    ReadDb,
    SettingsDep,
    problems,
    requires,
    signed_in,
)

router = ApiRouter()


@router.post(
    "/auth/sign-out",
    summary="Sign out",
    status_code=204,
    responses={
        200: {
            "model": SignedOut,
            "description": "As 204, and where you sign out at your provider.",
        },
        **problems(409),
    },
)
async def sign_out(
    principal: Annotated[Principal, signed_in(before_second_factor=True)],
    service: SessionServiceDep,
) -> Response:
    """End the session you ask from: its access and refresh tokens are good no more.

    If it began by an identity provider, you are still signed in there. Where its people
    can sign out, the answer says where.
    """
    url = await service.sign_out(principal)
    if url is None:
        return Response(status_code=204)
    signed_out = SignedOut(provider_sign_out_url=url)
    return JSONResponse(signed_out.model_dump(mode="json"))


@router.get(
    "/auth/sessions", summary="List where you are signed in", responses=problems(422)
)
async def list_sessions(
    *,
    session: ReadDb,
    principal: Annotated[Principal, signed_in()],
    cursor: Cursor,
    settings: SettingsDep,
    clock: ClockDep,
) -> Page[SessionOut]:
    """Answer your sessions that can go on, the one you ask from among them."""
    idle = timedelta(seconds=settings.session_idle_seconds)
    return await SessionQueries(session, principal).live(
        cursor, at=clock.now(), idle=idle
    )


@router.delete(
    "/auth/sessions/{session_id}",
    summary="End a session of yours",
    status_code=204,
    responses=problems(404, 422),
)
async def end_session(
    session_id: UUID,
    principal: Annotated[Principal, signed_in()],
    service: SessionServiceDep,
) -> None:
    """End it, such as that of a lost telephone. One that is over stays as it is."""
    await service.end_own(principal, session_id)


@router.delete(
    "/users/{user_id}/sessions",
    summary="End a user's sessions",
    status_code=204,
    responses=problems(404, 422),
)
async def end_sessions_of_user(
    user_id: UUID,
    principal: Annotated[Principal, requires("users:manage")],
    service: SessionServiceDep,
) -> None:
    """Sign somebody out everywhere. They may sign in again if they are active."""
    await service.end_all_of(principal, user_id)
