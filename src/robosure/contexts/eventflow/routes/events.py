"""Events over HTTP: taken in."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

from fastapi import HTTPException, Request

from robosure.contexts.eventflow.repository import SqlKnownRobots
from robosure.contexts.eventflow.schemas import SAMPLE, Receipt
from robosure.contexts.eventflow.service.forms import FORMS
from robosure.contexts.eventflow.service.reception import ReceptionService
from robosure.contexts.eventflow.service.voice import RememberedRobots
from robosure.platform.http import (
    ApiRouter,
    Asked,
    Edge,
    IdempotencyKey,
    Principal,
    Promise,
    RouteClass,
    at_once,
    edge_of,
    express,
    limited_as,
    media_type_of,
    problems,
    requires,
)
from robosure.platform.streams import Batch

router = ApiRouter(tags=["events"])

_EVENT: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A CloudEvents 1.0 event; see `/event-types` for its `data`.",
    "required": ["specversion", "id", "source", "type", "subject", "time", "data"],
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/cloudevents+json": {"schema": _EVENT, "example": SAMPLE},
            "application/cloudevents-batch+json": {
                "schema": {"type": "array", "items": _EVENT, "maxItems": 1000},
                "example": [SAMPLE],
            },
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One event per line."},
                "example": f"{json.dumps(SAMPLE)}\n",
            },
        },
    }
}


def _reception(edge: Edge) -> ReceptionService:
    runtime = edge.runtime
    return ReceptionService(
        RememberedRobots(SqlKnownRobots(runtime.database), runtime.clock),
        runtime.bus,
        partitions=runtime.settings.event_partitions,
        pressure=edge.pressure,
        clock=runtime.clock,
    )


def _begin(asked: Asked) -> Promise | None:
    form = FORMS.get(asked.media_type)
    if form is None:
        return None
    batch = Batch(asked.id, asked.request_id, asked.at, asked.principal.subject)
    reception = asked.edge.kept(ReceptionService, _reception)
    return reception.begin(asked.body, form, batch=batch, principal=asked.principal)


@router.post(
    "/events",
    summary="Send events",
    status_code=202,
    responses=problems(413, 415, 422, 503),
    openapi_extra=_BODY,
)
@limited_as(RouteClass.TELEMETRY)
@at_once(_begin)
@express
async def send_events(
    *,
    request: Request,
    principal: Annotated[Principal, requires("events:write")],
    idempotency_key: IdempotencyKey = None,
) -> Receipt:
    """Take in up to 1,000 events, and say which were refused, and why.

    Accepted events are safe and will be processed, each `(source, id)` once. One
    refused event does not keep the others out. While too much waits to be processed,
    none is accepted: `503`, code `overloaded`, with the limit and when to come again.
    """
    form = FORMS.get(media_type_of(request.headers.get("content-type", "")))
    if form is None:
        raise HTTPException(415, f"send one of {', '.join(FORMS)}")
    service = edge_of(request).kept(ReceptionService, _reception)
    return await service.receive(
        await request.body(),
        form,
        principal=principal,
        idempotency_key=idempotency_key,
    )
