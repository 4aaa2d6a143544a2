"""The log of facts, as a consumer handled it: which facts had their effects, and when.

A fact counts as handled if the consumer's inbox has it. Where it is not there, the
consumer may be about to handle it, or have put it aside; but if it went past the fact
without doing either, the fact was told before the consumer listened to its kind, and
is replayed: that is how a new reaction comes to know the past. It went past if it
handled a fact that came later in the same stream, or if the fact is older than what
the inbox remembers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    Row,
    Table,
    any_,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from robosure.platform.database.session import WriteSession
from robosure.platform.events import Told
from robosure.platform.outbox import outbox, told_of
from robosure.platform.streams.facts import read_told
from robosure.platform.streams.inbox import inbox
from robosure.platform.streams.letters import dead_letters
from robosure.platform.streams.projections.projection import Projection, Times


def skipped_facts(schema: str) -> Table:
    """Describe the table of facts that were not handled when their turn was."""
    position = Column("position", BigInteger, primary_key=True)
    return Table("skipped_facts", MetaData(), position, schema=schema)


@dataclass(frozen=True)
class Selection:
    """Which facts a replay is about.

    Attributes:
        times: told in that range.
        kept: how long the inbox remembers what was handled.
    """

    projection: Projection
    times: Times
    kept: timedelta

    def conditions(self) -> list[ColumnElement[bool]]:
        """Say it in SQL."""
        since, until = self.times
        asked: list[ColumnElement[bool]] = [
            outbox.c.type.in_(self.projection.fact_types)
        ]
        if since is not None:
            asked.append(outbox.c.occurred_at >= since)
        if until is not None:
            asked.append(outbox.c.occurred_at < until)
        return asked


class Turn(NamedTuple):
    """Facts whose turn it was, and up to where.

    Attributes:
        handled: to be replayed, in order.
        left_out: positions of those that the consumer has not handled.
        position: up to which these are all there are.
    """

    handled: Sequence[Told]
    left_out: Sequence[int]
    position: int


class _Place(NamedTuple):
    """Where in a stream of facts: as the relay put them there."""

    published_at: datetime
    position: int


class FactLog:
    """The facts of a selection."""

    def __init__(
        self, session: WriteSession, selection: Selection, *, skipped: Table
    ) -> None:
        self._session = session
        self._selection = selection
        self._group = selection.projection.group
        self._skipped = skipped

    async def count(self) -> int:
        """Return how many there are."""
        statement = select(func.count()).where(*self._selection.conditions())
        return int((await self._session.execute(statement)).scalar_one())

    async def after(
        self, position: int, *, through: int | None, limit: int | None
    ) -> Turn:
        """Return the next facts.

        Args:
            position: after which.
            through: up to which position, included; None is up to the last committed.
            limit: how many; None is all.
        """
        statement = (
            select(outbox)
            .where(*self._selection.conditions(), outbox.c.position > position)
            .order_by(outbox.c.position)
            .limit(limit)
        )
        if through is not None:
            statement = statement.where(outbox.c.position <= through)
        passed = await self._passed()
        rows = (await self._session.execute(statement)).all()
        handled, left_out = await self._judged(rows, passed)
        if limit is None or len(rows) < limit:
            last = rows[-1].position if rows else position
            return Turn(handled, left_out, last if through is None else through)
        return Turn(handled, left_out, rows[-1].position)

    async def skipped(self) -> Turn:
        """Return those facts again that were left out when their turn was."""
        statement = (
            select(outbox)
            .join(self._skipped, self._skipped.c.position == outbox.c.position)
            .order_by(outbox.c.position)
        )
        passed = await self._passed()
        rows = (await self._session.execute(statement)).all()
        handled, left_out = await self._judged(rows, passed)
        return Turn(handled, left_out, 0)

    async def note(self, turn: Turn) -> None:
        """Remember the facts that were left out."""
        if turn.left_out:
            rows = [{"position": position} for position in turn.left_out]
            await self._session.execute(insert(self._skipped), rows)

    async def forget_skipped(self) -> None:
        """Forget which facts were left out."""
        await self._session.execute(delete(self._skipped))

    async def left_out(self) -> int:
        """Return how many facts are left out."""
        statement = select(func.count()).select_from(self._skipped)
        return int((await self._session.execute(statement)).scalar_one())

    async def _passed(self) -> dict[str, _Place]:
        """Return, by publishing context, the last fact that the consumer handled."""
        contexts = {
            each.partition(".")[0] for each in self._selection.projection.fact_types
        }
        passed: dict[str, _Place] = {}
        for context in contexts:
            statement = (
                select(outbox.c.published_at, outbox.c.position)
                .join(inbox, inbox.c.event_id == outbox.c.event_id)
                .where(
                    inbox.c.consumer == self._group,
                    outbox.c.context == context,
                    outbox.c.published_at.is_not(None),
                )
                .order_by(outbox.c.published_at.desc(), outbox.c.position.desc())
                .limit(1)
            )
            row = (await self._session.execute(statement)).one_or_none()
            if row is not None:
                passed[context] = _Place(*row)
        return passed

    async def _judged(
        self, rows: Sequence[Row[Any]], passed: dict[str, _Place]
    ) -> tuple[list[Told], list[int]]:
        """Tell the facts that were handled from those that were not.

        What was passed is looked for first, then the inbox, then what was put aside:
        whatever is being handled meanwhile, nothing passed looks as if it had not been.
        """
        remembered = await self._remembered(rows)
        letters = await self._letters(rows)
        forgotten = await self._forgotten_before()
        handled: list[Told] = []
        left_out: list[int] = []
        for row in rows:
            letter = letters.get(str(row.event_id))
            gone_past = row.published_at is not None and (
                row.published_at < forgotten
                or (row.published_at, row.position)
                <= passed.get(row.context, (forgotten, 0))
            )
            if (
                row.event_id in remembered
                or (letter is None and gone_past)
                or (letter is not None and letter.status == "replayed")
            ):
                corrected = letter.content if letter and letter.edited else None
                handled.append(read_told(corrected) if corrected else told_of(row))
            else:
                left_out.append(row.position)
        return handled, left_out

    async def _remembered(self, rows: Sequence[Row[Any]]) -> set[Any]:
        statement = select(inbox.c.event_id).where(
            inbox.c.consumer == self._group,
            _among(inbox.c.event_id, [row.event_id for row in rows]),
        )
        return set((await self._session.execute(statement)).scalars())

    async def _letters(self, rows: Sequence[Row[Any]]) -> dict[str, Any]:
        statement = select(
            dead_letters.c.event_id,
            dead_letters.c.status,
            dead_letters.c.edited,
            dead_letters.c.content,
        ).where(
            dead_letters.c.consumer == self._group,
            _among(dead_letters.c.event_id, [str(row.event_id) for row in rows]),
        )
        found = (await self._session.execute(statement)).all()
        return {row.event_id: row for row in found}

    async def _forgotten_before(self) -> datetime:
        statement = select(func.now() - self._selection.kept)
        before: datetime = (await self._session.execute(statement)).scalar_one()
        return before


def _among(column: Column[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    # As one array, for statements may have only so many parameters.
    array = bindparam(None, values, type_=ARRAY(column.type), unique=True)
    return column == any_(array)
