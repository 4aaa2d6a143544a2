"""Second factors that are lost: their people are identified anew, and set up others.

An administrator says so, having made sure whom they do it for. From then on the
password alone opens nothing: it has a letter written to the person's address, whose
token is good once and for ten minutes, and both together open a session that is good
for setting up another second factor. So it takes what their account began with: an
administrator who knows them, their address and their password.
"""

from __future__ import annotations

from uuid import UUID

from robosure.contexts.identity.domain import (
    OF_SECOND_FACTORS,
    PasswordLetter,
    User,
)
from robosure.contexts.identity.ports import (
    PasswordLetters,
    SecondFactors,
    Users,
)
from robosure.kernel.errors import NotFound, Unauthenticated
from robosure.kernel.time import Clock
from robosure.platform.logging import LoggerMixin
from robosure.platform.security import Principal


class LostFactors(LoggerMixin):
    """Takes second factors off, and knows people by letters until they have others."""

    def __init__(
        self,
        factors: SecondFactors,
        *,
        letters: PasswordLetters,
        users: Users,
        clock: Clock,
    ) -> None:
        self._factors = factors
        self._letters = letters
        self._users = users
        self._clock = clock

    async def lose(self, by: Principal, user: User) -> None:
        """Take somebody's off, and tell them and the one who does it.

        Raises:
            NotFound: they have none.
        """
        factor, now = await self._factors.of_user(user.id), self._clock.now()
        if factor is None or not (factor.is_asked_for or factor.is_lost):
            raise NotFound("second_factor_not_found")
        factor.lose(at=now)
        administrator = await self._users.find(by.subject)
        told = [user] if administrator is None else [user, administrator]
        for each in told:
            letter = PasswordLetter.second_factor_lost(each, about=user, at=now)
            await self._letters.add(letter)
        self.logger.warning("identity.service.second_factor_lost", user_id=str(user.id))

    async def is_lost(self, user_id: UUID) -> bool:
        """Whether somebody is asked for a letter's token."""
        factor = await self._factors.of_user(user_id)
        return factor is not None and factor.is_lost

    async def write_to(self, user: User) -> None:
        """Have a letter sent to somebody who knows their password."""
        letter = PasswordLetter.second_factor(user, at=self._clock.now())
        await self._letters.add(letter)

    async def check(self, user_id: UUID, token: str) -> None:
        """Take the token of somebody's letter, once.

        Raises:
            Unauthenticated: it is not of their last one, or it is over.
        """
        letter = await self._letters.with_token(token, of=OF_SECOND_FACTORS)
        if (
            letter is None
            or letter.user_id != user_id
            or not letter.opens_at(self._clock.now())
        ):
            raise Unauthenticated("wrong_second_factor")
        await self._letters.forget_all_of(user_id, of=OF_SECOND_FACTORS)
        self.logger.warning(
            "identity.service.lost_factor_letter_used", user_id=str(user_id)
        )
