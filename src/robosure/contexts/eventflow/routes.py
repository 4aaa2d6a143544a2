"""Eventflow over HTTP: taking events in, and looking at what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Header, HTTPException, Query, Request
from pydantic import AwareDatetime

from robosure.contexts.eventflow.queries import (
    EventFilter,
    EventQueries,
    event_types,
)
from robosure.contexts.eventflow.repository import SqlKnownRobots
from robosure.contexts.eventflow.schemas import (
    SAMPLE,
    CountsOut,
    EventOut,
    EventTypesOut,
    FailedEventOut,
    Name,
    Receipt,
)
from robosure.contexts.eventflow.service.reception import (
    ReceptionService,
    parse_batch,
    parse_lines,
    parse_one,
)
from robosure.platform.http import (
    ApiRouter,
    Cursor,
    Page,
    Principal,
    ReadDb,
    RuntimeDep,
    problems,
    requires,
    signed_in,
)

router = ApiRouter(tags=["events"])

_PARSERS: Final[Mapping[str, Callable[[bytes], list[Any]]]] = {
    "application/cloudevents+json": parse_one,
    "application/cloudevents-batch+json": parse_batch,
    "application/x-ndjson": parse_lines,
}
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


def _reception(runtime: RuntimeDep) -> ReceptionService:
    robots = SqlKnownRobots(runtime.database)
    return ReceptionService(robots, runtime.redis, runtime.clock)


def _queries(
    session: ReadDb, principal: Annotated[Principal, requires("events:read")]
) -> EventQueries:
    return EventQueries(session, principal)


Queries = Annotated[EventQueries, Depends(_queries)]


async def _incoming(request: Request) -> list[Any]:
    """Parse the body by its content type."""
    content_type = request.headers.get("content-type", "")
    parse = _PARSERS.get(content_type.partition(";")[0].strip().lower())
    if parse is None:
        raise HTTPException(415, f"send one of {', '.join(_PARSERS)}")
    return parse(await request.body())


@router.post(
    "/events",
    summary="Send events",
    status_code=202,
    responses=problems(413, 415, 422, 503),
    openapi_extra=_BODY,
)
async def send_events(
    *,
    principal: Annotated[Principal, requires("events:write")],
    incoming: Annotated[list[Any], Depends(_incoming)],
    service: Annotated[ReceptionService, Depends(_reception)],
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            max_length=255,
            description="Makes repeating this request safe.",
        ),
    ] = None,
) -> Receipt:
    """Take in up to 1,000 events, and say of each whether it was accepted.

    Accepted events are safe and will be processed, each `(source, id)` once. One
    refused event does not keep the others out.
    """
    return await service.receive(
        incoming, principal=principal, idempotency_key=idempotency_key
    )


@router.get("/events", summary="List events", responses=problems(422))
async def list_events(
    *,
    queries: Queries,
    cursor: Cursor,
    type_: Annotated[Name | None, Query(alias="type")] = None,
    subject: Annotated[UUID | None, Query(description="The robot.")] = None,
    source: Annotated[Name | None, Query()] = None,
    id_: Annotated[Name | None, Query(alias="id", description="The sender's.")] = None,
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[
        AwareDatetime | None, Query(alias="to", description="Not included.")
    ] = None,
) -> Page[EventOut]:
    """Answer processed events, the last received first."""
    chosen = EventFilter(type_, subject, source, id_, since, until)
    return await queries.events(cursor, chosen=chosen)


@router.get("/events/{uid}", summary="Read an event", responses=problems(404, 422))
async def read_event(uid: UUID, queries: Queries) -> EventOut:
    """Answer one; find its `uid` by listing with `source` and `id`."""
    return await queries.event(uid)


@router.get("/event-types", summary="List types of events", responses=problems())
async def list_event_types(
    _principal: Annotated[Principal, signed_in()],
) -> EventTypesOut:
    """Answer what may be sent, with the JSON Schema of `data` and a sample."""
    return event_types()


@router.get("/event-counts", summary="Count events", responses=problems(404, 422))
async def count_events(
    queries: Queries, subject: Annotated[UUID, Query(description="The robot.")]
) -> CountsOut:
    """Answer how many of a robot's events were stored, repeated and failed."""
    return await queries.counts(subject)


@router.get("/failed-events", summary="List failed events", responses=problems(422))
async def list_failed_events(
    queries: Queries,
    cursor: Cursor,
    subject: Annotated[UUID | None, Query(description="The robot.")] = None,
) -> Page[FailedEventOut]:
    """Answer events that were accepted but could not be processed, and why."""
    return await queries.failed_events(cursor, subject=subject)
