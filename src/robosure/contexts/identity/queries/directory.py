"""Organisations, people, roles and keys, as the one who asks may see them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.schemas.api_keys import ApiKeyOut
from robosure.contexts.identity.schemas.organisations import OrganisationOut
from robosure.contexts.identity.schemas.roles import CustomRoleOut
from robosure.contexts.identity.schemas.users import UserOut
from robosure.contexts.identity.tables import (
    api_keys,
    custom_roles,
    organisations,
    users,
)
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, paginate


class DirectoryQueries:
    """What one principal may see of organisations, people and keys."""

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

    async def custom_roles(self, cursor: PageRequest) -> Page[CustomRoleOut]:
        """List the roles that one's own organisation made."""
        return await paginate(
            self._session,
            select(custom_roles).where(self._own_role()),
            by=custom_roles.c.id,
            cursor=cursor,
            model=CustomRoleOut,
        )

    async def custom_role(self, role_id: UUID) -> CustomRoleOut:
        """Return one.

        Raises:
            NotFound: there is none, or it is another organisation's.
        """
        statement = select(custom_roles).where(
            custom_roles.c.id == role_id, self._own_role()
        )
        row = (await self._session.execute(statement)).first()
        if row is None:
            raise NotFound("custom_role_not_found", role_id=role_id)
        return CustomRoleOut.model_validate(row)

    def _own_role(self) -> ColumnElement[bool]:
        return custom_roles.c.organisation_id == self._principal.organisation_id

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
