"""Endpoints, facts for them, and a look at what came of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from robosure.contexts.notifications.domain import EventType, WebhookEndpoint
from robosure.contexts.notifications.service import (
    WebhookEndpointService,
    WebhookSender,
    WebhookService,
)
from robosure.contexts.notifications.tables import (
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
    webhook_health,
)
from robosure.kernel.ids import uuid7
from robosure.platform.client import HttpClient
from robosure.platform.runtime import Runtime
from robosure.platform.security.vault import FernetVault
from tests.integration.contexts.notifications.conftest import (
    HOLDER,
    instalment_paid,
)


class World:
    """One organisation's endpoints, on a runtime that may call this machine."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings.model_copy(
            update={"webhooks_to_private_networks": True}
        )
        self.runtime = replace(runtime, settings=settings)

    def sender(
        self,
        *,
        private: bool = True,
        http: HttpClient | None = None,
        vault: FernetVault | None = None,
    ) -> WebhookSender:
        """A sender without jitter."""
        return WebhookSender(
            self.runtime.database,
            http or self.runtime.http,
            self.runtime.clock,
            vault=vault or FernetVault.from_settings(self.runtime.settings),
            private=private,
            jitter=lambda: 0.0,
        )

    async def send(self) -> None:
        await self.sender().send_due()

    async def endpoint(
        self,
        url: str,
        *,
        organisation: UUID = HOLDER,
        event_types: list[EventType] | None = None,
    ) -> tuple[WebhookEndpoint, str]:
        """Register one; return it and its secret."""
        async with self.runtime.database.write() as session:
            service = WebhookEndpointService.on(
                session,
                settings=self.runtime.settings,
                organisation_id=organisation,
                at=self.runtime.clock.now(),
            )
            endpoint, _, secret = await service.register(
                url=url, description="", event_types=event_types
            )
        return endpoint, secret

    async def tell(self, count: int = 1, *, event_id: UUID | None = None) -> None:
        """Note facts that concern the organisation; nothing is sent yet."""
        for _ in range(count):
            async with self.runtime.database.write() as session:
                await WebhookService.on(session).announce(
                    EventType.INSTALMENT_PAID,
                    instalment_paid(),
                    event_id=event_id or uuid7(),
                    concerned={HOLDER},
                    at=self.runtime.clock.now(),
                )

    async def deliveries(self) -> list[Any]:
        """Every delivery, in the order of making."""
        return await self._rows(webhook_deliveries, webhook_deliveries.c.id)

    async def attempts(self) -> list[Any]:
        """Every attempt, in the order in which they were written down."""
        return await self._rows(webhook_attempts, webhook_attempts.c.id)

    async def endpoints(self) -> list[Any]:
        return await self._rows(webhook_endpoints, webhook_endpoints.c.id)

    async def health(self) -> Any:
        (row,) = await self._rows(webhook_health, webhook_health.c.endpoint_id)
        return row

    async def _rows(self, table: Any, order: Any) -> list[Any]:
        async with self.runtime.database.read() as session:
            return list((await session.execute(select(table).order_by(order))).all())
