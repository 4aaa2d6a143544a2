"""Use cases of webhooks: noting what concerns an organisation, and sending it.

:class:`WebhookService` works inside the caller's transaction. :class:`WebhookSender` is
what jobs run: it sends between transactions of its own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Self
from uuid import UUID

from robosure.contexts.notifications.domain import (
    Attempt,
    DisablingReason,
    EventType,
    Outcome,
    Result,
    WebhookDelivery,
    WebhookEndpoint,
)
from robosure.contexts.notifications.domain.signing import signed_headers
from robosure.contexts.notifications.domain.webhook import KEPT_ANSWER
from robosure.contexts.notifications.ports import (
    RobotsFollowed,
    Vault,
    WebhookDeliveries,
    WebhookEndpoints,
)
from robosure.contexts.notifications.repository import (
    SqlRobotsFollowed,
    SqlWebhookDeliveries,
    SqlWebhookEndpoints,
)
from robosure.contexts.notifications.schemas.facts import WebhookMessage
from robosure.kernel.errors import NotFound, Unavailable
from robosure.kernel.time import Clock
from robosure.platform.client import AddressRefused, HostRefused, HttpClient, TimedOut
from robosure.platform.database import Database, WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.runtime import Runtime
from robosure.platform.security.vault import FernetVault

ATTEMPTS: Final = counter(
    "notifications_webhook_attempts_total",
    "Times that a webhook was sent, by what came of it.",
    ["outcome"],
)
DISABLED: Final = counter(
    "notifications_webhook_endpoints_disabled_total",
    "Endpoints given up, by reason.",
    ["reason"],
)

MOST_AT_ONCE: Final = 64
"""How many deliveries one process has under way at a time."""

RUN: Final = 15.0
"""Seconds after which a run takes up nothing new, and ends with what is under way."""

_LOOK_AGAIN: Final = 0.25
"""Seconds after which a run looks for more, while receivers take their time."""


class WebhookService(LoggerMixin):
    """Notes for whom a fact is news; the caller's transaction holds all of it."""

    def __init__(
        self,
        endpoints: WebhookEndpoints,
        *,
        deliveries: WebhookDeliveries,
        robots: RobotsFollowed,
    ) -> None:
        self._endpoints = endpoints
        self._deliveries = deliveries
        self.robots = robots

    @classmethod
    def on(cls, session: WriteSession) -> Self:
        """Build over one transaction."""
        return cls(
            SqlWebhookEndpoints(session),
            deliveries=SqlWebhookDeliveries(session),
            robots=SqlRobotsFollowed(session),
        )

    async def announce(
        self,
        event_type: EventType,
        fact: object,
        *,
        event_id: UUID,
        concerned: Collection[UUID],
        at: datetime,
    ) -> int:
        """Note a fact for each endpoint of these organisations that is told of it.

        Args:
            event_type: what the endpoints know it as.
            fact: has what receivers are told of.
            event_id: of the fact; an endpoint gets it once.
            concerned: organisations.
            at: when it became true.

        Returns:
            How many deliveries there are to send that were not there before.
        """
        endpoints = await self._endpoints.wanting(event_type, concerned)
        if not endpoints:
            return 0
        body = WebhookMessage.body_of(event_type, fact, at=at)
        added = await self._deliveries.add(
            [
                WebhookDelivery.of(
                    event_id=event_id,
                    endpoint_id=endpoint.id,
                    organisation_id=endpoint.organisation_id,
                    event_type=event_type,
                    occurred_at=at,
                    body=body,
                    at=at,
                )
                for endpoint in endpoints
            ]
        )
        self.logger.info(
            "notifications.webhooks.announce_completed",
            event_type=event_type,
            event_id=str(event_id),
            deliveries=added,
        )
        return added


