"""Use cases of webhook endpoints: an organisation says where it wants to be told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from robosure.contexts.notifications.domain import (
    EndpointHealth,
    EventType,
    WebhookDelivery,
    WebhookEndpoint,
)
from robosure.contexts.notifications.domain.signing import new_secret
from robosure.contexts.notifications.ports import (
    Vault,
    WebhookDeliveries,
    WebhookEndpoints,
)
from robosure.contexts.notifications.repository import (
    SqlWebhookDeliveries,
    SqlWebhookEndpoints,
)
from robosure.contexts.notifications.schemas.facts import PingData, WebhookMessage
from robosure.kernel.errors import FieldError, Invalid, NotFound, Stale
from robosure.kernel.ids import uuid7
from robosure.platform.client import may_be_called, names_private_address
from robosure.platform.database import WriteSession
from robosure.platform.logging import DomainLogger
from robosure.platform.security.vault import FernetVault
from robosure.platform.settings import Settings

_log = DomainLogger("notifications", "endpoints")

WithHealth = tuple[WebhookEndpoint, EndpointHealth]


class WebhookEndpointService:
    """Manages one organisation's endpoints; another's are not found.

    An endpoint's health is locked before anything that hangs together with it changes,
    always in that order, so that nobody waits in a circle.
    """

    def __init__(
        self,
        endpoints: WebhookEndpoints,
        *,
        deliveries: WebhookDeliveries,
        vault: Vault,
        organisation_id: UUID,
        private: bool,
        hosts: Sequence[str],
        at: datetime,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._vault = vault
        self._organisation_id = organisation_id
        self._private = private
        self._hosts = hosts
        self._at = at

    @classmethod
    def on(
        cls,
        session: WriteSession,
        *,
        settings: Settings,
        organisation_id: UUID,
        at: datetime,
    ) -> Self:
        """Build over one transaction."""
        return cls(
            SqlWebhookEndpoints(session),
            deliveries=SqlWebhookDeliveries(session),
            vault=FernetVault.from_settings(settings),
            organisation_id=organisation_id,
            private=settings.webhooks_to_private_networks,
            hosts=settings.called_hosts,
            at=at,
        )

    async def register(
        self, *, url: str, description: str, event_types: Collection[EventType] | None
    ) -> tuple[WebhookEndpoint, EndpointHealth, str]:
        """Take an endpoint in.

        Returns:
            The endpoint, its health, and the secret, which nobody can read again.

        Raises:
            Invalid: nothing can, or may, be delivered at that URL.
            InvalidState: the organisation has as many as it may.
        """
        self._check_address(url)
        secret = new_secret()
        endpoint = WebhookEndpoint.register(
            organisation_id=self._organisation_id,
            url=url,
            description=description,
            event_types=event_types,
            sealed_secret=self._vault.seal(secret),
            private=self._private,
            at=self._at,
        )
        await self._endpoints.add(endpoint)
        _log.completed("register", endpoint_id=str(endpoint.id))
        return endpoint, EndpointHealth(endpoint.id), secret

    async def change(
        self,
        endpoint_id: UUID,
        *,
        expected_version: int | None,
        url: str,
        description: str,
        event_types: Collection[EventType] | None,
    ) -> WithHealth:
        """Describe an endpoint anew.

        Raises:
            NotFound: the organisation has no such endpoint.
            Stale: it is no longer the version that the caller saw.
            Invalid: nothing can, or may, be delivered at that URL.
        """
        endpoint, health = await self._get(endpoint_id, expected_version)
        self._check_address(url)
        endpoint.change(
            url=url,
            description=description,
            event_types=event_types,
            private=self._private,
        )
        return await self._save("change", endpoint, health)

    async def remove(self, endpoint_id: UUID, *, expected_version: int | None) -> None:
        """Forget an endpoint, with its secrets and its deliveries.

        Raises:
            NotFound: the organisation has no such endpoint.
            Stale: it is no longer the version that the caller saw.
        """
        endpoint, _ = await self._get(endpoint_id, expected_version)
        await self._endpoints.remove(endpoint)
        _log.completed("remove", endpoint_id=str(endpoint.id))

    async def rotate_secret(
        self, endpoint_id: UUID, *, end_previous: bool
    ) -> tuple[WebhookEndpoint, EndpointHealth, str]:
        """Sign with another secret from now on.

        Args:
            endpoint_id: which endpoint.
            end_previous: whether the secret so far ends at once, rather than in a day.

        Returns:
            The endpoint, its health, and the secret, which nobody can read again.

        Raises:
            NotFound: the organisation has no such endpoint.
            InvalidState: too many secrets sign already.
        """
        endpoint, health = await self._get(endpoint_id)
        secret = new_secret()
        endpoint.rotate(
            self._vault.seal(secret), at=self._at, end_previous=end_previous
        )
        return *await self._save("rotate_secret", endpoint, health), secret

    async def enable(self, endpoint_id: UUID) -> WithHealth:
        """Send to an endpoint again, what still waits first, as if it never failed.

        Raises:
            NotFound: the organisation has no such endpoint.
        """
        endpoint, health = await self._get(endpoint_id)
        endpoint.enable()
        health.reset()
        return await self._save("enable", endpoint, health)

    async def disable(self, endpoint_id: UUID) -> WithHealth:
        """Send nothing to an endpoint until it is enabled.

        Raises:
            NotFound: the organisation has no such endpoint.
        """
        endpoint, health = await self._get(endpoint_id)
        endpoint.disable(at=self._at)
        return await self._save("disable", endpoint, health)

    async def test(self, endpoint_id: UUID) -> WebhookDelivery:
        """Send an endpoint a ping, even while it is held.

        Raises:
            NotFound: the organisation has no such endpoint.
            InvalidState: it is disabled.
        """
        endpoint, health = await self._get(endpoint_id)
        endpoint.require_enabled()
        health.lift()
        ping = WebhookDelivery.of(
            event_id=uuid7(),
            endpoint_id=endpoint.id,
            organisation_id=endpoint.organisation_id,
            event_type=EventType.PING,
            occurred_at=self._at,
            body=WebhookMessage.body_of(
                EventType.PING, PingData(endpoint_id=endpoint.id), at=self._at
            ),
            at=self._at,
        )
        await self._deliveries.add([ping])
        _log.completed("test", endpoint_id=str(endpoint.id))
        return ping

    async def redeliver(self, delivery_id: UUID) -> WebhookDelivery:
        """Send a delivery once more, even while its endpoint is held.

        Raises:
            NotFound: the organisation has no such delivery.
            InvalidState: its endpoint is disabled, or it is being sent right now.
        """
        endpoint_id = await self._deliveries.endpoint_of(
            delivery_id, organisation_id=self._organisation_id
        )
        endpoint, health = await self._get(endpoint_id)
        endpoint.require_enabled()
        delivery = await self._deliveries.get_for_update(delivery_id)
        delivery.ask_again(at=self._at)
        health.lift()
        _log.completed("redeliver", endpoint_id=str(endpoint.id))
        return delivery

    async def _get(
        self, endpoint_id: UUID, expected_version: int | None = None
    ) -> WithHealth:
        health = await self._endpoints.health(endpoint_id)
        endpoint = await self._endpoints.get(endpoint_id)
        if health is None or endpoint.organisation_id != self._organisation_id:
            raise NotFound("webhook_endpoint_not_found", id=endpoint_id)
        if expected_version is not None and endpoint.version != expected_version:
            raise Stale("stale_version", version=endpoint.version)
        return endpoint, health

    async def _save(
        self, action: str, endpoint: WebhookEndpoint, health: EndpointHealth
    ) -> WithHealth:
        await self._endpoints.save(endpoint)
        _log.completed(action, endpoint_id=str(endpoint.id))
        return endpoint, health

    def _check_address(self, url: str) -> None:
        """Refuse a host that is not allowed, and an address that is not public.

        That is, one that is written out; names wait for DNS.
        """
        if not self._private and names_private_address(url):
            code, detail = "address_refused", "it must be a public address"
        elif not may_be_called(url, self._hosts):
            code, detail = "host_not_allowed", "no webhooks are sent there"
        else:
            return
        raise Invalid("invalid_webhook_url", errors=[FieldError("url", code, detail)])
