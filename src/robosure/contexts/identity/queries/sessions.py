"""Where somebody is signed in."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import literal, select

from robosure.contexts.identity.schemas.sessions import SessionOut
from robosure.contexts.identity.tables import sessions
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, paginate


class SessionQueries:
    """What one may see of sessions: one's own."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def live(
        self, cursor: PageRequest, *, at: datetime, idle: timedelta
    ) -> Page[SessionOut]:
        """List those that can go on at that moment."""
        current = sessions.c.id == literal(
            self._principal.session_id, sessions.c.id.type
        )
        statement = select(sessions, current.is_(True).label("current")).where(
            sessions.c.user_id == self._principal.subject,
            sessions.c.ended_at.is_(None),
            sessions.c.expires_at > at,
            sessions.c.refreshed_at > at - idle,
        )
        return await paginate(
            self._session,
            statement,
            by=sessions.c.id,
            cursor=cursor,
            model=SessionOut,
        )
