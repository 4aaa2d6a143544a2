"""What was stored and told since a position, in the order of the positions."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    SmallInteger,
    Uuid,
    and_,
    bindparam,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from robosure.contexts.eventflow.queries.events import shown
from robosure.contexts.eventflow.queries.planning import planned_once
from robosure.contexts.eventflow.queries.sight import Sight
from robosure.contexts.eventflow.service.feed import Horizon
from robosure.contexts.eventflow.tables import batches, events
from robosure.kernel.errors import Invalid
from robosure.platform.database import ReadSession
from robosure.platform.http import Principal
from robosure.platform.messages import Kind
from robosure.platform.outbox import outbox

_PARTS: Final = 20
_AT_ONCE: Final = 1_000
_FORM: Final = struct.Struct(">QIQQ")


class Position(NamedTuple):
    """Where a stream goes on.

    Attributes:
        batch: the first part of a batch that was not delivered as a whole.
        event: how many of its events were.
        fact: the first fact that was not delivered.
        caught_up_at: when all that there was had been delivered.
    """

    batch: int
    event: int
    fact: int
    caught_up_at: datetime

    @classmethod
    def after(cls, horizon: Horizon) -> Position:
        """Return where there is what comes after the horizon."""
        return cls(horizon.batches + 1, 0, horizon.facts + 1, horizon.at)

    def encode(self) -> str:
        """Write it as the id of a server-sent event."""
        seconds = int(self.caught_up_at.timestamp())
        packed = _FORM.pack(self.batch, self.event, self.fact, seconds)
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, id_: str) -> Position:
        """Read it back.

        Raises:
            Invalid: it is none.
        """
        try:
            packed = base64.b64decode(f"{id_}==", altchars=b"-_", validate=True)
            batch, event, fact, seconds = _FORM.unpack(packed)
            at = datetime.fromtimestamp(seconds, UTC)
        except (
            binascii.Error,
            struct.error,
            ValueError,
            OverflowError,
            OSError,
        ) as error:
            raise Invalid("invalid_last_event_id") from error
        return cls(batch, event, fact, at)

    def require_kept(self, taken: Horizon, *, kept: timedelta) -> None:
        """Refuse a position after which something may be gone, or that is not ours.

        Raises:
            Invalid: saying which.
        """
        if self.caught_up_at < taken.at - kept:
            raise Invalid("last_event_id_too_old", kept_days=kept.days)
        if self.batch > taken.batches + 1 or self.fact > taken.facts + 1:
            raise Invalid("last_event_id_unknown")


class Happening(NamedTuple):
    """An event that was stored, or a fact that was told, and where it goes on."""

    kind: Kind
    content: dict[str, Any]
    then: Position


@dataclass(frozen=True)
class LiveFilter:
    """What to follow; None does not ask."""

    kind: Kind | None = None
    type: str | None = None
    subject: UUID | None = None


class LiveQueries:
    """What happens, as far as one principal may see it."""

    def __init__(
        self, session: ReadSession, principal: Principal, *, chosen: LiveFilter
    ) -> None:
        self._session = session
        self._sight = Sight(principal)
        self._chosen = chosen
        self._events = chosen.kind in {None, "ingested"}
        self._facts = chosen.kind in {None, "fact"} and may_see_facts(principal)

    async def since(
        self, position: Position, horizon: Horizon
    ) -> tuple[Sequence[Happening], Position]:
        """Return what happened, at most so much at once, and where it goes on."""
        happened: list[Happening] = []
        if self._events:
            found, position = await self._stored(position, horizon)
            happened += found
        else:
            position = position._replace(batch=horizon.batches + 1, event=0)
        if self._facts:
            found, position = await self._told(position, horizon)
            happened += found
        else:
            position = position._replace(fact=horizon.facts + 1)
        if position.batch > horizon.batches and position.fact > horizon.facts:
            position = position._replace(caught_up_at=horizon.at)
        return happened, position

    async def _stored(
        self, position: Position, horizon: Horizon
    ) -> tuple[list[Happening], Position]:
        statement = (
            select(
                batches.c.position,
                batches.c.batch_id,
                batches.c.part,
                batches.c.received_at,
                batches.c.stored,
                batches.c.first_at,
                batches.c.last_at,
            )
            .where(
                batches.c.position.between(position.batch, horizon.batches),
                batches.c.stored > 0,
            )
            .order_by(batches.c.position)
            .limit(_PARTS)
        )
        async with planned_once(self._session):
            found = (await self._session.execute(statement)).all()
        parts = _at_once(found)
        whole = len(parts) == len(found) < _PARTS
        last = horizon.batches if whole else parts[-1].position
        end = position._replace(batch=last + 1, event=0)
        rows: Sequence[Any] = ()
        if parts:
            rows = await self._events_of(parts, position)
        happened: list[Happening] = []
        for row in rows:
            then = position._replace(batch=row.position, event=row.number)
            happened.append(Happening("ingested", shown(row), then))
        return happened, end

    async def _events_of(
        self, parts: Sequence[Any], position: Position
    ) -> Sequence[Any]:
        part = (
            func.unnest(
                bindparam("positions", [p.position for p in parts], ARRAY(BigInteger)),
                bindparam("batches", [p.batch_id for p in parts], ARRAY(Uuid)),
                bindparam("parts", [p.part for p in parts], ARRAY(SmallInteger)),
                bindparam(
                    "received",
                    [p.received_at for p in parts],
                    ARRAY(DateTime(timezone=True)),
                ),
            )
            .table_valued("position", "batch_id", "part", "received_at", name="part")
            .render_derived()
        )
        number = func.row_number().over(
            partition_by=part.c.position, order_by=[events.c.time, events.c.key]
        )
        first = min(each.first_at for each in parts)
        last = max(each.last_at for each in parts)
        found = (
            select(part.c.position, events, number.label("number"))
            .join_from(
                part,
                events,
                and_(
                    events.c.received_at == part.c.received_at,
                    events.c.batch_id == part.c.batch_id,
                    events.c.part == part.c.part,
                ),
            )
            .where(events.c.day.between(_day(first), _day(last)))
            .subquery("found")
        )
        conditions: list[ColumnElement[bool]] = [
            or_(found.c.position > position.batch, found.c.number > position.event),
            self._sight.of(found.c.subject),
        ]
        if self._chosen.type is not None:
            conditions.append(found.c.type == self._chosen.type)
        if self._chosen.subject is not None:
            conditions.append(found.c.subject == self._chosen.subject)
        statement = (
            select(found).where(*conditions).order_by(found.c.position, found.c.number)
        )
        return (await self._session.execute(statement)).all()

    async def _told(
        self, position: Position, horizon: Horizon
    ) -> tuple[list[Happening], Position]:
        conditions: list[ColumnElement[bool]] = [
            outbox.c.position.between(position.fact, horizon.facts)
        ]
        if self._chosen.type is not None:
            conditions.append(outbox.c.type == self._chosen.type)
        if self._chosen.subject is not None:
            subject = outbox.c.payload["robot_id"].astext
            conditions.append(subject == str(self._chosen.subject))
        statement = (
            select(outbox).where(*conditions).order_by(outbox.c.position)
        ).limit(_AT_ONCE)
        rows = (await self._session.execute(statement)).all()
        happened = [
            Happening("fact", _fact(row), position._replace(fact=row.position + 1))
            for row in rows
        ]
        end = position._replace(fact=horizon.facts + 1)
        return happened, happened[-1].then if len(rows) == _AT_ONCE else end


def may_see_facts(principal: Principal) -> bool:
    """Whether facts are theirs to see: the insurer's own people with the permission."""
    return (
        principal.organisation_kind == "insurer"
        and principal.robot_id is None
        and principal.may("facts:read")
    )


def _at_once(parts: Sequence[Any]) -> Sequence[Any]:
    """Return as many of the parts as are told at once: one, or so many events."""
    events_so_far = 0
    for number, part in enumerate(parts, 1):
        events_so_far += part.stored
        if events_so_far >= _AT_ONCE:
            return parts[:number]
    return parts


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _fact(row: Any) -> dict[str, Any]:
    return {
        "event_id": row.event_id,
        "type": row.type,
        "version": row.version,
        "occurred_at": row.occurred_at,
        "correlation_id": row.correlation_id,
        "causation_id": row.causation_id,
        "actor": row.actor,
        "payload": row.payload,
    }
