"""The principal: the person or machine on whose behalf a request acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from robosure.platform.database.session import ReadSession, WriteSession


@dataclass(frozen=True)
class Principal:
    """A proven identity and what it may do.

    Attributes:
        subject: the user's or the API key's id.
        organisation_kind: ``insurer``, ``operator`` or ``manufacturer``.
        robot_id: the one robot an API key speaks for, if it is bound to one.
        session_id: the session that a person's token is of.
        generation: which of that session's tokens it is.
        authenticated_at: when the person last proved who they are.
        factors: how they did, by the names of RFC 8176.
        second_factor_due: whether they may do nothing but set up a second factor.
    """

    subject: UUID
    kind: Literal["user", "api_key"]
    name: str
    organisation_id: UUID
    organisation_kind: str
    roles: frozenset[str]
    permissions: frozenset[str]
    robot_id: UUID | None = None
    session_id: UUID | None = None
    generation: int = 1
    authenticated_at: datetime | None = None
    factors: frozenset[str] = frozenset()
    second_factor_due: bool = False

    def may(self, permission: str) -> bool:
        """Whether the principal holds the permission, and may use any."""
        return permission in self.permissions and not self.second_factor_due


class Authenticator(Protocol):
    """Knows API keys and sessions; the context that owns them provides one."""

    async def authenticate(
        self, session: WriteSession, presented: str, *, now: datetime
    ) -> Principal | None:
        """Return whose key was presented; None if it is unknown, expired or revoked."""
        ...

    async def ended_sessions(
        self, session: ReadSession, *, since: datetime
    ) -> Mapping[UUID, float]:
        """Return from which generation on tokens are good, where that changed since.

        Of a session that ended before its time it is :data:`OVER`.
        """
        ...
