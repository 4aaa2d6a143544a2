"""Files of events that left the store."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from sqlalchemy import select

from robosure.contexts.eventflow.schemas import ArchiveOut
from robosure.contexts.eventflow.tables import archives
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, paginate


class ArchiveQueries:
    """Archives, for who may read everything that was sent."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def archives(
        self,
        cursor: PageRequest,
        *,
        type_: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> Page[ArchiveOut]:
        """List files, the last written first.

        Args:
            cursor: which page.
            type_: only with events of this type.
            since: only with events of this day or later.
            until: only with events of this day or earlier.
        """
        statement = select(archives).where(archives.c.file_key.is_not(None))
        if type_ is not None:
            statement = statement.where(archives.c.type == type_)
        if since is not None:
            statement = statement.where(archives.c.last_day >= since)
        if until is not None:
            statement = statement.where(archives.c.first_day <= until)
        return await paginate(
            self._session, statement, by=archives.c.id, cursor=cursor, model=ArchiveOut
        )

    async def file_key(self, archive_id: UUID) -> str:
        """Return where an archive's file is.

        Raises:
            NotFound: there is no such archive.
        """
        statement = select(archives.c.file_key).where(
            archives.c.id == archive_id, archives.c.file_key.is_not(None)
        )
        found = await self._session.execute(statement)
        key: str | None = found.scalar_one_or_none()
        if key is None:
            raise NotFound("archive_not_found", archive_id=str(archive_id))
        return key
