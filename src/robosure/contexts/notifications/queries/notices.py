"""The read side of notices: what was told, and what is there to be read."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, and_, func, or_, select

from robosure.contexts.notifications.domain import Channel, DeliveryStatus
from robosure.contexts.notifications.schemas.notices import (
    DeliveryResponse,
    MessageResponse,
    UnreadCountResponse,
)
from robosure.contexts.notifications.tables import deliveries, message_reads
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, matching, paginate


class NotificationQueries:
    """What one principal may see."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def deliveries(
        self,
        cursor: PageRequest,
        *,
        reference: str | None,
        holder_id: UUID | None,
        channel: Channel | None,
        status: DeliveryStatus | None,
    ) -> Page[DeliveryResponse]:
        """List deliveries of the principal's organisation, newest first."""
        c = deliveries.c
        own = self._principal.organisation_id
        statement = select(deliveries).where(
            or_(c.insurer_id == own, c.holder_id == own),
            *matching(
                (c.reference, reference),
                (c.holder_id, holder_id),
                (c.channel, channel),
                (c.status, status),
            ),
        )
        return await paginate(
            self._session, statement, by=c.id, cursor=cursor, model=DeliveryResponse
        )

    async def messages(self, cursor: PageRequest) -> Page[MessageResponse]:
        """List the organisation's messages in the app, newest first."""
        c = deliveries.c
        statement = (
            select(
                c.id,
                c.template,
                c.reference,
                c.subject,
                c.text,
                c.created_at,
                message_reads.c.read_at,
            )
            .select_from(self._with_reading())
            .where(self._addressed())
        )
        return await paginate(
            self._session, statement, by=c.id, cursor=cursor, model=MessageResponse
        )

    async def unread_count(self) -> UnreadCountResponse:
        """Count the messages that the principal has not read."""
        statement = (
            select(func.count())
            .select_from(self._with_reading())
            .where(self._addressed(), message_reads.c.read_at.is_(None))
        )
        unread = (await self._session.execute(statement)).scalar_one()
        return UnreadCountResponse(unread=unread)

    def _with_reading(self) -> FromClause:
        mine = and_(
            message_reads.c.delivery_id == deliveries.c.id,
            message_reads.c.reader_id == self._principal.subject,
        )
        return deliveries.outerjoin(message_reads, mine)

    def _addressed(self) -> ColumnElement[bool]:
        return and_(
            deliveries.c.holder_id == self._principal.organisation_id,
            deliveries.c.channel == Channel.IN_APP,
        )
