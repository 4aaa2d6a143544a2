"""Identity's read side: lists and single things, as the one who asks may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.schemas import (
    ApiKeyOut,
    AuditEntryOut,
    OrganisationOut,
    UserOut,
)
from robosure.contexts.identity.tables import api_keys, organisations, users
from robosure.kernel.errors import Forbidden, Invalid, NotFound
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


class IdentityQueries:
    """What one principal may see of organisations, people, keys and the audit trail."""

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal
        self._insurer = principal.organisation_kind == OrganisationKind.INSURER

    async def organisations(
        self, cursor: PageRequest, *, kind: OrganisationKind | None
    ) -> Page[OrganisationOut]:
        """List organisations: an insurer sees all, others themselves."""
        statement = select(organisations).where(self._sees_organisation())
        if kind is not None:
            statement = statement.where(organisations.c.kind == kind)
        return await paginate(
            self._session,
            statement,
            by=organisations.c.id,
            cursor=cursor,
            model=OrganisationOut,
        )

    async def organisation(self, organisation_id: UUID) -> OrganisationOut:
        """Return one.

        Raises:
            NotFound: there is none, or not for the one who asks.
        """
        statement = select(organisations).where(
            organisations.c.id == organisation_id, self._sees_organisation()
        )
        row = (await self._session.execute(statement)).first()
        if row is None:
            raise NotFound("organisation_not_found", organisation_id=organisation_id)
        return OrganisationOut.model_validate(row)

    async def users(
        self, cursor: PageRequest, *, organisation_id: UUID | None
    ) -> Page[UserOut]:
        """List users: everyone's own, and for an insurer all but other insurers'."""
        statement = select(users).join(organisations).where(self._manages_users())
        if organisation_id is not None:
            statement = statement.where(users.c.organisation_id == organisation_id)
        return await paginate(
            self._session, statement, by=users.c.id, cursor=cursor, model=UserOut
        )

    async def user(self, user_id: UUID) -> UserOut:
        """Return one.

        Raises:
            NotFound: there is none, or not for the one who asks.
        """
        statement = (
            select(users)
            .join(organisations)
            .where(users.c.id == user_id, self._manages_users())
        )
        row = (await self._session.execute(statement)).first()
        if row is None:
            raise NotFound("user_not_found", user_id=user_id)
        return UserOut.model_validate(row)

    async def api_keys(
        self, cursor: PageRequest, *, organisation_id: UUID | None
    ) -> Page[ApiKeyOut]:
        """List keys of the organisations whose users one manages."""
        statement = select(api_keys).join(organisations).where(self._manages_users())
        if organisation_id is not None:
            statement = statement.where(api_keys.c.organisation_id == organisation_id)
        return await paginate(
            self._session, statement, by=api_keys.c.id, cursor=cursor, model=ApiKeyOut
        )

    async def audit_entries(
        self, cursor: PageRequest, *, chosen: AuditFilter
    ) -> Page[AuditEntryOut]:
        """List who did what: all but what was done on other insurers' behalf.

        Raises:
            Forbidden: only an insurer's own people look.
            Invalid: an object's id without its type.
        """
        if not self._insurer:
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

    def _sees_organisation(self) -> ColumnElement[bool]:
        if self._insurer:
            return true()
        return organisations.c.id == self._principal.organisation_id

    def _manages_users(self) -> ColumnElement[bool]:
        """Say in SQL what ``Organisation.is_managed_by`` says of one."""
        own = organisations.c.id == self._principal.organisation_id
        if self._insurer:
            return or_(own, organisations.c.kind != OrganisationKind.INSURER)
        return own


async def export_audit_entries(
    database: Database, principal: Principal, *, chosen: AuditFilter
) -> AsyncIterator[bytes]:
    """Return the entries that a principal may see as lines of JSON, the newest first.

    The first page is read at once, so that a refusal is an answer of its own; each
    other one when a reader has taken the one before.
    """

    async def page_after(last: UUID | None) -> Page[AuditEntryOut]:
        async with database.read() as session:
            queries = IdentityQueries(session, principal)
            wanted = PageRequest(_EXPORTED_AT_ONCE, last)
            return await queries.audit_entries(wanted, chosen=chosen)

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
