"""Stored events over HTTP: listed, exported, read, followed and counted."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from robosure.contexts.eventflow.queries import (
    CountQueries,
    EventFilter,
    EventPage,
    EventQueries,
    TraceQueries,
)
from robosure.contexts.eventflow.queries.cursor import Place
from robosure.contexts.eventflow.queries.export import ExportFormat, export
from robosure.contexts.eventflow.schemas import (
    CountsOut,
    EventOut,
    Name,
    TraceOut,
)
from robosure.contexts.eventflow.service.storage.parquet import MEDIA_TYPE
from robosure.platform.http import (
    ApiRouter,
    ClockDep,
    Page,
    Principal,
    ReadDb,
    RouteClass,
    RuntimeDep,
    attachment,
    limited_as,
    problems,
    requires,
)

router: Final = ApiRouter(tags=["events"])
Reader = Annotated[Principal, requires("events:read")]


def _page(
    limit: Annotated[int, Query(ge=1, le=200, description="Items per page.")] = 50,
    cursor: Annotated[
        str | None, Query(description="`next_cursor` of the page before.")
    ] = None,
) -> EventPage:
    return EventPage(limit, None if cursor is None else Place.decode(cursor))


def _chosen(
    *,
    uid: Annotated[UUID | None, Query(description="Ours.")] = None,
    type_: Annotated[Name | None, Query(alias="type")] = None,
    subject: Annotated[UUID | None, Query(description="The robot.")] = None,
    source: Annotated[Name | None, Query()] = None,
    id_: Annotated[Name | None, Query(alias="id", description="The sender's.")] = None,
    correlation_id: Annotated[
        Name | None, Query(description="`X-Request-ID` of the request that sent it.")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="Of the event's time.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(alias="to", description="Not included.")
    ] = None,
) -> EventFilter:
    return EventFilter(uid, type_, subject, source, id_, correlation_id, since, until)


def _queries(session: ReadDb, reader: Reader, clock: ClockDep) -> EventQueries:
    return EventQueries(session, reader, today=clock.now().date())


def _traces(session: ReadDb, reader: Reader, clock: ClockDep) -> TraceQueries:
    return TraceQueries(session, reader, today=clock.now().date())


def _counts(session: ReadDb, reader: Reader) -> CountQueries:
    return CountQueries(session, reader)


Chosen = Annotated[EventFilter, Depends(_chosen)]
Queries = Annotated[EventQueries, Depends(_queries)]

_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The events, the newest first, as they are being read.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One event per line."},
                "example": '{"uid":"6f3c1a52-8e0d-5b7a-9c41-2d7e8f901234",...}\n',
            },
            "text/csv": {
                "schema": {"type": "string", "description": "With a header."},
                "example": f"{','.join(EventOut.model_fields)}\n",
            },
            MEDIA_TYPE: {
                "schema": {"type": "string", "format": "binary"},
                "example": "PAR1...PAR1",
            },
        },
    }
}


@router.get("/events", summary="List events", responses=problems(422))
async def list_events(
    queries: Queries, page: Annotated[EventPage, Depends(_page)], chosen: Chosen
) -> Page[EventOut]:
    """Answer processed events by their time, the newest first.

    Where what is asked is rare, a page may hold less than `limit`, even nothing, and
    still have a `next_cursor`: the list goes on there.
    """
    return await queries.page(page, chosen=chosen)


@router.get(
    "/events/export",
    summary="Export events",
    response_class=StreamingResponse,
    responses={**_FILE, **problems(422)},
)
@limited_as(RouteClass.EXPORT)
async def export_events(
    reader: Reader,
    runtime: RuntimeDep,
    chosen: Chosen,
    form: Annotated[
        ExportFormat, Query(alias="format", description="Of the file.")
    ] = ExportFormat.NDJSON,
) -> StreamingResponse:
    """Answer all events that fit, the newest first, as a file of any size.

    A file that broke off, for a server went away, is told by its connection ending
    before its last chunk.
    """
    content = export(
        runtime.database,
        reader,
        chosen=chosen,
        form=form,
        today=runtime.clock.now().date(),
    )
    named = attachment(f"events.{form}")
    return StreamingResponse(
        content, media_type=form.media_type, headers={"Content-Disposition": named}
    )


@router.get("/events/{uid}", summary="Read an event", responses=problems(404, 422))
async def read_event(uid: UUID, queries: Queries) -> EventOut:
    """Answer one; find its `uid` by listing with `source` and `id`."""
    return await queries.event(uid)


@router.get(
    "/events/{uid}/trace", summary="Follow an event", responses=problems(404, 422)
)
async def follow_event(
    uid: UUID, queries: Annotated[TraceQueries, Depends(_traces)]
) -> TraceOut:
    """Answer its way: how it came, when it took effect, and what it caused.

    Also of an event that failed, and is not among the stored ones.
    """
    return await queries.trace(uid)


@router.get("/event-counts", summary="Count events", responses=problems(404, 422))
async def count_events(
    queries: Annotated[CountQueries, Depends(_counts)],
    subject: Annotated[UUID, Query(description="The robot.")],
) -> CountsOut:
    """Answer how many of a robot's events were stored, repeated and failed."""
    return await queries.counts(subject)
