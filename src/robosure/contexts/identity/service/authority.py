"""Who may approve how much: one proposes it, and another one decides."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from robosure.contexts.identity.domain import (
    ROLES_OF_KIND,
    AuthorityLimit,
    OrganisationKind,
)
from robosure.contexts.identity.ports import AuthorityLimits, CustomRoles, Users
from robosure.contexts.identity.repository import (
    SqlAuthorityLimits,
    SqlCustomRoles,
    SqlUsers,
)
from robosure.kernel.authority import Decision
from robosure.kernel.errors import Forbidden, Invalid, NotFound, Stale
from robosure.kernel.money import Money
from robosure.kernel.time import Clock
from robosure.platform.database import WriteSession
from robosure.platform.logging import DomainLogger
from robosure.platform.security import Principal

_log = DomainLogger("identity", "service")


class AuthorityService:
    """Keeps an insurer's authority limits; another's are not found."""

    def __init__(
        self,
        limits: AuthorityLimits,
        *,
        users: Users,
        roles: CustomRoles,
        by: Principal,
        clock: Clock,
    ) -> None:
        """Work for a person.

        Raises:
            Forbidden: they are none, or of no insurer.
        """
        if by.organisation_kind != OrganisationKind.INSURER:
            raise Forbidden("insurer_only")
        if by.kind != "user":
            # One person with two keys would pass for two people.
            raise Forbidden("person_required")
        self._limits = limits
        self._users = users
        self._roles = roles
        self._by = by
        self._clock = clock

    @classmethod
    def on(cls, session: WriteSession, *, by: Principal, clock: Clock) -> Self:
        """Build over one transaction."""
        return cls(
            SqlAuthorityLimits(session),
            users=SqlUsers(session),
            roles=SqlCustomRoles(session),
            by=by,
            clock=clock,
        )

    async def propose(
        self,
        *,
        decision: Decision,
        role: str | None,
        user_id: UUID | None,
        amount: Money,
        reason: str,
    ) -> AuthorityLimit:
        """Propose a limit.

        Raises:
            NotFound: the insurer has no such user.
            Invalid: it has no such role; see also :meth:`AuthorityLimit.propose`.
        """
        limit = AuthorityLimit.propose(
            organisation_id=self._by.organisation_id,
            decision=decision,
            role=role,
            user_id=user_id,
            amount=amount,
            reason=reason,
            by=self._by.subject,
            at=self._clock.now(),
        )
        await self._check_holder(role, user_id)
        await self._limits.add(limit)
        _log.completed("authority_proposal", **_about(limit))
        return limit

    async def approve(self, limit_id: UUID, *, expected: int | None) -> AuthorityLimit:
        """Put a limit in force, in place of the one that is.

        Raises:
            NotFound: the insurer has no such limit.
            Stale: it is no longer the version that the caller saw, or another was put
                in force at the same time.
            InvalidState, Forbidden: see :meth:`AuthorityLimit.approve`.
        """
        limit, now = await self._get(limit_id, expected), self._clock.now()
        in_force = await self._limits.in_force_like(limit)
        if in_force is not None:
            # It is written first, since only one may be in force; where this one may
            # not be approved, nothing of it stays.
            in_force.end(at=now)
            await self._limits.save(in_force)
        limit.approve(by=self._by.subject, roles=self._by.roles, at=now)
        await self._limits.save(limit)
        _log.completed("authority_approval", **_about(limit))
        return limit

    async def reject(self, limit_id: UUID, *, expected: int | None) -> AuthorityLimit:
        """Refuse a proposal, or withdraw one's own.

        Raises:
            NotFound: the insurer has no such limit.
            Stale: it is no longer the version that the caller saw.
            InvalidState, Forbidden: see :meth:`AuthorityLimit.reject`.
        """
        limit = await self._get(limit_id, expected)
        limit.reject(by=self._by.subject, roles=self._by.roles, at=self._clock.now())
        await self._limits.save(limit)
        _log.completed("authority_rejection", **_about(limit))
        return limit

    async def _get(self, limit_id: UUID, expected: int | None) -> AuthorityLimit:
        limit = await self._limits.get_for_update(
            limit_id, organisation_id=self._by.organisation_id
        )
        if expected is not None and limit.version != expected:
            raise Stale("stale_version", version=limit.version)
        return limit

    async def _check_holder(self, role: str | None, user_id: UUID | None) -> None:
        if user_id is not None:
            user = await self._users.get(user_id)
            if user.organisation_id != self._by.organisation_id:
                raise NotFound("user_not_found", user_id=user_id)
        if role is None or role in ROLES_OF_KIND[OrganisationKind.INSURER]:
            return
        if not await self._roles.hold(self._by.organisation_id, [role]):
            raise Invalid("unknown_role", role=role)


def _about(limit: AuthorityLimit) -> dict[str, str]:
    """Return what a log line says of a limit."""
    return {"limit_id": str(limit.id), "amount": str(limit.amount)}
