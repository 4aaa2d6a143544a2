"""Codes for tokens: how a page gets what must not stand in its address.

As in OAuth 2 with PKCE: the page that sent somebody to sign in is the one that can
exchange the code, and nobody else who sees it.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from pydantic import BaseModel

from robosure.contexts.identity.service.sessions import Grant, SessionService
from robosure.kernel.errors import Unauthenticated
from robosure.kernel.time import Clock
from robosure.platform.federation.flow import is_verified_by
from robosure.platform.security import OneTime

LIFETIME: Final = timedelta(minutes=1)
"""For so long a code may be exchanged."""


class _Issued(BaseModel):
    """What a code is good for."""

    session_id: UUID
    challenge: str
    ends_at: datetime


class SignOnCodes:
    """Gives codes for sessions that have begun, and the sessions for the codes."""

    def __init__(
        self, codes: OneTime, *, sessions: SessionService, clock: Clock
    ) -> None:
        self._codes = codes
        self._sessions = sessions
        self._clock = clock

    async def issue(self, session_id: UUID, challenge: str) -> str:
        """Return a code that is good once, within a minute, with the verifier."""
        code = secrets.token_urlsafe()
        issued = _Issued(
            session_id=session_id,
            challenge=challenge,
            ends_at=self._clock.now() + LIFETIME,
        )
        await self._codes.keep(code, issued.model_dump_json())
        return code

    async def redeem(self, code: str, verifier: str) -> Grant | Unauthenticated:
        """Answer the tokens of a session for its code.

        Who presents it again, or without the verifier, has seen what was not for them:
        that ends the session (RFC 6749, section 4.1.2). It has to be kept although the
        code is refused, so the refusal is returned.

        Raises:
            Unauthenticated: it is no code of ours, or too late.
        """
        presented = await self._codes.present(code)
        if presented is None:
            raise Unauthenticated("invalid_code")
        issued = _Issued.model_validate_json(presented.value)
        if not presented.first:
            await self._sessions.end_reused(issued.session_id)
            return Unauthenticated("code_reused")
        if not is_verified_by(issued.challenge, verifier):
            await self._sessions.end_reused(issued.session_id)
            return Unauthenticated("invalid_code")
        if self._clock.now() >= issued.ends_at:
            raise Unauthenticated("invalid_code")
        return await self._sessions.hand_over(issued.session_id)
