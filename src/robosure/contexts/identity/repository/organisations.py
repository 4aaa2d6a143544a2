"""Organisations in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from robosure.contexts.identity.domain import (
    Organisation,
    OrganisationKind,
)
from robosure.contexts.identity.tables import (
    organisations,
)
from robosure.kernel.errors import (
    AlreadyExists,
    NotFound,
)
from robosure.platform.database import WriteSession, translating


class SqlOrganisations:
    """Organisations in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, organisation: Organisation) -> None:
        """Keep a new one."""
        taken = AlreadyExists(
            "organisation_exists", kind=organisation.kind.value, name=organisation.name
        )
        async with translating(self._session, {"uq_organisations_kind_name": taken}):
            self._session.add(organisation)

    async def get(self, organisation_id: UUID) -> Organisation:
        """Return one."""
        found = await self._session.get(Organisation, organisation_id)
        if found is None:
            raise NotFound("organisation_not_found", organisation_id=organisation_id)
        return found

    async def named(self, kind: OrganisationKind, name: str) -> Organisation | None:
        """Return the one of that kind and name, if there is one."""
        statement = select(Organisation).where(
            organisations.c.kind == kind, organisations.c.name == name
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def insurers(self) -> Sequence[Organisation]:
        """Return all insurers."""
        statement = select(Organisation).where(
            organisations.c.kind == OrganisationKind.INSURER
        )
        return (await self._session.scalars(statement)).all()
