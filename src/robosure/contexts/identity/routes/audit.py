"""The audit trail."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from robosure.contexts.identity.queries import (
    AuditFilter,
    AuditQueries,
    export_audit_entries,
)
from robosure.contexts.identity.schemas.audit import AuditEntryOut
from robosure.platform.http import (
    ApiRouter,
    Cursor,
    Page,
    Principal,
    ReadDb,
    RouteClass,
    RuntimeDep,
    limited_as,
    problems,
    requires,
)

router = ApiRouter()


def _chosen(
    *,
    actor: Annotated[UUID | None, Query(description="Only what they did.")] = None,
    action: Annotated[
        str | None,
        Query(max_length=200, description="Such as `DELETE /api/v1/users/{user_id}`."),
    ] = None,
    object_type: Annotated[
        str | None,
        Query(max_length=64, description="Only what concerns a `policy`, say."),
    ] = None,
    object_id: Annotated[
        str | None, Query(max_length=200, description="Only that one; with its type.")
    ] = None,
    since: Annotated[
        AwareDatetime | None, Query(alias="from", description="Only since then.")
    ] = None,
    until: Annotated[
        AwareDatetime | None, Query(alias="to", description="Only before then.")
    ] = None,
) -> AuditFilter:
    return AuditFilter(actor, action, object_type, object_id, since, until)


ChosenEntries = Annotated[AuditFilter, Depends(_chosen)]
_ENTRIES_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The entries, the newest first.",
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "One entry per line."},
                "example": '{"id":"01983a5e-7c10-7b4e-9d52-6f0e5a2c1b03",...}\n',
            }
        },
    }
}


@router.get("/audit-entries", summary="Read the audit trail", responses=problems(422))
async def list_audit_entries(
    session: ReadDb,
    principal: Annotated[Principal, requires("audit:read")],
    cursor: Cursor,
    chosen: ChosenEntries,
) -> Page[AuditEntryOut]:
    """Answer who did what and when, newest first. Only an insurer's people may."""
    queries = AuditQueries(session, principal)
    return await queries.entries(cursor, chosen=chosen)


@router.get(
    "/audit-entries/export",
    summary="Export the audit trail",
    response_class=StreamingResponse,
    responses={**_ENTRIES_FILE, **problems(422)},
)
@limited_as(RouteClass.EXPORT)
async def export_audit_trail(
    principal: Annotated[Principal, requires("audit:read")],
    runtime: RuntimeDep,
    chosen: ChosenEntries,
) -> StreamingResponse:
    """Answer all entries that fit, one JSON object per line, as they are being read."""
    lines = await export_audit_entries(runtime.database, principal, chosen=chosen)
    return StreamingResponse(lines, media_type="application/x-ndjson")
