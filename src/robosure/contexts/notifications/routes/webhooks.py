"""Webhooks over HTTP: endpoints, their secrets, and the delivery log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import AwareDatetime

from robosure.contexts.notifications import queries
from robosure.contexts.notifications.domain import EventType, WebhookStatus
from robosure.contexts.notifications.jobs import send_webhooks
from robosure.contexts.notifications.queries import WebhookQueries
from robosure.contexts.notifications.schemas.webhooks import (
    RotationIn,
    WebhookDeliveryDetail,
    WebhookDeliveryResponse,
    WebhookEndpointIn,
    WebhookEndpointResponse,
    WebhookEndpointWithSecret,
    WebhookEventTypesResponse,
)
from robosure.contexts.notifications.service import WebhookEndpointService
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Cursor,
    Idempotent,
    IfMatch,
    Page,
    Principal,
    ReadDb,
    SettingsDep,
    WriteDb,
    problems,
    requires,
    set_etag,
)
from robosure.platform.jobs import defer

router = ApiRouter(tags=["webhooks"])

Manager = Annotated[Principal, requires("webhooks:manage")]


def _service(
    session: WriteDb, principal: Manager, settings: SettingsDep, clock: ClockDep
) -> WebhookEndpointService:
    return WebhookEndpointService.on(
        session,
        settings=settings,
        organisation_id=principal.organisation_id,
        at=clock.now(),
    )


def _queries(session: ReadDb, principal: Manager) -> WebhookQueries:
    return WebhookQueries(session, principal)


Service = Annotated[WebhookEndpointService, Depends(_service)]
Queries = Annotated[WebhookQueries, Depends(_queries)]


@router.get(
    "/webhook-event-types",
    summary="List what webhooks tell of",
    dependencies=[requires("webhooks:manage")],
    responses=problems(),
)
async def list_webhook_event_types() -> WebhookEventTypesResponse:
    """Answer every type of event, who is told, and what its data says."""
    return queries.event_types()


# --- endpoints ------------------------------------------------------------------------


@router.post(
    "/webhook-endpoints",
    summary="Register a webhook endpoint",
    status_code=201,
    responses=problems(409, 422),
)
async def register_webhook_endpoint(
    body: WebhookEndpointIn, response: Response, service: Service
) -> WebhookEndpointWithSecret:
    """Be told at a URL of what concerns your organisation, from now on.

    The answer shows the secret that signs, this once. For that reason it is not kept
    for `Idempotency-Key`; repeating this registers another endpoint.
    """
    endpoint, health, secret = await service.register(**dict(body))
    set_etag(response, endpoint.version)
    _keep_out_of_caches(response)
    return WebhookEndpointWithSecret(
        secret=secret, endpoint=WebhookEndpointResponse.of(endpoint, health)
    )


@router.get(
    "/webhook-endpoints", summary="List webhook endpoints", responses=problems(422)
)
async def list_webhook_endpoints(
    found: Queries, cursor: Cursor
) -> Page[WebhookEndpointResponse]:
    """Answer your organisation's endpoints and how they have been answering."""
    return await found.endpoints(cursor)


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    summary="Read a webhook endpoint",
    responses=problems(404, 422),
)
async def read_webhook_endpoint(
    endpoint_id: UUID, found: Queries, response: Response
) -> WebhookEndpointResponse:
    """Answer one endpoint. Its ETag tells changes of yours, not how it answers."""
    endpoint, version = await found.endpoint(endpoint_id)
    set_etag(response, version)
    return endpoint