class WebhookSender(LoggerMixin):
    """Sends the webhooks that are due, many at a time and few to each endpoint.

    The transaction that claims a delivery is over before it is sent, and another one
    records what came of it. While one receiver takes its time the others are served.
    """

    def __init__(
        self,
        database: Database,
        http: HttpClient,
        clock: Clock,
        *,
        vault: Vault,
        private: bool,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._http = http
        self._clock = clock
        self._vault = vault
        self._private = private
        self._jitter = jitter

    @classmethod
    def of(cls, runtime: Runtime) -> Self:
        """Build for this process."""
        return cls(
            runtime.database,
            runtime.http,
            runtime.clock,
            vault=FernetVault.from_settings(runtime.settings),
            private=runtime.settings.webhooks_to_private_networks,
        )

    async def send_due(self) -> None:
        """Send what is due, and what becomes due meanwhile, for a short while."""
        until = time.monotonic() + RUN
        under_way: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                if time.monotonic() < until and len(under_way) < MOST_AT_ONCE:
                    due = await self._claim_beside(under_way)
                    under_way.update(
                        group.create_task(self._deliver(*each)) for each in due
                    )
                if not under_way:
                    return
                _, under_way = await asyncio.wait(
                    under_way,
                    timeout=_LOOK_AGAIN,
                    return_when=asyncio.FIRST_COMPLETED,
                )

    async def _claim_beside(
        self, under_way: Collection[asyncio.Task[None]]
    ) -> Sequence[tuple[WebhookDelivery, WebhookEndpoint]]:
        """Claim what there is room for; what is under way ends whatever happens."""
        try:
            return await self._claim(MOST_AT_ONCE - len(under_way))
        except Exception:
            if under_way:
                await asyncio.wait(under_way)
            raise

    async def _claim(
        self, most: int
    ) -> Sequence[tuple[WebhookDelivery, WebhookEndpoint]]:
        now = self._clock.now()
        async with self._database.write() as session:
            deliveries = SqlWebhookDeliveries(session)
            due = await deliveries.due(at=now, most=most)
            for delivery, _ in due:
                lost = delivery.claim(at=now)
                if lost is not None:
                    await deliveries.keep(lost)
                    ATTEMPTS.labels(lost.result.outcome).inc()
        return due

    async def _deliver(
        self, delivery: WebhookDelivery, endpoint: WebhookEndpoint
    ) -> None:
        """Send one; whatever goes wrong here, it is taken up again after its lease."""
        try:
            try:
                headers = self._headers(delivery, endpoint)
            except Unavailable as error:
                await self._put_back(delivery, str(error))
                return
            began = time.monotonic()
            result = await self._send(delivery, endpoint, headers)
            took = timedelta(seconds=time.monotonic() - began)
            await self._record(delivery, result, took)
        except Exception:
            self.logger.exception(
                "notifications.webhooks.deliver_failed", delivery_id=str(delivery.id)
            )

    def _headers(
        self, delivery: WebhookDelivery, endpoint: WebhookEndpoint
    ) -> dict[str, str]:
        now = self._clock.now()
        signed = signed_headers(
            [self._vault.open(each.sealed) for each in endpoint.signing_at(now)],
            message_id=delivery.message_id,
            at=now,
            body=delivery.body.encode(),
        )
        return {
            "Content-Type": "application/json",
            "User-Agent": "Robosure-Webhooks/1",
            **signed,
        }

    async def _send(
        self,
        delivery: WebhookDelivery,
        endpoint: WebhookEndpoint,
        headers: dict[str, str],
    ) -> Result:
        try:
            answer = await self._http.post_once(
                endpoint.url,
                content=delivery.body.encode(),
                headers=headers,
                keep=KEPT_ANSWER,
                private=self._private,
            )
        except HostRefused:
            return Result(Outcome.ADDRESS_REFUSED, error="not a host that is allowed")
        except AddressRefused:
            return Result(Outcome.ADDRESS_REFUSED, error="not a public address")
        except TimedOut:
            return Result(Outcome.TIMED_OUT, error="no whole answer in time")
        except Unavailable as error:
            reason = str(error.details.get("reason", error.code))
            return Result(Outcome.UNREACHABLE, error=_storable(reason)[:500])
        return Result.of_answer(
            answer.status,
            _storable(answer.body.decode(errors="replace")),
            retry_after=_retry_after(
                answer.headers.get("retry-after"), self._clock.now()
            ),
        )

    async def _put_back(self, claimed: WebhookDelivery, reason: str) -> None:
        """Leave it for when its secret can be read; every minute it is tried again."""
        async with self._database.write() as session:
            delivery = await SqlWebhookDeliveries(session).get_for_update(claimed.id)
            if delivery.is_claimed(since=claimed.last_attempt_at):
                delivery.put_back(at=self._clock.now())
        self.logger.error(
            "notifications.webhooks.deliver_postponed",
            delivery_id=str(claimed.id),
            endpoint_id=str(claimed.endpoint_id),
            reason=reason,
        )

    async def _record(
        self, claimed: WebhookDelivery, result: Result, took: timedelta
    ) -> None:
        now = self._clock.now()
        async with self._database.write() as session:
            endpoints = SqlWebhookEndpoints(session)
            deliveries = SqlWebhookDeliveries(session)
            health = await endpoints.health(claimed.endpoint_id)
            try:
                delivery = await deliveries.get_for_update(claimed.id)
            except NotFound:
                return  # removed while it was under way
            if health is None or not delivery.is_claimed(since=claimed.last_attempt_at):
                return  # it took so long that another took it over
            delivery.ended(result, at=now, jitter=self._jitter())
            began = claimed.last_attempt_at or now
            await deliveries.keep(
                Attempt(delivery.id, delivery.attempts, began, took, result)
            )
            if result.outcome is Outcome.DELIVERED:
                health.succeeded(at=now)
            else:
                since = health.failed(at=now, retry_after=result.retry_after)
                reason = _giving_up(result, too_long=health.given_up_at(now))
                if reason is not None:
                    endpoint = await endpoints.get(delivery.endpoint_id)
                    endpoint.give_up(
                        reason, failing_since=since, error=result.error or "", at=now
                    )
                    DISABLED.labels(reason).inc()
        ATTEMPTS.labels(result.outcome).inc()
        self.logger.info(
            "notifications.webhooks.deliver_completed",
            delivery_id=str(delivery.id),
            endpoint_id=str(delivery.endpoint_id),
            event_type=delivery.event_type,
            outcome=result.outcome,
            http_status=result.status,
            attempts=delivery.attempts,
        )


def _giving_up(result: Result, *, too_long: bool) -> DisablingReason | None:
    if result.outcome is Outcome.GONE:
        return DisablingReason.GONE
    return DisablingReason.FAILING if too_long else None


def _retry_after(header: Any, now: datetime) -> timedelta | None:
    """Read how long a receiver asks to be left alone: seconds, or a date."""
    if not isinstance(header, str):
        return None
    if header.isdecimal():
        return timedelta(seconds=min(int(header[:9]), 10**8))
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(timedelta(), moment - now)


def _storable(text: str) -> str:
    """Leave out what PostgreSQL cannot hold in a text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
