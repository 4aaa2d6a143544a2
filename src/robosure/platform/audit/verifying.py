"""Verification: whether the audit trail is what was written, and where it is not.

Each chain is read in its order, on one snapshot with its head, and every hash is made
anew. The first entry that does not fit is named, and with it what happened, as far as
what is left can tell. Whoever rewrites a chain from some entry to its end, and its
head, is found only by a hash kept elsewhere: an expected hash must be in a chain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select

from robosure.platform.audit.chain import GENESIS, digest, link
from robosure.platform.audit.tables import PLATFORM_CHAIN, audit_entries, audit_heads
from robosure.platform.database.session import Database, ReadSession

_AT_ONCE: Final = 1_000
_REPORTED_EVERY: Final = 1_000

Progress = Callable[[int, int], None]
"""Told how many entries were verified, and of how many."""


class Breach(StrEnum):
    """What happened to a chain."""

    ALTERED = "altered"
    MISSING = "missing"
    INSERTED = "inserted"
    REORDERED = "reordered"
    TAIL_CUT = "tail_cut"
    HEAD_ALTERED = "head_altered"


@dataclass(frozen=True)
class Broken:
    """The first entry of a chain that is not as it was written.

    Attributes:
        sequence: its place in the chain, from 1.
        entry_id: the entry that stands there; None if there is none.
    """

    breach: Breach
    sequence: int
    entry_id: UUID | None


@dataclass(frozen=True)
class ChainReport:
    """What was found of one chain.

    Attributes:
        organisation_id: whose; None is the platform's own.
        entries: how many are whole, from the first.
        unchained: how many were written before there was a chain.
        head: hash of the last whole entry; an auditor keeps it.
        broken: None if the chain is whole.
    """

    organisation_id: UUID | None
    entries: int
    unchained: int
    head: str
    broken: Broken | None


@dataclass(frozen=True)
class Report:
    """What was found of all chains that were looked at.

    Attributes:
        not_found: expected hashes that are in none of them.
    """

    chains: Sequence[ChainReport]
    not_found: Sequence[str]

    @property
    def whole(self) -> bool:
        """Whether nothing was amiss."""
        return not self.not_found and all(c.broken is None for c in self.chains)


async def verify(
    database: Database,
    *,
    organisation_id: UUID | None = None,
    expected: Collection[str] = (),
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Verify one organisation's chain, or all of them.

    Args:
        database: as a role that sees every entry.
        organisation_id: whose; the nil UUID is the platform's own chain.
        expected: hashes that were kept, in hexadecimal.
        progress: told now and then.
    """
    async with database.read() as session:
        heads = await _heads(session)
        counts = await _counts(session)
        chains = sorted({*heads, *counts})
        if organisation_id is not None:
            chains = [organisation_id]
        total = sum(counts.get(chain, (0, 0))[0] for chain in chains)
        watch = _Watch(set(map(str.lower, expected)), progress, total)
        reports = [
            await _verified(
                session, chain, heads.get(chain), counts.get(chain, (0, 0))[1], watch
            )
            for chain in chains
        ]
    return Report(reports, sorted(watch.expected))


@dataclass
class _Watch:
    """What is looked for on the way, and how far it is."""

    expected: set[str]
    progress: Progress
    total: int
    done: int = 0

    def passed(self, hashed: bytes) -> None:
        self.done += 1
        self.expected.discard(hashed.hex())
        if self.done % _REPORTED_EVERY == 0 or self.done == self.total:
            self.progress(self.done, self.total)


async def _heads(session: ReadSession) -> dict[UUID, Any]:
    rows = await session.execute(select(audit_heads))
    return {row.organisation_id: row for row in rows}


