"""Archives over HTTP: files of events that left the store."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query, Response

from robosure.contexts.eventflow.queries import ArchiveQueries
from robosure.contexts.eventflow.schemas import ArchiveOut, Name
from robosure.contexts.eventflow.service.storage.parquet import MEDIA_TYPE
from robosure.platform.http import (
    ApiRouter,
    Cursor,
    FilesDep,
    Page,
    Principal,
    ReadDb,
    RouteClass,
    attachment,
    limited_as,
    problems,
    requires,
)

router: Final = ApiRouter(tags=["events"])


def _queries(
    session: ReadDb, _principal: Annotated[Principal, requires("event_archives:read")]
) -> ArchiveQueries:
    return ArchiveQueries(session)


Queries = Annotated[ArchiveQueries, Depends(_queries)]

_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string", "format": "binary"},
                "example": "PAR1...PAR1",
            }
        },
    }
}


@router.get("/event-archives", summary="List archives", responses=problems(422))
async def list_archives(
    queries: Queries,
    cursor: Cursor,
    type_: Annotated[Name | None, Query(alias="type")] = None,
    since: Annotated[
        date | None, Query(alias="from", description="A day of its events, in UTC.")
    ] = None,
    until: Annotated[date | None, Query(alias="to", description="Included.")] = None,
) -> Page[ArchiveOut]:
    """Answer files of events past their retention, the last written first."""
    return await queries.archives(cursor, type_=type_, since=since, until=until)


@router.get(
    "/event-archives/{archive_id}/file",
    summary="Download an archive",
    response_class=Response,
    responses={**_FILE, **problems(404, 422)},
)
@limited_as(RouteClass.EXPORT)
async def download_archive(
    archive_id: UUID, queries: Queries, files: FilesDep
) -> Response:
    """Answer the events as Parquet, compressed with Zstandard."""
    key = await queries.file_key(archive_id)
    return Response(
        await files.get(key),
        media_type=MEDIA_TYPE,
        headers={"Content-Disposition": attachment(key.rpartition("/")[2])},
    )
