"""Side schemas: empty copies of live tables, to be filled, and to change places.

A copy has all that its original has, by the same names: columns, defaults, constraints,
indexes, rights and row security. What a policy asks of a table that changes places it
has to ask through a function, which finds that by its name. The other tables of the
live schema are there as views that nobody can write to, for handlers that look
something up.

The tables' owner alone can do that, and functions do it as the owner (migration 0026),
for the platform: it may fill and empty the copies, and so it may those in use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Table, Text, Uuid, bindparam, text
from sqlalchemy.exc import DBAPIError

from robosure.platform.database.session import WriteSession
from robosure.platform.outages import sqlstate_of

_LOCK_TIMEOUT: Final = "500ms"
"""Below PostgreSQL's ``deadlock_timeout``: who waits for us is not taken for stuck."""
_NOT_SUPPORTED: Final = "0A000"


def side_of(replay_id: UUID) -> str:
    """Return the name of a replay's own schema."""
    return f"replay_{replay_id.hex}"


class Side:
    """The side schema of some live tables."""

    def __init__(
        self, session: WriteSession, replay_id: UUID, live: Sequence[Table]
    ) -> None:
        self._session = session
        self._live = str(live[0].schema)
        self._names = [str(table.name) for table in live]
        self._asked = {
            "replay": replay_id,
            "live": self._live,
            "names": self._names,
        }

    async def create(self) -> None:
        """Create the schema and empty copies of the tables in it.

        Raises:
            ValueError: a table has what a copy would not have.
        """
        try:
            await self._call("create_side", "replay", "live", "names")
        except DBAPIError as error:
            if sqlstate_of(error) != _NOT_SUPPORTED:
                raise
            raise ValueError(str(error.orig)) from error

    async def analyze(self) -> None:
        """Let the planner know what is in the tables, before they are used."""
        await self._call("analyze_side", "replay", "names")

    async def lock(self) -> None:
        """Wait, not for long, until no transaction is at the live tables, and keep out.

        Whoever holds this lock knows that every other transaction either is over or
        has not touched one of the tables.

        Raises:
            DBAPIError: some transaction stays at them.
        """
        await self._session.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
        live = ", ".join(f"{self._live}.{name}" for name in self._names)
        await self._session.execute(text(f"LOCK TABLE {live} IN ACCESS EXCLUSIVE MODE"))

    async def switch(self) -> None:
        """Let the copies and the live tables change places, which are locked."""
        await self._call("switch_side", "replay", "live", "names")

    async def settle(self) -> dict[str, int]:
        """Leave nothing but the tables; return how many rows each has."""
        rows: dict[str, int] = await self._call("settle_side", "replay", "names")
        return rows

    async def _call(self, function: str, *names: str) -> Any:
        return await _called(
            self._session, function, {name: self._asked[name] for name in names}
        )


async def drop_side(session: WriteSession, replay_id: UUID) -> None:
    """Drop a replay's schema with all that is in it, if it is there."""
    await _called(session, "drop_side", {"replay": replay_id})


async def _called(
    session: WriteSession, function: str, asked: Mapping[str, object]
) -> Any:
    given = ", ".join(f":{name}" for name in asked)
    types: dict[str, Any] = {"replay": Uuid(), "live": Text(), "names": ARRAY(Text())}
    statement = text(f"SELECT platform.{function}({given})").bindparams(  # nosec B608
        *(bindparam(name, type_=types[name]) for name in asked)
    )
    return (await session.execute(statement, dict(asked))).scalar_one()
