"""The audit trail, as the one who asks may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.schemas.audit import AuditEntryOut
from robosure.contexts.identity.tables import organisations
from robosure.kernel.errors import Forbidden, Invalid
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database, ReadSession
from robosure.platform.http import Page, PageRequest, Principal, matching, paginate

_EXPORTED_AT_ONCE: Final = 500


@dataclass(frozen=True)
class AuditFilter:
    """Which entries of the audit trail; all that is given must hold."""

    actor: UUID | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditQueries:
    """What one principal may see of the audit trail."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def entries(
        self, cursor: PageRequest, *, chosen: AuditFilter
    ) -> Page[AuditEntryOut]:
        """List who did what: all but what was done on other insurers' behalf.

        Raises:
            Forbidden: only an insurer's own people look.
            Invalid: an object's id without its type.
        """
        if self._principal.organisation_kind != OrganisationKind.INSURER:
            raise Forbidden("insurer_only")
        other_insurers = select(organisations.c.id).where(
            organisations.c.kind == OrganisationKind.INSURER,
            organisations.c.id != self._principal.organisation_id,
        )
        hidden = (await self._session.scalars(other_insurers)).all()
        behalf = audit_entries.c.organisation_id
        statement = select(audit_entries).where(
            or_(behalf.is_(None), behalf.not_in(hidden))
        )
        return await paginate(
            self._session,
            statement.where(*_chosen(chosen)),
            by=audit_entries.c.id,
            cursor=cursor,
            model=AuditEntryOut,
        )


async def export_audit_entries(
    database: Database, principal: Principal, *, chosen: AuditFilter
) -> AsyncIterator[bytes]:
    """Return the entries that a principal may see as lines of JSON, the newest first.

    The first page is read at once, so that a refusal is an answer of its own; each
    other one when a reader has taken the one before.
    """

    async def page_after(last: UUID | None) -> Page[AuditEntryOut]:
        async with database.read() as session:
            queries = AuditQueries(session, principal)
            wanted = PageRequest(_EXPORTED_AT_ONCE, last)
            return await queries.entries(wanted, chosen=chosen)

    async def lines(page: Page[AuditEntryOut]) -> AsyncIterator[bytes]:
        while page.items:
            yield b"".join(f"{e.model_dump_json()}\n".encode() for e in page.items)
            if page.next_cursor is None:
                return
            page = await page_after(page.items[-1].id)

    return lines(await page_after(None))


def _chosen(chosen: AuditFilter) -> list[ColumnElement[bool]]:
    entries = audit_entries.c
    conditions = matching(
        (entries.actor, chosen.actor), (entries.action, chosen.action)
    )
    if chosen.object_type is not None:
        about = chosen.object_type
        if chosen.object_id is not None:
            about = f"{about}:{chosen.object_id}"
        conditions.append(entries.objects.contains([about]))
    elif chosen.object_id is not None:
        raise Invalid("object_type_required", object_id=chosen.object_id)
    if chosen.since is not None:
        conditions.append(entries.at >= chosen.since)
    if chosen.until is not None:
        conditions.append(entries.at < chosen.until)
    return conditions
