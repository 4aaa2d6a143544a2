"""Roles that an insurer makes of permissions, beside those that come along."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import AlreadyExists, Forbidden, Invalid

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


@dataclass(frozen=True)
class Grantable:
    """What somebody may make a role of.

    Attributes:
        of_insurers: permissions that people of an insurer may hold at all.
        of_maker: those that they hold themselves.
    """

    of_insurers: frozenset[str]
    of_maker: frozenset[str]

    def check(self, permissions: Collection[str]) -> None:
        """Let pass what they may give away.

        Raises:
            Invalid: ``permissions_not_for_insurers``, or there are none such.
            Forbidden: ``permissions_not_grantable``, they do not hold them.
        """
        if strange := sorted(set(permissions) - self.of_insurers):
            raise Invalid("permissions_not_for_insurers", permissions=strange)
        if missing := sorted(set(permissions) - self.of_maker):
            raise Forbidden("permissions_not_grantable", permissions=missing)


@dataclass(eq=False, kw_only=True)
class CustomRole(Aggregate):
    """A set of permissions that people of one insurer may hold.

    Attributes:
        name: unique in the organisation, and none that comes along; by it people hold
            the role, so it stays.
        permissions: sorted, at least one.
    """

    organisation_id: UUID
    name: str
    description: str
    permissions: tuple[str, ...]
    created_by: UUID
    created_at: datetime

    @classmethod
    def define(
        cls,
        *,
        organisation_id: UUID,
        name: str,
        description: str,
        permissions: Collection[str],
        reserved: Collection[str],
        grantable: Grantable,
        by: UUID,
        at: datetime,
    ) -> Self:
        """Make a role.

        Args:
            organisation_id: the insurer's.
            name: snake_case.
            description: what it is for.
            permissions: that it gives.
            reserved: names of the roles that come along.
            grantable: what its maker may make it of.
            by: its maker.
            at: now.

        Raises:
            Invalid: ``invalid_role_name`` or ``role_needs_permissions``; see also
                :meth:`Grantable.check`.
            AlreadyExists: ``role_exists``, a role of that name comes along.
            Forbidden: see :meth:`Grantable.check`.
        """
        if not _NAME.fullmatch(name):
            raise Invalid("invalid_role_name", name=name)
        if name in reserved:
            raise AlreadyExists("role_exists", name=name)
        grantable.check(permissions)
        return cls(
            organisation_id=organisation_id,
            name=name,
            description=description,
            permissions=_sorted(permissions),
            created_by=by,
            created_at=at,
        )

    def change(
        self, *, description: str, permissions: Collection[str], grantable: Grantable
    ) -> None:
        """Describe it anew; who holds it has it so from their next token on.

        What it gives already may stay, whether or not the one who changes it holds it.

        Raises:
            Invalid: ``role_needs_permissions``; see also :meth:`Grantable.check`.
            Forbidden: see :meth:`Grantable.check`.
        """
        grantable.check(set(permissions) - set(self.permissions))
        self.permissions = _sorted(permissions)
        self.description = description


def _sorted(permissions: Collection[str]) -> tuple[str, ...]:
    if not permissions:
        raise Invalid("role_needs_permissions")
    return tuple(sorted(set(permissions)))
