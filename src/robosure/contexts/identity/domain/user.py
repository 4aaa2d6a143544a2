"""People who sign in."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from robosure.contexts.identity.domain.organisation import (
    Organisation,
    OrganisationKind,
    normalised_email,
)
from robosure.contexts.identity.domain.roles import check_roles
from robosure.contexts.identity.events import UserChanged, UserRegistered
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Invalid, InvalidState

_SKILL: Final = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")


@dataclass(eq=False, kw_only=True)
class User(Aggregate):
    """A person who signs in.

    Attributes:
        email: lower case; unique among all users.
        password_hash: Argon2id.
        roles: sorted, at least one.
        skills: robot classes or incident types an adjuster knows, sorted.
        active: whether they may sign in.
        erased_at: since when nothing says any more who it was.
        erasure: what became of their data then, as they were told.
    """

    organisation_id: UUID
    email: str
    name: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...]
    skills: tuple[str, ...]
    active: bool = True
    registered_at: datetime
    erased_at: datetime | None = None
    erasure: dict[str, Any] | None = None

    @classmethod
    def register(
        cls,
        organisation: Organisation,
        *,
        email: str,
        name: str,
        password_hash: str,
        roles: Collection[str],
        own_roles: Collection[str] = (),
        skills: Collection[str] = (),
        at: datetime,
    ) -> User:
        """Take a person into the organisation.

        Args:
            organisation: that they join.
            email: unique among all users.
            name: as they are called.
            password_hash: Argon2id.
            roles: that they are to hold.
            own_roles: names of roles of the organisation's own.
            skills: of an adjuster.
            at: now.

        Raises:
            Invalid: a role is not for this kind of organisation, there is none, a
                skill is not a name, or the address is none.
        """
        user = cls(
            organisation_id=organisation.id,
            email=normalised_email(email),
            name=name,
            password_hash=password_hash,
            roles=_roles(roles, organisation.kind, own_roles),
            skills=_skills(skills),
            registered_at=at,
        )
        user.record(
            UserRegistered(
                user_id=user.id,
                organisation_id=user.organisation_id,
                email=user.email,
                name=user.name,
                roles=user.roles,
                skills=user.skills,
            )
        )
        return user

    def change(
        self,
        organisation: Organisation,
        *,
        by: UUID,
        name: str | None = None,
        roles: Collection[str] | None = None,
        own_roles: Collection[str] = (),
        skills: Collection[str] | None = None,
        active: bool | None = None,
    ) -> None:
        """Change what is given and leave the rest; tell it if anything changed.

        Nobody changes their own roles or standing, so that an organisation's only
        admin cannot lock everyone out.

        Args:
            organisation: the user's own.
            by: who changes it.
            name: as they are called.
            roles: all of the new ones.
            own_roles: names of roles of the organisation's own.
            skills: all of the new ones.
            active: whether they may sign in.

        Raises:
            Invalid: as on registering.
            InvalidState: one would change one's own roles or standing, or the person
                was erased.
        """
        if self.erased_at is not None:
            raise InvalidState("user_erased", user_id=self.id)
        before = (self.name, self.roles, self.skills, self.active)
        after = (
            self.name if name is None else name,
            self.roles
            if roles is None
            else _roles(roles, organisation.kind, own_roles),
            self.skills if skills is None else _skills(skills),
            self.active if active is None else active,
        )
        if after == before:
            return
        if by == self.id and (after[1], after[3]) != (self.roles, self.active):
            raise InvalidState("own_access_unchangeable", user_id=self.id)
        self.name, self.roles, self.skills, self.active = after
        self._tell()

    def erase(
        self,
        *,
        email: str,
        name: str,
        password_hash: str,
        outcome: dict[str, Any],
        at: datetime,
    ) -> None:
        """Put pseudonyms in the place of who it is, and end their access.

        Args:
            email: stands for the address, and is nobody's.
            name: stands for the name.
            password_hash: of a password that nobody knows.
            outcome: what became of the person's data everywhere.
            at: now.
        """
        self.email, self.name, self.password_hash = email, name, password_hash
        self.skills, self.active = (), False
        self.erased_at, self.erasure = at, outcome
        self._tell()

    def _tell(self) -> None:
        self.record(
            UserChanged(
                user_id=self.id,
                organisation_id=self.organisation_id,
                email=self.email,
                name=self.name,
                roles=self.roles,
                skills=self.skills,
                active=self.active,
            )
        )

    def change_password(self, password_hash: str) -> None:
        """Have another password from now on."""
        self.password_hash = password_hash


def _roles(
    roles: Collection[str], kind: OrganisationKind, own: Collection[str]
) -> tuple[str, ...]:
    if not roles:
        raise Invalid("user_needs_roles")
    check_roles(roles, kind, own)
    return tuple(sorted(set(roles)))


def _skills(skills: Collection[str]) -> tuple[str, ...]:
    for skill in skills:
        if not _SKILL.fullmatch(skill):
            raise Invalid("invalid_skill", skill=skill)
    return tuple(sorted(set(skills)))
