"""People in PostgreSQL, and how they choose their passwords."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, select, update

from robosure.contexts.identity.domain import (
    LetterKind,
    PasswordLetter,
    User,
    digest_of_token,
    normalised_email,
)
from robosure.contexts.identity.tables import (
    password_letters,
    users,
)
from robosure.kernel.errors import (
    AlreadyExists,
    Invalid,
    NotFound,
)
from robosure.platform.database import WriteSession, translating


class SqlUsers:
    """Users in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, user: User) -> None:
        """Keep a new one."""
        taken = AlreadyExists("email_taken")
        async with translating(self._session, {"uq_users_email": taken}):
            self._session.add(user)

    async def get(self, user_id: UUID) -> User:
        """Return one."""
        found = await self.find(user_id)
        if found is None:
            raise NotFound("user_not_found", user_id=user_id)
        return found

    async def find(self, user_id: UUID) -> User | None:
        """Return one, if there is one."""
        found: User | None = await self._session.get(User, user_id)
        return found

    async def lock(self, user: User) -> None:
        """Read one again, whom nobody else then changes before this is over."""
        await self._session.refresh(user, with_for_update={"key_share": True})

    async def with_email(self, email: str) -> User | None:
        """Return the one with that address, in any case, if there is one."""
        try:
            address = normalised_email(email)
        except Invalid:
            return None
        statement = select(User).where(users.c.email == address)
        return (await self._session.scalars(statement)).one_or_none()

    async def any_of(self, organisation_id: UUID) -> bool:
        """Say whether the organisation has, or ever had, anybody."""
        theirs = users.c.organisation_id == organisation_id
        return bool(await self._session.scalar(select(exists().where(theirs))))

    async def save(self, user: User) -> None:
        """Write a change now, so that its new version is known."""
        async with translating(self._session, {}):
            self._session.add(user)

    async def upgrade_password(self, user: User, password_hash: str) -> None:
        """Keep the same password under a stronger hash, unless it was just changed.

        Beside the aggregate, since two sign-ins at once are no conflict.
        """
        await self._session.execute(
            update(users)
            .where(users.c.id == user.id, users.c.password_hash == user.password_hash)
            .values(password_hash=password_hash)
        )


class SqlPasswordLetters:
    """Letters by which people choose a password, in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, letter: PasswordLetter) -> None:
        """Keep a new one."""
        self._session.add(letter)

    async def next_due(self, *, at: datetime) -> PasswordLetter | None:
        """Return one that is to be sent by then, the one asked for first."""
        columns = password_letters.c
        statement = (
            select(PasswordLetter)
            .where(columns.due_at <= at)
            .order_by(columns.requested_at, columns.id)
            .limit(1)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def found(self, letter_id: UUID) -> PasswordLetter | None:
        """Return one as it is now, if it is still there."""
        statement = (
            select(PasswordLetter)
            .where(password_letters.c.id == letter_id)
            .execution_options(populate_existing=True)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def with_token(
        self, token: str, *, of: Collection[LetterKind]
    ) -> PasswordLetter | None:
        """Return the one of these kinds that a token is of, if it is of any."""
        columns = password_letters.c
        statement = select(PasswordLetter).where(
            columns.digest == digest_of_token(token), columns.kind.in_(of)
        )
        return (await self._session.scalars(statement)).one_or_none()

    async def newer_exists(self, letter: PasswordLetter) -> bool:
        """Say whether its user was written a later one that ends it."""
        columns = password_letters.c
        newer = exists().where(
            columns.user_id == letter.user_id,
            columns.id != letter.id,
            columns.kind.in_(letter.kind.rivals),
            columns.requested_at > letter.requested_at,
        )
        return bool(await self._session.scalar(select(newer)))

    async def forget(self, letter: PasswordLetter) -> None:
        """Forget one, or see that somebody else has."""
        columns = password_letters.c
        await self._session.execute(
            delete(password_letters).where(columns.id == letter.id)
        )
        self._session.expunge(letter)

    async def forget_all_of(
        self,
        user_id: UUID,
        *,
        of: Collection[LetterKind],
        but: PasswordLetter | None = None,
    ) -> None:
        """Forget somebody's of these kinds, but for one: their tokens are void."""
        columns = password_letters.c
        theirs = delete(password_letters).where(
            columns.user_id == user_id, columns.kind.in_(of)
        )
        if but is not None:
            theirs = theirs.where(columns.id != but.id)
        await self._session.execute(theirs)
