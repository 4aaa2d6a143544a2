"""Roles of insurers' own, and who may approve how much, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select

from robosure.contexts.identity.domain import (
    AuthorityLimit,
    CustomRole,
    IdentityProvider,
    LimitStatus,
    authority_from,
)
from robosure.contexts.identity.tables import (
    authority_limits,
    custom_roles,
    identity_providers,
    users,
)
from robosure.kernel.authority import Authority, Decision
from robosure.kernel.errors import (
    AlreadyExists,
    InvalidState,
    NotFound,
    Stale,
)
from robosure.platform.database import WriteSession, translating
from robosure.platform.database.behalf import PLATFORM, continue_on_behalf_of
from robosure.platform.security import Principal


class SqlCustomRoles:
    """Roles of insurers' own in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, role: CustomRole) -> None:
        """Keep a new one."""
        taken = AlreadyExists("role_exists", name=role.name)
        constraints = {"uq_custom_roles_organisation_id_name": taken}
        async with translating(self._session, constraints):
            self._session.add(role)

    async def get_for_update(
        self, role_id: UUID, *, organisation_id: UUID
    ) -> CustomRole:
        """Return an insurer's, locked."""
        found = await self._session.get(CustomRole, role_id, with_for_update=True)
        if found is None or found.organisation_id != organisation_id:
            raise NotFound("custom_role_not_found", role_id=role_id)
        return found

    async def named(
        self, organisation_id: UUID, names: Collection[str]
    ) -> Sequence[CustomRole]:
        """Return those of these names that an insurer has."""
        statement = select(CustomRole).where(*_named(organisation_id, names))
        return (await self._session.scalars(statement)).all()

    async def hold(self, organisation_id: UUID, names: Collection[str]) -> set[str]:
        """Return which names an insurer's have; until the end nobody removes them."""
        statement = (
            select(custom_roles.c.name)
            .where(*_named(organisation_id, names))
            .order_by(custom_roles.c.id)
            .with_for_update(read=True)
        )
        return set(await self._session.scalars(statement))

    async def save(self, role: CustomRole) -> None:
        """Write a change now, so that its new version is known."""
        async with translating(self._session, {}):
            self._session.add(role)

    async def remove(self, role: CustomRole) -> None:
        """Forget one that is locked, so that nobody gets it meanwhile."""
        held = select(
            exists().where(
                users.c.organisation_id == role.organisation_id,
                users.c.roles.contains([role.name]),
                users.c.erased_at.is_(None),
            )
        )
        if await self._session.scalar(held):
            raise InvalidState("role_held", name=role.name)
        theirs = select(IdentityProvider).where(
            identity_providers.c.organisation_id == role.organisation_id
        )
        for provider in await self._session.scalars(theirs):
            if role.name in provider.rules.roles:
                raise InvalidState(
                    "role_mapped", name=role.name, provider=provider.name
                )
        await self._session.delete(role)
        await self._session.flush()


def _named(
    organisation_id: UUID, names: Collection[str]
) -> tuple[ColumnElement[bool], ...]:
    c = custom_roles.c
    return c.organisation_id == organisation_id, c.name.in_(sorted(names))


class SqlAuthorityLimits:
    """Authority limits in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def start(self, insurer_id: UUID, limits: Sequence[AuthorityLimit]) -> None:
        """Keep what an insurer starts with, unless it has limits of any kind.

        From here on the transaction is the platform's: who takes another insurer in
        does not see its limits.
        """
        await continue_on_behalf_of(self._session, PLATFORM)
        theirs = authority_limits.c.organisation_id == insurer_id
        if not await self._session.scalar(select(exists().where(theirs))):
            self._session.add_all(limits)

    async def add(self, limit: AuthorityLimit) -> None:
        """Keep a new one."""
        async with translating(self._session, {}):
            self._session.add(limit)

    async def get_for_update(
        self, limit_id: UUID, *, organisation_id: UUID
    ) -> AuthorityLimit:
        """Return an insurer's, locked."""
        found = await self._session.get(AuthorityLimit, limit_id, with_for_update=True)
        if found is None or found.organisation_id != organisation_id:
            raise NotFound("authority_limit_not_found", limit_id=limit_id)
        return found

    async def in_force_like(self, limit: AuthorityLimit) -> AuthorityLimit | None:
        """Return the one in force for the same, locked; None if there is none."""
        c = authority_limits.c
        statement = _in_force(
            limit.organisation_id, limit.decision, limit.amount.currency
        ).where(
            c.role.is_not_distinct_from(limit.role),
            c.user_id.is_not_distinct_from(limit.user_id),
        )
        return (await self._session.scalars(statement.with_for_update())).one_or_none()

    async def unended_of_role(
        self, role: str, *, organisation_id: UUID
    ) -> Sequence[AuthorityLimit]:
        """Return those of a role that are proposed or in force, locked."""
        c = authority_limits.c
        statement = (
            select(AuthorityLimit)
            .where(
                c.organisation_id == organisation_id,
                c.role == role,
                c.status.in_((LimitStatus.PROPOSED, LimitStatus.APPROVED)),
            )
            .order_by(c.id)
            .with_for_update()
        )
        return (await self._session.scalars(statement)).all()

    async def save(self, limit: AuthorityLimit) -> None:
        """Write a change now."""
        taken = Stale("stale_version", version=limit.version)
        async with translating(self._session, {"uq_authority_limits_in_force": taken}):
            self._session.add(limit)


class SqlAuthorities:
    """Who may approve how much, for whoever lets money go."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def authority_of(
        self, principal: Principal, *, decision: Decision, currency: str
    ) -> Authority:
        """Return up to what amount the principal may approve, and who may more."""
        in_force = _in_force(principal.organisation_id, decision, currency)
        return authority_from(
            await self._session.scalars(in_force),
            user_id=principal.subject,
            roles=principal.roles,
            currency=currency,
        )


def _in_force(
    organisation_id: UUID, decision: Decision, currency: str
) -> Select[AuthorityLimit]:
    c = authority_limits.c
    return select(AuthorityLimit).where(
        c.organisation_id == organisation_id,
        c.decision == decision,
        c.currency == currency,
        c.status == LimitStatus.APPROVED,
    )
