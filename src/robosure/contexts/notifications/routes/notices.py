"""Notices over HTTP: deliveries, and messages in the app."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, status

from robosure.contexts.notifications.domain import Channel, DeliveryStatus
from robosure.contexts.notifications.queries import NotificationQueries
from robosure.contexts.notifications.schemas.notices import (
    DeliveryResponse,
    MessageResponse,
    UnreadCountResponse,
)
from robosure.contexts.notifications.service import NotificationService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Page,
    Principal,
    ReadDb,
    WriteDb,
    problems,
    requires,
)

router = ApiRouter(tags=["notifications"])


@router.get("/deliveries", summary="List deliveries", responses=problems(422))
async def list_deliveries(
    *,
    principal: Annotated[Principal, requires("deliveries:read")],
    session: ReadDb,
    cursor: Cursor,
    reference: Annotated[
        str | None,
        Query(description="A policy's or claim's number, or a webhook endpoint's id."),
    ] = None,
    holder_id: UUID | None = None,
    channel: Channel | None = None,
    delivery_status: Annotated[DeliveryStatus | None, Query(alias="status")] = None,
) -> Page[DeliveryResponse]:
    """List what was told to whom, and what came of it."""
    return await NotificationQueries(session, principal).deliveries(
        cursor,
        reference=reference,
        holder_id=holder_id,
        channel=channel,
        status=delivery_status,
    )


@router.get("/messages", summary="List messages", responses=problems(422))
async def list_messages(
    principal: Annotated[Principal, requires("messages:read")],
    session: ReadDb,
    cursor: Cursor,
) -> Page[MessageResponse]:
    """List what your organisation was told in the app."""
    return await NotificationQueries(session, principal).messages(cursor)


@router.get(
    "/messages/unread-count", summary="Count unread messages", responses=problems()
)
async def count_unread_messages(
    principal: Annotated[Principal, requires("messages:read")], session: ReadDb
) -> UnreadCountResponse:
    """Count the messages that you have not read."""
    return await NotificationQueries(session, principal).unread_count()


@router.post(
    "/messages/{message_id}/read",
    summary="Mark a message as read",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problems(404, 422),
)
async def read_message(
    message_id: UUID,
    principal: Annotated[Principal, requires("messages:read")],
    session: WriteDb,
    clock: ClockDep,
) -> None:
    """Remember that you have read a message; your colleagues have not."""
    await NotificationService.on(session).read(
        message_id,
        organisation_id=principal.organisation_id,
        reader_id=principal.subject,
        at=clock.now(),
    )
