"""Personal data: handed out (GDPR Art. 15 and 20), and erased (Art. 17).

Whoever asks is let in by what identity knows. All contexts keep some of it, and some of
that is other organisations', so from then on it is done on the platform's behalf.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from robosure.contexts.identity.domain import Ending, User
from robosure.contexts.identity.ports import Organisations, Sessions, Users
from robosure.contexts.identity.service.roles import Roles
from robosure.contexts.identity.service.users import managed_user
from robosure.contexts.identity.tables import (
    api_keys,
    external_identities,
    organisations,
    password_letters,
    second_factors,
    sessions,
    users,
)
from robosure.kernel.errors import InvalidState
from robosure.kernel.time import Clock
from robosure.platform.database import WriteSession
from robosure.platform.database.behalf import PLATFORM, continue_on_behalf_of
from robosure.platform.logging import LoggerMixin
from robosure.platform.privacy import (
    ERASED_NAME,
    Erasure,
    Kept,
    Person,
    PersonalData,
    Records,
    Retention,
    found,
    pseudonym,
)
from robosure.platform.security import Passwords, Principal
from robosure.platform.settings import Settings

_ADMIN = "admin"


class IdentityPersonalData:
    """The account itself, and where it was signed in from."""

    async def about(self, session: AsyncSession, person: Person) -> Sequence[Records]:
        """Return the account without its secrets, sessions, and keys that were made."""
        user, signed_in, key = users.c, sessions.c, api_keys.c
        account = select(
            user.id,
            user.organisation_id,
            organisations.c.name.label("organisation"),
            user.email,
            user.name,
            user.roles,
            user.skills,
            user.active,
            user.registered_at,
            user.erased_at,
        ).join(organisations)
        where_from = select(
            signed_in.started_at,
            signed_in.refreshed_at,
            signed_in.ended_at,
            signed_in.address,
            signed_in.user_agent,
        )
        factor = second_factors.c
        factors = select(factor.begun_at, factor.confirmed_at)
        keys = select(key.id, key.name, key.created_at)
        named = external_identities.c
        letter = password_letters.c
        letters = select(letter.kind, letter.email, letter.requested_at)
        identities = select(named.issuer, named.subject, named.linked_at)
        return [
            await found(session, "account", account.where(user.id == person.id)),
            await found(
                session, "sessions", where_from.where(signed_in.user_id == person.id)
            ),
            await found(
                session, "second_factor", factors.where(factor.user_id == person.id)
            ),
            await found(
                session, "identities", identities.where(named.user_id == person.id)
            ),
            await found(session, "password_letters", letters.where(_is_to(person))),
            await found(
                session, "api_keys_made", keys.where(key.created_by == person.id)
            ),
        ]

    async def erase(
        self, session: WriteSession, person: Person, _retention: Retention, /
    ) -> Erasure:
        """Take the address out of sessions; take factor, identities, letters away.

        The account itself is the user's own affair: :meth:`User.erase`.
        """
        # Before their letters, as whoever writes these does.
        await session.execute(
            select(users.c.id).where(users.c.id == person.id).with_for_update()
        )
        signed_in = await session.execute(
            update(sessions)
            .where(sessions.c.user_id == person.id)
            .values(address="", user_agent=None)
            .returning(sessions.c.id)
        )
        known = await session.execute(
            delete(external_identities)
            .where(external_identities.c.user_id == person.id)
            .returning(external_identities.c.id)
        )
        factors = await session.execute(
            delete(second_factors)
            .where(second_factors.c.user_id == person.id)
            .returning(second_factors.c.id)
        )
        letters = await session.execute(
            delete(password_letters)
            .where(_is_to(person))
            .returning(password_letters.c.id)
        )
        return Erasure(
            {
                "account": 1,
                "sessions": len(signed_in.all()),
                "second_factor": len(factors.all()),
                "identities": len(known.all()),
                "password_letters": len(letters.all()),
            }
        )


@dataclass(frozen=True)
class Export:
    """All that is kept about a person, by context and category."""

    user_id: UUID
    exported_at: datetime
    contexts: Mapping[str, Sequence[Records]]


class PersonalDataService(LoggerMixin):
    """Hands personal data out, and erases it."""

    def __init__(
        self,
        session: WriteSession,
        users: Users,
        *,
        organisations: Organisations,
        sources: Mapping[str, PersonalData],
        clock: Clock,
    ) -> None:
        self._session = session
        self._users = users
        self._organisations = organisations
        self._sources = sources
        self._clock = clock

    async def own(self, by: Principal) -> Export:
        """Return what is kept about whoever asks.

        Raises:
            NotFound: it is no person with an account.
        """
        return await self._export(await self._users.get(by.subject))

    async def of(self, by: Principal, user_id: UUID) -> Export:
        """Return what is kept about somebody whom the principal manages, or themselves.

        Raises:
            NotFound: there is nobody, or only of another organisation.
        """
        user, _ = await managed_user(self._users, self._organisations, by, user_id)
        return await self._export(user)

    async def erase(
        self,
        by: Principal,
        user_id: UUID,
        *,
        sessions: Sessions,
        roles: Roles,
        passwords: Passwords,
        settings: Settings,
    ) -> User:
        """Take a person out of all that need not be kept, once and for all.

        Raises:
            NotFound: there is nobody, or only of another organisation.
            Forbidden: see :meth:`Roles.check_may_end`.
            InvalidState: it is the organisation's last admin.
        """
        user, organisation = await managed_user(
            self._users, self._organisations, by, user_id
        )
        await continue_on_behalf_of(self._session, PLATFORM)
        await self._lock(user)
        if user.erased_at is not None:
            return user
        await roles.check_may_end(by, organisation, user.roles)
        if await self._is_last_admin(user):
            raise InvalidState("last_admin", user_id=user.id)
        now = self._clock.now()
        await sessions.end_all_of(user.id, Ending.ACCESS_CHANGED, at=now)
        await self._session.flush()
        erased: Counter[str] = Counter()
        kept: list[Kept] = []
        for name, source in self._sources.items():
            outcome = await source.erase(
                self._session, _person(user), Retention(now, settings)
            )
            erased.update({f"{name}.{k}": n for k, n in outcome.erased.items()})
            kept += [_within(name, each) for each in outcome.kept]
        user.erase(
            email=pseudonym(user.id),
            name=ERASED_NAME,
            password_hash=await passwords.hash(secrets.token_urlsafe(32)),
            outcome={"erased": dict(erased), "kept": _plain(kept)},
            at=now,
        )
        await self._users.save(user)
        self.logger.info("identity.service.erasure_completed", user_id=str(user.id))
        return user

    async def _export(self, user: User) -> Export:
        await continue_on_behalf_of(self._session, PLATFORM)
        found = {
            name: await source.about(self._session, _person(user))
            for name, source in self._sources.items()
        }
        self.logger.info("identity.service.export_completed", user_id=str(user.id))
        return Export(user.id, self._clock.now(), found)

    async def _lock(self, user: User) -> None:
        """Have others wait who would erase somebody of the organisation."""
        organisation = organisations.c.id == user.organisation_id
        await self._session.execute(
            select(organisations.c.id).where(organisation).with_for_update()
        )
        await self._session.refresh(user)

    async def _is_last_admin(self, user: User) -> bool:
        if not user.active or _ADMIN not in user.roles:
            return False
        others = select(func.count()).where(
            users.c.organisation_id == user.organisation_id,
            users.c.id != user.id,
            users.c.active,
            func.jsonb_exists(users.c.roles, _ADMIN),
        )
        return not await self._session.scalar(others)


def _is_to(person: Person) -> ColumnElement[bool]:
    letter = password_letters.c
    return or_(letter.user_id == person.id, letter.email == person.email)


def _person(user: User) -> Person:
    return Person(user.id, user.organisation_id, user.email, user.name)


def _within(context: str, kept: Kept) -> Kept:
    return Kept(f"{context}.{kept.category}", kept.records, kept.reason, kept.until)


def _plain(kept: Sequence[Kept]) -> Any:
    return to_jsonable_python([asdict(each) for each in kept])
