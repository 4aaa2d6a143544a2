"""On whose behalf a transaction is, and PostgreSQL itself holds it to that.

Each transaction of a request begins as ``robosure_app``, a role that owns nothing and
cannot bypass row-level security, and says for which organisation; policies of the
tables let it see and change what is that organisation's. What the platform does by
itself, such as reacting to facts, is done as ``robosure_platform``, which sees every
row but owns no table either. Who connects needs no more than to be a member of both.

The role travels in the message that begins the transaction, and ends with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from robosure.platform.stated import Stated

APP_ROLE: Final = "robosure_app"
PLATFORM_ROLE: Final = "robosure_platform"


class Behalf(NamedTuple):
    """On whose behalf.

    Attributes:
        beginning: the SQL that follows ``BEGIN``.
    """

    beginning: str


OWNER: Final = Behalf("")
"""Who connects, and in production may do nothing else: for what needs no rights."""
PLATFORM: Final = Behalf(f"SET LOCAL ROLE {PLATFORM_ROLE};")
NOBODY: Final = Behalf(f"SET LOCAL ROLE {APP_ROLE};")
"""Somebody unknown, who sees only what is nobody's."""


@lru_cache(maxsize=10_000)
def organisation(organisation_id: UUID, kind: str) -> Behalf:
    """Return the behalf of an organisation, for a request of somebody of it.

    Raises:
        ValueError: the kind is not a word.
    """
    if not kind.isalpha():
        raise ValueError(f"{kind!r} is no kind of organisation")
    return Behalf(
        f"{NOBODY.beginning}"
        f"SET LOCAL robosure.organisation_id = '{organisation_id}';"
        f"SET LOCAL robosure.organisation_kind = '{kind}';"
    )


_current: ContextVar[Behalf] = ContextVar("behalf", default=OWNER)


def act_on_behalf_of(behalf: Behalf) -> None:
    """State it for all that follows in this task."""
    _current.set(behalf)


def on_behalf_of(behalf: Behalf) -> Stated[Behalf]:
    """State it for the transactions that begin in this block."""
    return Stated(_current, behalf)


async def continue_on_behalf_of(session: AsyncSession, behalf: Behalf) -> None:
    """State it for what is left of a transaction."""
    await session.execute(text(behalf.beginning))


@asynccontextmanager
async def as_platform(session: AsyncSession) -> AsyncIterator[None]:
    """Do what only the platform may in the midst of somebody's transaction."""
    role = (await session.execute(text("SELECT current_user"))).scalar_one()
    await session.execute(text(PLATFORM.beginning))
    yield
    await session.execute(text(f"SET LOCAL ROLE {role}"))


class BehalfConnection(asyncpg.Connection):
    """A connection whose transactions begin on the behalf that is stated then."""

    async def execute(
        self,
        query: str,
        *args: Any,
        timeout: float | None = None,  # noqa: ASYNC109 - asyncpg's
    ) -> str:
        """Execute; to what begins a transaction, add on whose behalf it is."""
        if query.startswith("BEGIN"):
            query += _current.get().beginning
        status: str = await super().execute(query, *args, timeout=timeout)
        return status
