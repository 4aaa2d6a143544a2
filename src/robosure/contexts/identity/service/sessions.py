"""Staying signed in, and no longer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.identity.domain import (
    Ending,
    Factor,
    Organisation,
    RefreshTokens,
    Session,
    User,
    Vouching,
    roles_in_effect,
)
from robosure.contexts.identity.ports import Organisations, Sessions, Users
from robosure.contexts.identity.service.roles import Roles
from robosure.contexts.identity.service.users import managed_user
from robosure.kernel.errors import InvalidState, NotFound, Unauthenticated
from robosure.kernel.time import Clock
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.security import Principal
from robosure.platform.settings import Settings

REFRESHES: Final = counter(
    "identity_refreshes_total", "Refresh tokens presented, by outcome.", ["outcome"]
)


@dataclass(frozen=True)
class Client:
    """With what somebody signs in, and from where.

    Attributes:
        address: as far as it can be believed.
        user_agent: as it calls itself.
    """

    address: str
    user_agent: str | None


@dataclass(frozen=True)
class Grant:
    """What somebody who is signed in gets.

    Attributes:
        principal: who they are, and what they may do now.
        refresh_token: carries the session on, once.
        ends_at: when the session ends in any case.
    """

    principal: Principal
    refresh_token: str
    ends_at: datetime


class SessionService(LoggerMixin):
    """Begins sessions, carries them on, and ends them."""

    def __init__(
        self,
        sessions: Sessions,
        *,
        users: Users,
        organisations: Organisations,
        roles: Roles,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._users = users
        self._organisations = organisations
        self._roles = roles
        self._tokens = RefreshTokens(settings.encryption_keys)
        self._idle = timedelta(seconds=settings.session_idle_seconds)
        self._lifetime = timedelta(seconds=settings.session_seconds)
        self._wants_second_factor = settings.needs_second_factor
        self._clock = clock

    async def begin(
        self,
        user: User,
        *,
        factors: Collection[Factor],
        client: Client,
        second_factor_due: bool = False,
        vouching: Vouching | None = None,
    ) -> Grant:
        """Begin one for somebody who has just proved who they are.

        Or whom a provider vouches for, as strongly as that says.

        Args:
            user: who it is.
            factors: how they did.
            client: what the session remembers of it.
            second_factor_due: whether it is to be good for setting up a second factor
                alone; it is where a password alone does not do.
            vouching: what the provider said of it, if one did.

        Raises:
            Unauthenticated: meanwhile they were deactivated, or got another password.
        """
        proven_with = user.password_hash
        await self._users.lock(user)
        if not user.active or user.password_hash != proven_with:
            raise Unauthenticated("invalid_credentials")
        session = Session.begin(
            organisation_id=user.organisation_id,
            user_id=user.id,
            factors=factors,
            at=self._clock.now(),
            lifetime=self._lifetime,
            address=client.address,
            user_agent=client.user_agent,
            second_factor_due=second_factor_due or self._is_too_little(factors),
            vouching=vouching,
        )
        await self._sessions.add(session)
        return await self._grant(session, user)

    async def refresh(self, refresh_token: str) -> Grant | Unauthenticated:
        """Carry one on, and answer the token after this one.

        A spent token ends its session. That has to be kept although the token is
        refused, so the refusal is returned.

        Raises:
            Unauthenticated: it is no token of ours, or its session is over.
        """
        session_id, generation = self._tokens.read(refresh_token)
        try:
            session = await self._sessions.get(session_id)
        except NotFound:
            raise Unauthenticated("session_over") from None
        now = self._clock.now()
        if not session.refresh(generation, at=now, idle=self._idle):
            await self._sessions.end(session, Ending.TOKEN_REUSED, at=now)
            REFRESHES.labels("reused").inc()
            self.logger.warning(
                "identity.service.refresh_token_reused",
                session_id=str(session.id),
                user_id=str(session.user_id),
            )
            return Unauthenticated("refresh_token_reused")
        REFRESHES.labels("completed").inc()
        return await self._grant(session, await self._users.get(session.user_id))

    async def prove(self, by: Principal, factor: Factor) -> Grant:
        """Note that somebody has proved again who they are, and answer new tokens.

        Those so far are good no longer.

        Raises:
            InvalidState: they are in no session.
            Unauthenticated: it is over, or another such proof came before this one.
        """
        session, now = await self._current(by), self._clock.now()
        if not session.is_live_at(now, idle=self._idle):
            raise Unauthenticated("session_over")
        session.check_not_superseded(by.generation)
        await self._sessions.prove(
            session, factor, at=now, second_factor_due=self._is_too_little([factor])
        )
        return await self._grant(session, await self._users.get(session.user_id))

    async def hand_over(self, session_id: UUID) -> Grant:
        """Answer the first tokens of one that was begun for whoever asks now.

        Raises:
            Unauthenticated: it is over, or was carried on already.
        """
        session = await self._sessions.get(session_id)
        now = self._clock.now()
        if session.generation != 1 or not session.is_live_at(now, idle=self._idle):
            raise Unauthenticated("session_over")
        return await self._grant(session, await self._users.get(session.user_id))

    async def end_reused(self, session_id: UUID) -> None:
        """End one whose code somebody presented who should not have had it."""
        await self._end(await self._sessions.get(session_id), Ending.CODE_REUSED)

    async def sign_out(self, by: Principal) -> str | None:
        """End the session that one asks from.

        Returns:
            Where one signs out at the provider that it began by, if it began by one,
            and one can there.

        Raises:
            InvalidState: it is none, as for an API key.
        """
        session = await self._current(by)
        await self._end(session, Ending.SIGNED_OUT)
        return None if session.vouching is None else session.vouching.sign_out_url

    async def end_own(self, by: Principal, session_id: UUID) -> None:
        """End a session of one's own, such as that of a lost telephone.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        session = await self._sessions.get(session_id)
        if session.user_id != by.subject:
            raise NotFound("session_not_found", session_id=session_id)
        await self._end(session, Ending.REVOKED)

    async def end_vouched(
        self, provider_id: UUID, *, session: str | None, user_id: UUID | None
    ) -> None:
        """End those that began by a provider where they are over.

        Args:
            provider_id: which one.
            session: by which it knows the one that is meant; None for any.
            user_id: whose are meant; None for anybody's.
        """
        await self._sessions.end_vouched(
            provider_id,
            Ending.PROVIDER_SIGNED_OUT,
            session=session,
            user_id=user_id,
            at=self._clock.now(),
        )
        self.logger.info(
            "identity.service.sessions_ended_by_provider", provider_id=str(provider_id)
        )

    async def end_others(self, by: Principal) -> None:
        """End all sessions of one's own but the one that one asks from."""
        await self._sessions.end_all_of(
            by.subject, Ending.ACCESS_CHANGED, at=self._clock.now(), but=by.session_id
        )

    async def end_all_of(self, by: Principal, user_id: UUID) -> None:
        """End all sessions of somebody whom one manages.

        Raises:
            NotFound: no such user, or none whom one manages.
            Forbidden: see :meth:`Roles.check_may_end`.
        """
        user, organisation = await managed_user(
            self._users, self._organisations, by, user_id
        )
        await self._roles.check_may_end(by, organisation, user.roles)
        now = self._clock.now()
        await self._sessions.end_all_of(user_id, Ending.REVOKED, at=now)
        self.logger.info("identity.service.sessions_ended", user_id=str(user_id))

    def _is_too_little(self, factors: Collection[Factor]) -> bool:
        """Say whether it takes more: of a password alone, where two factors are wanted.

        What a provider asks of people, it and who names it answer for.
        """
        return self._wants_second_factor and set(factors) == {Factor.PASSWORD}

    async def _current(self, by: Principal) -> Session:
        if by.session_id is None:
            raise InvalidState("not_in_a_session")
        return await self._sessions.get(by.session_id)

    async def _end(self, session: Session, because: Ending) -> None:
        await self._sessions.end(session, because, at=self._clock.now())
        self.logger.info(
            "identity.service.session_ended",
            session_id=str(session.id),
            because=because.value,
        )

    async def _grant(self, session: Session, user: User) -> Grant:
        if not user.active:
            raise Unauthenticated("session_over")
        organisation = await self._organisations.get(user.organisation_id)
        return Grant(
            principal=await self._principal(session, user, organisation),
            refresh_token=self._tokens.token_of(session),
            ends_at=session.expires_at,
        )

    async def _principal(
        self, session: Session, user: User, organisation: Organisation
    ) -> Principal:
        effective = roles_in_effect(organisation.kind, user.roles)
        return Principal(
            subject=user.id,
            kind="user",
            name=user.name,
            organisation_id=organisation.id,
            organisation_kind=organisation.kind.value,
            roles=effective,
            permissions=await self._roles.permissions_of(organisation, user.roles),
            session_id=session.id,
            generation=session.generation,
            authenticated_at=session.authenticated_at,
            factors=frozenset(session.factors),
            second_factor_due=session.second_factor_due,
        )
