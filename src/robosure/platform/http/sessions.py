"""Sessions that have ended, as this process knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends

from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.http.edge import Edge, EdgeDep
from robosure.platform.security import EndedSessions
from robosure.platform.security.tokens import SKEW


def ended_sessions(edge: EdgeDep) -> EndedSessions:
    """Return the application's one."""
    return edge.kept(EndedSessions, _of)


def _of(edge: Edge) -> EndedSessions:
    async def look(since: datetime) -> Mapping[UUID, float]:
        if edge.authenticator is None:
            return {}
        with on_behalf_of(PLATFORM):
            async with edge.runtime.database.read() as session:
                return await edge.authenticator.ended_sessions(session, since=since)

    return EndedSessions(look, kept=edge.tokens.lifetime + SKEW)


EndedSessionsDep = Annotated[EndedSessions, Depends(ended_sessions)]
