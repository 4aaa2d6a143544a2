"""Who may approve how much."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response

from robosure.contexts.identity.domain import AuthorityLimit, LimitStatus
from robosure.contexts.identity.queries import AuthorityQueries, LimitFilter
from robosure.contexts.identity.schemas.authority import (
    AuthorityLimitIn,
    AuthorityLimitOut,
)
from robosure.contexts.identity.service.authority import AuthorityService
from robosure.kernel.authority import Decision
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Idempotent,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    WriteDb,
    problems,
    requires,
    set_etag,
)

router = ApiRouter()

Proposer = Annotated[Principal, requires("authority:propose", sensitive=True)]
Approver = Annotated[Principal, requires("authority:approve", sensitive=True)]
Reader = Annotated[Principal, requires("authority:read")]


def _chosen(
    *,
    status: LimitStatus | None = None,
    decision: Decision | None = None,
    role: Annotated[
        str | None, Query(max_length=64, description="Only this role's.")
    ] = None,
    user_id: Annotated[
        UUID | None, Query(description="Only this person's own.")
    ] = None,
) -> LimitFilter:
    return LimitFilter(status, decision, role, user_id)


@router.post(
    "/authority-limits",
    summary="Propose an authority limit",
    status_code=201,
    dependencies=[Idempotent],
    responses=problems(404, 409, 422),
)
async def propose_authority_limit(
    body: AuthorityLimitIn,
    response: Response,
    principal: Proposer,
    session: WriteDb,
    clock: ClockDep,
) -> AuthorityLimitOut:
    """Propose up to what amount a role, or a person, may approve in a currency.

    It takes effect once someone else approves it, whom it does not concern.
    """
    service = AuthorityService.on(session, by=principal, clock=clock)
    limit = await service.propose(
        decision=body.decision,
        role=body.role,
        user_id=body.user_id,
        amount=body.amount.to_money(),
        reason=body.reason,
    )
    return _shown(limit, response)


@router.get(
    "/authority-limits", summary="List authority limits", responses=problems(422)
)
async def list_authority_limits(
    session: ReadDb,
    principal: Reader,
    cursor: Cursor,
    chosen: Annotated[LimitFilter, Depends(_chosen)],
) -> Page[AuthorityLimitOut]:
    """Answer your insurer's limits: those in force, proposed, and what became of them.

    Of a person's roles the highest limit counts; a limit of their own goes before them.
    """
    return await AuthorityQueries(session, principal).limits(cursor, chosen=chosen)


@router.get(
    "/authority-limits/{limit_id}",
    summary="Read an authority limit",
    responses=problems(404, 422),
)
async def read_authority_limit(
    limit_id: UUID, response: Response, session: ReadDb, principal: Reader
) -> AuthorityLimitOut:
    """Answer one limit; its `ETag` may be given back as `If-Match` when deciding."""
    limit = await AuthorityQueries(session, principal).limit(limit_id)
    set_etag(response, limit.version)
    return limit


@router.post(
    "/authority-limits/{limit_id}/approve",
    summary="Approve an authority limit",
    dependencies=[Idempotent],
    responses=problems(404, 409, 412, 422),
)
async def approve_authority_limit(
    *,
    limit_id: UUID,
    response: Response,
    principal: Approver,
    session: WriteDb,
    clock: ClockDep,
    expected: IfMatch,
) -> AuthorityLimitOut:
    """Put a limit in force at once, in place of the one that is.

    Nobody approves a limit that they proposed, nor one of their own or of their roles.
    """
    service = AuthorityService.on(session, by=principal, clock=clock)
    return _shown(await service.approve(limit_id, expected=expected), response)


@router.post(
    "/authority-limits/{limit_id}/reject",
    summary="Reject an authority limit",
    dependencies=[Idempotent],
    responses=problems(404, 409, 412, 422),
)
async def reject_authority_limit(
    *,
    limit_id: UUID,
    response: Response,
    principal: Approver,
    session: WriteDb,
    clock: ClockDep,
    expected: IfMatch,
) -> AuthorityLimitOut:
    """Refuse a proposed limit, or withdraw your own proposal."""
    service = AuthorityService.on(session, by=principal, clock=clock)
    return _shown(await service.reject(limit_id, expected=expected), response)


def _shown(limit: AuthorityLimit, response: Response) -> AuthorityLimitOut:
    set_etag(response, limit.version)
    return AuthorityLimitOut.model_validate(limit)