async def _counts(session: ReadSession) -> dict[UUID, tuple[int, int]]:
    """Return by chain how many entries are chained, and how many are not."""
    chain = func.coalesce(audit_entries.c.organisation_id, PLATFORM_CHAIN)
    chained = func.count(audit_entries.c.sequence)
    rows = await session.execute(
        select(chain, chained, func.count() - chained).group_by(chain)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def _verified(
    session: ReadSession, chain: UUID, head: Any, unchained: int, watch: _Watch
) -> ChainReport:
    """Verify one chain, from its first entry to its head."""
    reached = _Reached()
    broken: Broken | None = None
    async for row in _entries(session, chain):
        found = digest(row)
        hashed = link(reached.hash, reached.count + 1, found)
        if (row["sequence"], row["previous_hash"], row["hash"]) != (
            reached.count + 1,
            reached.hash,
            hashed,
        ):
            broken = await _breach(session, chain, reached, row)
            break
        reached = _Reached(reached.count + 1, hashed)
        watch.passed(hashed)
    return ChainReport(
        organisation_id=None if chain == PLATFORM_CHAIN else chain,
        entries=reached.count,
        unchained=unchained,
        head=reached.hash.hex(),
        broken=broken or await _breach_of_head(session, chain, reached, head),
    )


@dataclass(frozen=True)
class _Reached:
    """How far a chain is whole: so many entries, up to that hash."""

    count: int = 0
    hash: bytes = field(default=GENESIS)


async def _breach(
    session: ReadSession, chain: UUID, reached: _Reached, row: Any
) -> Broken:
    """Say what happened where an entry does not follow the one before."""
    expected = reached.count + 1
    if row["sequence"] > expected:
        return Broken(Breach.MISSING, expected, None)
    if row["sequence"] < expected:
        return Broken(Breach.INSERTED, row["sequence"], row["id"])
    last: int = await session.scalar(_last_of(chain)) or expected
    place = None if row["previous_hash"] == reached.hash else _place_of(row, last + 1)
    if place is None:
        return Broken(Breach.ALTERED, expected, row["id"])
    if place <= expected:  # one that was not there stands where this one stood
        return Broken(Breach.INSERTED, place, await _id_at(session, chain, place))
    before = select(audit_entries.c.sequence).where(
        _of(chain), audit_entries.c.hash == row["previous_hash"]
    )
    if await session.scalar(before) is None:
        return Broken(Breach.MISSING, expected, None)
    return Broken(Breach.REORDERED, expected, row["id"])


def _place_of(row: Any, last: int) -> int | None:
    """Return the place that an entry was written at; None if it is not as it was.

    Its hash was made with its place and the hash of the one before, which it knows.
    """
    previous, hashed, found = row["previous_hash"], row["hash"], digest(row)
    if previous is None:
        return None
    places = (n for n in range(1, last + 1) if link(previous, n, found) == hashed)
    return next(places, None)


async def _breach_of_head(
    session: ReadSession, chain: UUID, reached: _Reached, head: Any
) -> Broken | None:
    """Say what happened where a chain does not end as its head says."""
    count, hashed = (head.count, head.hash) if head else (0, GENESIS)
    if (count, hashed) == (reached.count, reached.hash):
        return None
    if count > reached.count:
        return Broken(Breach.TAIL_CUT, reached.count + 1, None)
    if count < reached.count and head is not None:
        added = await _id_at(session, chain, count + 1)
        return Broken(Breach.INSERTED, count + 1, added)
    return Broken(Breach.HEAD_ALTERED, reached.count, None)


async def _id_at(session: ReadSession, chain: UUID, sequence: int) -> UUID | None:
    statement = select(audit_entries.c.id).where(
        _of(chain), audit_entries.c.sequence == sequence
    )
    return await session.scalar(statement)


async def _entries(session: ReadSession, chain: UUID) -> AsyncIterator[Any]:
    statement = (
        select(audit_entries)
        .where(_of(chain), audit_entries.c.sequence.is_not(None))
        .order_by(audit_entries.c.sequence, audit_entries.c.id)
        .execution_options(yield_per=_AT_ONCE)
    )
    rows = await session.stream(statement)
    try:
        async for row in rows.mappings():
            yield row
    finally:
        await rows.close()


def _last_of(chain: UUID) -> Any:
    return select(func.max(audit_entries.c.sequence)).where(_of(chain))


def _of(chain: UUID) -> Any:
    if chain == PLATFORM_CHAIN:
        return audit_entries.c.organisation_id.is_(None)
    return audit_entries.c.organisation_id == chain