@router.put(
    "/webhook-endpoints/{endpoint_id}",
    summary="Change a webhook endpoint",
    responses=problems(404, 409, 412, 422),
)
async def change_webhook_endpoint(
    endpoint_id: UUID,
    body: WebhookEndpointIn,
    response: Response,
    expected: IfMatch,
    service: Service,
) -> WebhookEndpointResponse:
    """Describe it anew. What waits to be sent goes to the new URL."""
    endpoint, health = await service.change(
        endpoint_id, expected_version=expected, **dict(body)
    )
    set_etag(response, endpoint.version)
    return WebhookEndpointResponse.of(endpoint, health)


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    summary="Remove a webhook endpoint",
    status_code=204,
    responses=problems(404, 409, 412, 422),
)
async def remove_webhook_endpoint(
    endpoint_id: UUID, expected: IfMatch, service: Service
) -> None:
    """Forget it, with its secrets, what waits to be sent, and its delivery log."""
    await service.remove(endpoint_id, expected_version=expected)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    summary="Rotate a webhook endpoint's secret",
    responses=problems(404, 409, 422),
)
async def rotate_webhook_secret(
    endpoint_id: UUID, body: RotationIn, response: Response, service: Service
) -> WebhookEndpointWithSecret:
    """Sign with another secret from now on. The answer shows it, this once.

    The one so far signs along for 24 hours, unless it is to end at once.
    """
    endpoint, health, secret = await service.rotate_secret(
        endpoint_id, end_previous=body.end_previous
    )
    set_etag(response, endpoint.version)
    _keep_out_of_caches(response)
    return WebhookEndpointWithSecret(
        secret=secret, endpoint=WebhookEndpointResponse.of(endpoint, health)
    )


@router.post(
    "/webhook-endpoints/{endpoint_id}/enable",
    summary="Enable a webhook endpoint",
    responses=problems(404, 409, 422),
)
async def enable_webhook_endpoint(
    endpoint_id: UUID, response: Response, session: WriteDb, service: Service
) -> WebhookEndpointResponse:
    """Send to it again, as if it never failed; what was left waiting goes first."""
    endpoint, health = await service.enable(endpoint_id)
    defer(session, send_webhooks)
    set_etag(response, endpoint.version)
    return WebhookEndpointResponse.of(endpoint, health)


@router.post(
    "/webhook-endpoints/{endpoint_id}/disable",
    summary="Disable a webhook endpoint",
    responses=problems(404, 409, 422),
)
async def disable_webhook_endpoint(
    endpoint_id: UUID, response: Response, service: Service
) -> WebhookEndpointResponse:
    """Send nothing until it is enabled. What happens meanwhile is not sent later."""
    endpoint, health = await service.disable(endpoint_id)
    set_etag(response, endpoint.version)
    return WebhookEndpointResponse.of(endpoint, health)


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    summary="Test a webhook endpoint",
    status_code=202,
    dependencies=[Idempotent],
    responses=problems(404, 409, 422),
)
async def check_webhook_endpoint(
    endpoint_id: UUID, session: WriteDb, service: Service
) -> WebhookDeliveryResponse:
    """Send it a `webhook.ping`. Read the delivery to see what came of it."""
    ping = await service.test(endpoint_id)
    defer(session, send_webhooks)
    return WebhookDeliveryResponse.model_validate(ping)


# --- deliveries -----------------------------------------------------------------------


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    summary="List a webhook endpoint's deliveries",
    responses=problems(404, 422),
)
async def list_webhook_deliveries(
    *,
    endpoint_id: UUID,
    found: Queries,
    cursor: Cursor,
    delivery_status: Annotated[WebhookStatus | None, Query(alias="status")] = None,
    event_type: EventType | None = None,
    since: Annotated[
        AwareDatetime | None, Query(description="Made at that moment or later.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(description="Made before that moment.")
    ] = None,
) -> Page[WebhookDeliveryResponse]:
    """Answer what was to be sent in the last 30 days, and what came of it."""
    return await found.deliveries(
        endpoint_id,
        cursor,
        status=delivery_status,
        event_type=event_type,
        since=since,
        until=until,
    )


@router.get(
    "/webhook-deliveries/{delivery_id}",
    summary="Read a webhook delivery",
    responses=problems(404, 422),
)
async def read_webhook_delivery(
    delivery_id: UUID, found: Queries
) -> WebhookDeliveryDetail:
    """Answer what is sent, and every attempt with what the receiver said."""
    return await found.delivery(delivery_id)


@router.post(
    "/webhook-deliveries/{delivery_id}/redeliver",
    summary="Send a webhook once more",
    status_code=202,
    dependencies=[Idempotent],
    responses=problems(404, 409, 422),
)
async def redeliver_webhook(
    delivery_id: UUID, session: WriteDb, service: Service
) -> WebhookDeliveryResponse:
    """Send it again now, whatever came of it, with the same `webhook-id`."""
    delivery = await service.redeliver(delivery_id)
    defer(session, send_webhooks)
    return WebhookDeliveryResponse.model_validate(delivery)


def _keep_out_of_caches(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"
