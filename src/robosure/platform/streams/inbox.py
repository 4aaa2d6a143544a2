"""The inbox: an event's effects happen once, however often it is delivered.

And what was given out again, after a worker died with it: counted, so that an event
which kills its workers is found.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.rows import incoming
from robosure.platform.database.session import WriteSession

inbox = Table(
    "inbox",
    metadata,
    Column("consumer", String(64), primary_key=True),
    Column("event_id", Uuid, primary_key=True),
    Column(
        "processed_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
    ),
    schema=PLATFORM_SCHEMA,
)

redeliveries = Table(
    "redeliveries",
    metadata,
    Column("consumer", String(64), primary_key=True),
    Column("what", Text, primary_key=True),
    Column("times", Integer, nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    schema=PLATFORM_SCHEMA,
)


_claims: Final = incoming(consumer=String(), event_id=Uuid())
_claim: Final = (
    insert(inbox)
    .from_select(["consumer", "event_id"], select(*_claims.c))
    .on_conflict_do_nothing()
    .returning(inbox.c.event_id)
)


async def first_times(
    session: WriteSession, consumer: str, event_ids: Collection[UUID]
) -> set[UUID]:
    """Claim events for this consumer; return those whose effects are not there yet."""
    # In order, so that two who claim the same wait for each other in turn.
    claimed = {"consumer": [consumer] * len(event_ids), "event_id": sorted(event_ids)}
    return set((await session.execute(_claim, claimed)).scalars())


async def note_redelivered(
    session: WriteSession, consumer: str, what: Collection[str]
) -> Mapping[str, int]:
    """Count that these are about to be handled once more; return how often by now."""
    noting = insert(redeliveries).values(
        [
            {"consumer": consumer, "what": each, "times": 1, "last_at": func.now()}
            for each in sorted(what)
        ]
    )
    statement = noting.on_conflict_do_update(
        index_elements=["consumer", "what"],
        set_={"times": redeliveries.c.times + 1, "last_at": func.now()},
    ).returning(redeliveries.c.what, redeliveries.c.times)
    return {row.what: row.times for row in await session.execute(statement)}


async def forget_redelivered(
    session: WriteSession, consumer: str, what: Collection[str]
) -> None:
    """Stop counting what has been handled."""
    await session.execute(
        delete(redeliveries).where(
            redeliveries.c.consumer == consumer, redeliveries.c.what.in_(what)
        )
    )
