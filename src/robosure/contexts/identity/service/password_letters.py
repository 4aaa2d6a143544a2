"""Choosing a password by a letter: after forgetting it, or as the first one.

A request is written down without a look at whose address it is, so it tells nobody
anything. :class:`PasswordLetterWriter` is what a job runs: it finds out, makes the
token, and hands the letter to the mail server between two transactions of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from robosure.contexts.identity.domain import (
    OF_PASSWORDS,
    Ending,
    LetterKind,
    PasswordLetter,
    User,
)
from robosure.contexts.identity.ports import (
    Attempts,
    Organisations,
    PasswordLetters,
    Sessions,
    Users,
)
from robosure.contexts.identity.repository import (
    SqlExternalIdentities,
    SqlPasswordLetters,
    SqlUsers,
)
from robosure.contexts.identity.service.new_passwords import check_new_password
from robosure.kernel.errors import Invalid, Unauthenticated, Unavailable
from robosure.kernel.time import Clock
from robosure.platform.database import Database, WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.mail import Mailer, Message
from robosure.platform.metrics import counter
from robosure.platform.runtime import Runtime
from robosure.platform.security import Passwords, Principal

LETTERS: Final = counter(
    "identity_password_letters_total",
    "Letters by which people choose a password, by what came of an attempt to send.",
    ["kind", "outcome"],
)

_SUBJECTS: Final = {
    LetterKind.RESET: "Choose a new password",
    LetterKind.INVITATION: "Choose your password",
    LetterKind.SECOND_FACTOR: "Your code to sign in without your second factor",
    LetterKind.SECOND_FACTOR_LOST: "A second factor was taken off",
}
_REASONS: Final = {
    LetterKind.RESET: "Somebody, probably you, has forgotten the password of your "
    "Robosure account. Within 30 minutes, and once, you can choose a new one:",
    LetterKind.INVITATION: "A Robosure account was made for you. Within 72 hours, and "
    "once, you can choose its password:",
    LetterKind.SECOND_FACTOR: "Somebody, probably you, signs in to your Robosure "
    "account with its password. As its second factor is lost, this code is asked for "
    "besides, within 10 minutes and once:",
}
_ENDINGS: Final = {
    LetterKind.RESET: "If it was not you, do nothing: the password stays as it is.",
    LetterKind.INVITATION: "After that, ask for a new letter as somebody who has "
    "forgotten their password.",
    LetterKind.SECOND_FACTOR: "You will then set up a second factor anew. If it was "
    "not you, somebody knows your password: choose another one, and tell your "
    "administrator.",
}


class PasswordLetterService(LoggerMixin):
    """Takes requests for letters, and passwords of who got one."""

    def __init__(
        self,
        letters: PasswordLetters,
        *,
        users: Users,
        organisations: Organisations,
        sessions: Sessions,
        passwords: Passwords,
        clock: Clock,
    ) -> None:
        self._letters = letters
        self._users = users
        self._organisations = organisations
        self._sessions = sessions
        self._passwords = passwords
        self._clock = clock

    async def request(self, email: str, *, source: str, attempts: Attempts) -> None:
        """Have whoever has that address written to, if anybody has.

        Args:
            email: in any case.
            source: the address that the request comes from.
            attempts: slow down who asks again and again; apart from sign-ins, so that
                nobody makes somebody else wait who knows their password.

        Raises:
            LimitReached: there were too many just now.
            Invalid: it is no address.
        """
        letter = PasswordLetter.reset(email, at=self._clock.now())
        await attempts.begin(f"password-reset {letter.email}", source=source)
        await self._letters.add(letter)

    async def choose(self, token: str, new: str) -> Principal:
        """Set somebody's password, and end their sessions and other letters.

        Args:
            token: of the letter.
            new: their password from now on.

        Returns:
            Who it is, for the audit trail; without any permission.

        Raises:
            Unauthenticated: the token is none, or over, or used; or they may not sign
                in any more.
            Invalid: see :func:`check_new_password`. The token is good still.
        """
        user = await self._user_of(token)
        organisation = await self._organisations.get(user.organisation_id)
        await check_new_password(
            new,
            passwords=self._passwords,
            about=(user.email, user.name, organisation.name),
        )
        now = self._clock.now()
        user.change_password(await self._passwords.hash(new))
        await self._letters.forget_all_of(user.id, of=OF_PASSWORDS)
        await self._sessions.end_all_of(user.id, Ending.PASSWORD_CHANGED, at=now)
        self.logger.info(
            "identity.service.password_choice_completed", user_id=str(user.id)
        )
        return Principal(
            subject=user.id,
            kind="user",
            name=user.name,
            organisation_id=organisation.id,
            organisation_kind=organisation.kind.value,
            roles=frozenset(),
            permissions=frozenset(),
        )

    async def _user_of(self, token: str) -> User:
        """Return whose the token is, locked, so that it is used once."""
        letter = await self._letters.with_token(token, of=OF_PASSWORDS)
        if letter is not None and letter.user_id is not None:
            user = await self._users.get(letter.user_id)
            await self._users.lock(user)
            # Somebody else may have used it while this waited.
            letter = await self._letters.found(letter.id)
            if letter and letter.opens_at(self._clock.now()) and user.active:
                return user
        self.logger.warning("identity.service.password_choice_refused")
        raise Unauthenticated("invalid_password_token")


@dataclass(frozen=True)
class _Written:
    """A letter that is ready to be sent."""

    letter_id: UUID
    kind: LetterKind
    attempt: int
    message: Message


class PasswordLetterWriter(LoggerMixin):
    """Writes the letters that are due, and sends them one after the other."""

    def __init__(
        self, database: Database, *, mailer: Mailer, page: str | None, clock: Clock
    ) -> None:
        self._database = database
        self._mailer = mailer
        self._page = page
        self._clock = clock

    @classmethod
    def of(cls, runtime: Runtime) -> PasswordLetterWriter:
        """Build on what a process stands on."""
        return cls(
            runtime.database,
            mailer=runtime.mailer,
            page=runtime.settings.password_page,
            clock=runtime.clock,
        )

    async def send_due(self) -> None:
        """Send what is due; one that is not taken is written anew, later."""
        while (written := await self._write_next()) is not None:
            outcome = await self._send(written.message)
            if outcome != "postponed":
                await self._settle(written)
            LETTERS.labels(written.kind, outcome).inc()
            self.logger.info(
                "identity.service.password_letter_completed",
                letter_id=str(written.letter_id),
                kind=written.kind.value,
                outcome=outcome,
            )

    async def _write_next(self) -> _Written | None:
        async with self._database.write() as session:
            letters = SqlPasswordLetters(session)
            while letter := await letters.next_due(at=self._clock.now()):
                written = await self._write(session, letters, letter)
                if written is not None:
                    return written
        return None

    async def _write(
        self, session: WriteSession, letters: SqlPasswordLetters, due: PasswordLetter
    ) -> _Written | None:
        """Write one; forget it if it goes to nobody or is settled by a later one."""
        users, now = SqlUsers(session), self._clock.now()
        user = await users.with_email(due.email)
        if user is None:
            await letters.forget(due)
            return None
        await users.lock(user)
        letter = await letters.found(due.id)
        if letter is None or letter.due_at is None or letter.due_at > now:
            return None  # somebody else was faster
        letter.user_id = user.id
        if (
            not user.active
            or letter.is_too_late_at(now)
            or await letters.newer_exists(letter)
            or (
                letter.kind in OF_PASSWORDS
                and await SqlExternalIdentities(session).are_of(user.id)
            )
        ):
            await letters.forget(letter)
            return None
        await letters.forget_all_of(user.id, of=letter.kind.rivals, but=letter)
        token = letter.write(user, at=now)
        if letter.about_id is None:
            shown = self._link(token) if letter.kind in OF_PASSWORDS else token
            text = _text(user.name, letter.kind, shown)
        else:
            text = _notice(user, about=await users.get(letter.about_id))
        message = Message(
            to=user.email,
            subject=_SUBJECTS[letter.kind],
            text=text,
            html=None,
            message_id=f"password-{letter.id}-{letter.attempts}",
        )
        return _Written(letter.id, letter.kind, letter.attempts, message)

    async def _send(self, message: Message) -> str:
        try:
            await self._mailer.send(message)
        except Unavailable:  # also where nobody knows: the later letter's token is good
            return "postponed"
        except Invalid:
            return "refused"
        return "sent"

    async def _settle(self, written: _Written) -> None:
        async with self._database.write() as session:
            letter = await SqlPasswordLetters(session).found(written.letter_id)
            # Whoever got it may have used it by now.
            if letter is not None and letter.attempts == written.attempt:
                letter.settle()

    def _link(self, token: str) -> str:
        """Return what to follow; a browser sends nobody what stands behind the #."""
        return f"{self._page}#token={token}" if self._page else token


def _text(name: str, kind: LetterKind, link: str) -> str:
    return (
        f"Dear {name},\n\n{_REASONS[kind]}\n\n{link}\n\n{_ENDINGS[kind]}\n\nRobosure\n"
    )


def _notice(user: User, *, about: User) -> str:
    return (
        f"Dear {user.name},\n\nan administrator has said that the second factor of "
        f"{about.name} ({about.email}) is lost. They were signed out everywhere. At "
        "their next sign-in, a code by mail is asked for besides the password, and "
        "then a new second factor.\n\nIf that should not be so, tell your "
        "administrators now.\n\nRobosure\n"
    )
