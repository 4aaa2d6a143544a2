"""Signing in, and changing what one signs in with."""

from __future__ import annotations

from typing import Final

from robosure.contexts.identity.domain import OF_PASSWORDS, Ending, Factor, User
from robosure.contexts.identity.ports import (
    Attempts,
    Organisations,
    PasswordLetters,
    Sessions,
    Users,
)
from robosure.contexts.identity.service.lost_factors import LostFactors
from robosure.contexts.identity.service.new_passwords import check_new_password
from robosure.contexts.identity.service.second_factor import SecondFactorService
from robosure.contexts.identity.service.sessions import Client, Grant, SessionService
from robosure.kernel.errors import Forbidden, LimitReached, Unauthenticated
from robosure.kernel.time import Clock
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter
from robosure.platform.security import Attempt, Passwords, Principal

SIGN_INS: Final = counter(
    "identity_sign_ins_total", "Attempts to sign in, by outcome.", ["outcome"]
)


class SignInService(LoggerMixin):
    """Knows people by their passwords."""

    def __init__(
        self,
        users: Users,
        *,
        passwords: Passwords,
        second_factors: SecondFactorService,
        lost_factors: LostFactors,
        attempts: Attempts,
    ) -> None:
        self._users = users
        self._passwords = passwords
        self._second_factors = second_factors
        self._lost_factors = lost_factors
        self._attempts = attempts

    async def sign_in(
        self,
        email: str,
        *,
        password: str,
        code: str,
        source: str,
        client: Client,
        sessions: SessionService,
    ) -> Grant | Unauthenticated:
        """Begin a session.

        A stranger, a wrong password and a deactivated user get the same answer after
        about the same time, so nobody learns who has an account. Failures delay the
        next attempt, a stranger's like anybody's.

        Whoever lost their second factor is written a letter, whose token is asked for
        as the code. That has to be kept although they are refused, so the refusal is
        returned.

        Args:
            email: in any case.
            password: as it was typed.
            code: of their second factor, or of the letter in its place; empty if they
                have given none.
            source: the address that it comes from.
            client: what the session remembers of it.
            sessions: begins it.

        Raises:
            Unauthenticated: it is nobody who may sign in, or their second factor is
                asked for, which only who knows the password is told.
            LimitReached: there were too many failures just now; nothing was looked at.
        """
        attempt = await self._begin(email, source)
        user = await self._users.with_email(email)
        right, better_hash = await self._passwords.verify(
            password, user.password_hash if user else None
        )
        if user is None or not right or not user.active:
            SIGN_INS.labels("refused").inc()
            self.logger.warning("identity.service.sign_in_refused", email=email)
            raise Unauthenticated("invalid_credentials")
        lost = await self._lost_factors.is_lost(user.id)
        if lost and not code:
            SIGN_INS.labels("second_factor_lost").inc()
            await self._lost_factors.write_to(user)
            return Unauthenticated("second_factor_lost")
        factors = {Factor.PASSWORD}
        try:
            if lost:
                await self._lost_factors.check(user.id, code)
            elif await self._second_factors.is_asked_for(user.id):
                await self._second_factors.check(user.id, code)
                factors.add(Factor.ONE_TIME_CODE)
        except Unauthenticated as refusal:
            SIGN_INS.labels(refusal.code).inc()
            raise
        grant = await sessions.begin(
            user, factors=factors, client=client, second_factor_due=lost
        )
        if better_hash is not None:
            await self._users.upgrade_password(user, better_hash)
        await self._attempts.right(attempt)
        SIGN_INS.labels("completed").inc()
        self.logger.info("identity.service.sign_in_completed", user_id=str(user.id))
        return grant

    async def prove_again(
        self,
        by: Principal,
        *,
        password: str,
        code: str,
        source: str,
        sessions: SessionService,
    ) -> Grant:
        """Let somebody prove again who they are, for what asks for that.

        By their second factor if they have one, and else by their password. The
        session's tokens so far are good no longer.

        Raises:
            Forbidden: it is no person, or the password is wrong.
            Unauthenticated: the second factor is missing or wrong.
            InvalidState: they are in no session.
            LimitReached: there were too many failures just now; nothing was looked at.
        """
        if by.kind == "user" and await self._second_factors.is_asked_for(by.subject):
            await self.check_code(by, code, source=source)
            factor = Factor.ONE_TIME_CODE
        else:
            await self.check_password(by, password, source=source)
            factor = Factor.PASSWORD
        return await sessions.prove(by, factor)

    async def check_code(self, by: Principal, code: str, *, source: str) -> None:
        """Take a code of somebody's second factor, as whoever holds a token has not.

        Raises:
            Unauthenticated: it is missing or wrong, or they have no second factor.
            LimitReached: there were too many failures just now; nothing was looked at.
        """
        attempt = await self._begin(str(by.subject), source)
        await self._second_factors.check(by.subject, code)
        await self._attempts.right(attempt)

    async def change_password(
        self,
        by: Principal,
        *,
        current: str,
        new: str,
        source: str,
        organisations: Organisations,
        sessions: Sessions,
        letters: PasswordLetters,
        clock: Clock,
    ) -> None:
        """Have another password, and end every session, this one too.

        Args:
            by: whose it is.
            current: the one so far, which whoever found an open screen does not know.
            new: the one from now on.
            source: the address that it comes from.
            organisations: tell what the password must not be about.
            sessions: those that end.
            letters: by which another could be chosen; their tokens are good no longer.
            clock: tells when.

        Raises:
            Forbidden: the current one is wrong, or it is no person.
            LimitReached: there were too many failures just now; nothing was looked at.
            Invalid: see :func:`check_new_password`.
        """
        user = await self.check_password(by, current, source=source)
        organisation = await organisations.get(user.organisation_id)
        await check_new_password(
            new,
            passwords=self._passwords,
            about=(user.email, user.name, organisation.name),
        )
        user.change_password(await self._passwords.hash(new))
        await letters.forget_all_of(user.id, of=OF_PASSWORDS)
        await sessions.end_all_of(user.id, Ending.PASSWORD_CHANGED, at=clock.now())
        self.logger.info(
            "identity.service.password_change_completed", user_id=str(user.id)
        )

    async def check_password(
        self, by: Principal, password: str, *, source: str
    ) -> User:
        """Return who this is, having proved it again by their password.

        Raises:
            Forbidden: the password is wrong, or it is no person.
            LimitReached: there were too many failures just now; nothing was looked at.
        """
        user = await self._users.find(by.subject) if by.kind == "user" else None
        if user is None:
            raise Forbidden("person_required")
        attempt = await self._begin(user.email, source)
        right, _ = await self._passwords.verify(password, user.password_hash)
        if not right:
            raise Forbidden("wrong_password")
        await self._attempts.right(attempt)
        return user

    async def _begin(self, email: str, source: str) -> Attempt:
        try:
            # In the form in which addresses are compared, whether or not it is one.
            return await self._attempts.begin(email.strip().lower(), source=source)
        except LimitReached as refusal:
            SIGN_INS.labels("throttled").inc()
            self.logger.warning(
                "identity.service.sign_in_throttled", email=email, **refusal.details
            )
            raise
