"""Personal data: what is kept about a person, to be handed out and to be erased.

Each context answers for its own tables; ``records`` for what the platform keeps of
everybody. Retention counts from the end of a calendar year, as section 257 (5) of the
German commercial code and section 147 (4) of its fiscal code have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from robosure.platform.database.session import WriteSession
from robosure.platform.settings import Settings

ERASED_NAME: Final = "Erased person"


@dataclass(frozen=True)
class Person:
    """Somebody who has an account, as what is kept about them mentions them.

    Attributes:
        organisation_id: theirs. Nobody has verified the address, so it is taken for
            theirs only in what that organisation sees anyway.
        email: lower case.
    """

    id: UUID
    organisation_id: UUID
    email: str
    name: str


@dataclass(frozen=True)
class Records:
    """What is kept about a person in one category."""

    category: str
    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Kept:
    """What is not erased yet.

    Attributes:
        reason: the law that asks for it.
        until: its last day.
    """

    category: str
    records: int
    reason: str
    until: date


@dataclass(frozen=True)
class Erasure:
    """What became of a person's data: records erased by category, and what is kept."""

    erased: Mapping[str, int] = field(default_factory=dict[str, int])
    kept: Sequence[Kept] = ()


@dataclass(frozen=True)
class Retention:
    """How long the law wants to have what kept, counted from which moment.

    Attributes:
        now: when somebody is to be erased.
        settings: say how many years.
    """

    now: datetime
    settings: Settings


class PersonalData(Protocol):
    """What one context keeps about people."""

    async def about(self, session: AsyncSession, person: Person) -> Sequence[Records]:
        """Return all that is kept about a person."""
        ...

    async def erase(
        self, session: WriteSession, person: Person, retention: Retention, /
    ) -> Erasure:
        """Take the person out of what need not be kept, and say what must."""
        ...


async def found(
    session: AsyncSession, category: str, statement: Select[*tuple[Any, ...]]
) -> Records:
    """Return what a statement selects as the records of a category."""
    rows = await session.execute(statement)
    return Records(category, [dict(row) for row in rows.mappings()])


def pseudonym(user_id: UUID) -> str:
    """Return the address that stands for an erased person's; no mail ever gets there.

    ``.invalid`` is reserved (RFC 2606).
    """
    return f"erased-{user_id}@erased.invalid"


def kept_until(day: date, *, years: int) -> date:
    """Return the last day of a retention: the end of a calendar year."""
    return date(day.year + years, 12, 31)


def first_day_kept(today: date, *, years: int) -> date:
    """Return the first day whose retention of so many years is not over."""
    return date(today.year - years, 1, 1)
