"""Roles: what they give, who may give them, and an insurer's own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Self
from uuid import UUID

from robosure.contexts.identity.domain import (
    ROLES_OF_KIND,
    CustomRole,
    Grantable,
    Organisation,
    OrganisationKind,
    roles_in_effect,
)
from robosure.contexts.identity.ports import AuthorityLimits, CustomRoles
from robosure.contexts.identity.repository import SqlAuthorityLimits, SqlCustomRoles
from robosure.kernel.errors import Forbidden, Stale
from robosure.kernel.time import Clock
from robosure.platform.database import WriteSession
from robosure.platform.logging import DomainLogger
from robosure.platform.security import Principal, RoleCatalogue

_log = DomainLogger("identity", "service")
_ADMIN: Final = "admin"
_MANAGE: Final = "users:manage"


class Roles:
    """All roles of an installation, those of insurers among them."""

    def __init__(self, custom: CustomRoles, *, catalogue: RoleCatalogue) -> None:
        self._custom = custom
        self._catalogue = catalogue

    async def permissions_of(
        self, organisation: Organisation, roles: Collection[str]
    ) -> frozenset[str]:
        """Return what somebody may do who holds these roles there.

        An insurer's own role goes before one that comes along and is called the same,
        as a later release may bring one. It gives nothing that people of an insurer may
        no longer hold.
        """
        effective = roles_in_effect(organisation.kind, roles)
        if organisation.kind is not OrganisationKind.INSURER:
            return self._catalogue.permissions_of(effective)
        own = await self._custom.named(organisation.id, effective)
        given = frozenset[str]().union(*(role.permissions for role in own))
        known = effective - {role.name for role in own}
        return self._catalogue.permissions_of(known) | (
            given & permissions_of_insurers(self._catalogue)
        )

    async def names_of(
        self, organisation: Organisation, roles: Collection[str]
    ) -> frozenset[str]:
        """Return which of these are the insurer's own; they stay until the end.

        Until the transaction ends, that is, nobody removes them.
        """
        if organisation.kind is not OrganisationKind.INSURER:
            return frozenset()
        return frozenset(await self._custom.hold(organisation.id, roles))

    async def check_may_give(
        self, by: Principal, organisation: Organisation, roles: Collection[str]
    ) -> None:
        """Let pass who may give these roles to people there, or take them away.

        An admin may all of them. Who manages people by a role of the insurer's own may
        only those that give no more than they hold themselves: otherwise they would
        make themselves an admin by another's name.

        Raises:
            Forbidden: ``roles_not_grantable``.
        """
        if by.organisation_kind != OrganisationKind.INSURER or _ADMIN in by.roles:
            return
        beyond = await self.permissions_of(organisation, roles) - by.permissions
        if beyond:
            raise Forbidden("roles_not_grantable", permissions=sorted(beyond))

    async def check_may_end(
        self, by: Principal, organisation: Organisation, roles: Collection[str]
    ) -> None:
        """Let pass who may sign out or erase somebody who holds these roles there.

        Those who manage people are safe from keys, and from whoever may do less than
        they: it would be a way to be rid of them.

        Raises:
            Forbidden: ``person_required``, or ``roles_not_grantable``.
        """
        theirs = await self.permissions_of(organisation, roles)
        if _MANAGE not in theirs:
            return
        if by.kind != "user":
            raise Forbidden("person_required")
        if _ADMIN not in by.roles and (beyond := theirs - by.permissions):
            raise Forbidden("roles_not_grantable", permissions=sorted(beyond))


class CustomRoleService:
    """Makes, changes and removes an insurer's own roles; another's are not found."""

    def __init__(
        self,
        roles: CustomRoles,
        *,
        limits: AuthorityLimits,
        catalogue: RoleCatalogue,
        by: Principal,
        clock: Clock,
    ) -> None:
        """Work for somebody.

        Raises:
            Forbidden: they are of no insurer.
        """
        if by.organisation_kind != OrganisationKind.INSURER:
            raise Forbidden("insurer_only")
        self._roles = roles
        self._limits = limits
        self._catalogue = catalogue
        self._by = by
        self._clock = clock

    @classmethod
    def on(
        cls,
        session: WriteSession,
        *,
        catalogue: RoleCatalogue,
        by: Principal,
        clock: Clock,
    ) -> Self:
        """Build over one transaction."""
        return cls(
            SqlCustomRoles(session),
            limits=SqlAuthorityLimits(session),
            catalogue=catalogue,
            by=by,
            clock=clock,
        )

    async def define(
        self, *, name: str, description: str, permissions: Collection[str]
    ) -> CustomRole:
        """Make a role.

        Raises:
            AlreadyExists: a role is called so, of the insurer's or of those that come
                along.
            Invalid, Forbidden: see :meth:`CustomRole.define`.
        """
        role = CustomRole.define(
            organisation_id=self._by.organisation_id,
            name=name,
            description=description,
            permissions=permissions,
            reserved=self._reserved(),
            grantable=self._grantable(),
            by=self._by.subject,
            at=self._clock.now(),
        )
        await self._roles.add(role)
        _log.completed("role_definition", role_id=str(role.id), name=role.name)
        return role

    async def change(
        self,
        role_id: UUID,
        *,
        expected: int | None,
        description: str,
        permissions: Collection[str],
    ) -> CustomRole:
        """Describe a role anew.

        Raises:
            NotFound: the insurer has no such role.
            Stale: it is no longer the version that the caller saw.
            Invalid, Forbidden: see :meth:`CustomRole.change`.
        """
        role = await self._get(role_id, expected)
        role.change(
            description=description,
            permissions=permissions,
            grantable=self._grantable(),
        )
        await self._roles.save(role)
        _log.completed("role_change", role_id=str(role.id), name=role.name)
        return role

    async def remove(self, role_id: UUID, *, expected: int | None) -> None:
        """Remove a role, and end its authority limits.

        Otherwise a role of the same name would come into them.

        Raises:
            NotFound: the insurer has no such role.
            Stale: it is no longer the version that the caller saw.
            InvalidState: ``role_held``, somebody holds it; ``role_mapped``, a provider
                gives it.
        """
        role = await self._get(role_id, expected)
        await self._roles.remove(role)
        for limit in await self._limits.unended_of_role(
            role.name, organisation_id=role.organisation_id
        ):
            limit.end(at=self._clock.now())
        _log.completed("role_removal", role_id=str(role.id), name=role.name)

    async def _get(self, role_id: UUID, expected: int | None) -> CustomRole:
        role = await self._roles.get_for_update(
            role_id, organisation_id=self._by.organisation_id
        )
        if expected is not None and role.version != expected:
            raise Stale("stale_version", version=role.version)
        return role

    def _reserved(self) -> set[str]:
        """Return the names of all roles that come along."""
        names = set(self._catalogue.roles)
        for of_kind in ROLES_OF_KIND.values():
            names |= of_kind
        return names

    def _grantable(self) -> Grantable:
        return Grantable(
            of_insurers=permissions_of_insurers(self._catalogue),
            of_maker=self._by.permissions,
        )


def permissions_of_insurers(catalogue: RoleCatalogue) -> frozenset[str]:
    """Return the permissions that roles for people of an insurer give."""
    return catalogue.permissions_of(ROLES_OF_KIND[OrganisationKind.INSURER])
