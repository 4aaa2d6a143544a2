"""Signing out with the provider: what began by a session there ends with it."""

from __future__ import annotations

from uuid import UUID

from robosure.contexts.identity.ports import ExternalIdentities
from robosure.contexts.identity.service.sessions import SessionService
from robosure.platform.federation import LogoutNotice


class ProviderLogoutService:
    """Ends the sessions that a provider says are over."""

    def __init__(
        self, identities: ExternalIdentities, *, sessions: SessionService
    ) -> None:
        self._identities = identities
        self._sessions = sessions

    async def end(self, provider_id: UUID, notice: LogoutNotice) -> None:
        """End them; where there are none any more, that is as well.

        Args:
            provider_id: who says so.
            notice: one session there, everybody's of a name, or one of somebody's.
        """
        user_id = None
        if notice.subject is not None:
            known = await self._identities.find(
                provider_id, issuer=notice.issuer, subject=notice.subject
            )
            if known is None:
                return
            user_id = known.user_id
        await self._sessions.end_vouched(
            provider_id, session=notice.session, user_id=user_id
        )
