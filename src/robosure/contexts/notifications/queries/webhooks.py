"""The read side of webhooks: an organisation's endpoints, and its delivery log."""

from __future__ import annotations

from datetime import datetime
from inspect import cleandoc
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select

from robosure.contexts.notifications.domain import EventType, WebhookStatus
from robosure.contexts.notifications.schemas.facts import TOLD
from robosure.contexts.notifications.schemas.webhooks import (
    AttemptResponse,
    WebhookDeliveryDetail,
    WebhookDeliveryResponse,
    WebhookEndpointResponse,
    WebhookEventTypeResponse,
    WebhookEventTypesResponse,
)
from robosure.contexts.notifications.tables import (
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
    webhook_health,
)
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, matching, paginate

_SHOWN_ATTEMPTS: Final = 100


class WebhookQueries:
    """What one principal may see: their organisation's."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._own = principal.organisation_id

    async def endpoints(self, cursor: PageRequest) -> Page[WebhookEndpointResponse]:
        """List endpoints, the last registered first."""
        return await paginate(
            self._session,
            self._endpoints(),
            by=webhook_endpoints.c.id,
            cursor=cursor,
            model=WebhookEndpointResponse,
        )

    async def endpoint(self, endpoint_id: UUID) -> tuple[WebhookEndpointResponse, int]:
        """Return an endpoint, and its version.

        Raises:
            NotFound: the organisation has no such endpoint.
        """
        statement = self._endpoints().where(webhook_endpoints.c.id == endpoint_id)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("webhook_endpoint_not_found", id=endpoint_id)
        return WebhookEndpointResponse.model_validate(row), row.version

    async def deliveries(
        self,
        endpoint_id: UUID,
        cursor: PageRequest,
        *,
        status: WebhookStatus | None,
        event_type: EventType | None,
        since: datetime | None,
        until: datetime | None,
    ) -> Page[WebhookDeliveryResponse]:
        """List what was to be sent to an endpoint, newest first.

        Args:
            endpoint_id: which.
            cursor: which page.
            status: only of that status.
            event_type: only of that type.
            since: only what was made at that moment or later.
            until: only what was made before.

        Raises:
            NotFound: the organisation has no such endpoint.
        """
        await self.endpoint(endpoint_id)
        c = webhook_deliveries.c
        statement = select(webhook_deliveries).where(
            c.endpoint_id == endpoint_id,
            *matching((c.status, status), (c.event_type, event_type)),
        )
        if since is not None:
            statement = statement.where(c.created_at >= since)
        if until is not None:
            statement = statement.where(c.created_at < until)
        return await paginate(
            self._session,
            statement,
            by=c.id,
            cursor=cursor,
            model=WebhookDeliveryResponse,
        )

    async def delivery(self, delivery_id: UUID) -> WebhookDeliveryDetail:
        """Return a delivery with its attempts.

        Raises:
            NotFound: the organisation has no such delivery.
        """
        c, a = webhook_deliveries.c, webhook_attempts.c
        statement = select(webhook_deliveries).where(
            c.id == delivery_id, c.organisation_id == self._own
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("webhook_delivery_not_found", id=delivery_id)
        trying = (
            select(webhook_attempts)
            .where(a.delivery_id == delivery_id)
            .order_by(a.id.desc())
            .limit(_SHOWN_ATTEMPTS)
        )
        tries = (await self._session.execute(trying)).all()
        return WebhookDeliveryDetail(
            **WebhookDeliveryResponse.model_validate(row).model_dump(),
            body=row.body,
            tries=[AttemptResponse.model_validate(each) for each in tries],
        )

    def _endpoints(self) -> Select[*tuple[Any, ...]]:
        h = webhook_health.c
        return (
            select(
                webhook_endpoints,
                h.failures,
                h.failing_since,
                h.held_until,
                h.delivered_at,
            )
            .join(webhook_health, h.endpoint_id == webhook_endpoints.c.id)
            .where(webhook_endpoints.c.organisation_id == self._own)
        )


def event_types() -> WebhookEventTypesResponse:
    """Describe every type of event."""
    items: list[WebhookEventTypeResponse] = []
    for event_type, told in TOLD.items():
        schema = told.data.model_json_schema(mode="serialization")
        items.append(
            WebhookEventTypeResponse(
                type=event_type,
                description=cleandoc(told.data.__doc__ or ""),
                audience=told.audience,
                example=schema["examples"][0],
                json_schema=schema,
            )
        )
    return WebhookEventTypesResponse(items=items)
