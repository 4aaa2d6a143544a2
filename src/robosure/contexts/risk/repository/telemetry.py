"""Samples in chunks, over SQL.

What arrives is only appended, one chunk for each robot and window of a batch, and no
other row is touched: it never waits for scoring, nor scoring for it. Scoring makes one
chunk of those it summed up, and of all of a window's when the window is over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    DateTime,
    Integer,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from robosure.contexts.risk.domain import ByWindow, Sample, by_window
from robosure.contexts.risk.domain.sample import moment_of
from robosure.contexts.risk.repository.rows import ROWS, given
from robosure.contexts.risk.tables import chunks
from robosure.platform.database import WriteSession
from robosure.platform.database.rows import incoming

SAMPLES_AT_ONCE: Final = 2_000
"""Of one robot. Bounds memory, not what is summed up: the rest follows."""
_CHUNKS_AT_ONCE: Final = 500
_MOMENT: Final = DateTime(timezone=True)


@dataclass
class KeptChunks:
    """Chunks of one robot, which are read when their samples are needed."""

    _contents: dict[datetime, list[str]] = field(default_factory=dict[datetime, Any])

    def add(self, window_start: datetime, content: str) -> None:
        """Add a chunk of a window."""
        self._contents.setdefault(window_start, []).append(content)

    def read(self) -> ByWindow:
        """Return the samples."""
        return {
            start: [
                Sample(*each) for content in contents for each in orjson.loads(content)
            ]
            for start, contents in self._contents.items()
        }


@dataclass
class ArrivedChunks(KeptChunks):
    """Chunks of one robot that are not summed up yet."""

    chunks: list[int] = field(default_factory=list[int])
    first_at: dict[datetime, datetime] = field(default_factory=dict[datetime, datetime])
    more: bool = False


class SqlTelemetry:
    """Samples, in chunks."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(
        self, arrived: Mapping[UUID, Sequence[Sample]], *, at: datetime
    ) -> None:
        """Store samples per robot."""
        parts = [
            (robot_id, window_start, samples)
            for robot_id, of_robot in arrived.items()
            for window_start, samples in by_window(of_robot).items()
        ]
        await self._session.execute(
            _add,
            {
                "robot_id": [robot_id for robot_id, _, _ in parts],
                "window_start": [window_start for _, window_start, _ in parts],
                "arrived_at": [at] * len(parts),
                "first_at": [
                    moment_of(min([each.at_us for each in samples]))
                    for _, _, samples in parts
                ],
                "samples": [len(samples) for _, _, samples in parts],
                "content": [_content_of(samples) for _, _, samples in parts],
            },
        )

    async def arrived(
        self, robot_ids: Collection[UUID]
    ) -> Mapping[UUID, ArrivedChunks]:
        """Return what is not summed up yet, the oldest first, a part of it if much."""
        asked = [{"robot_id": robot_id} for robot_id in robot_ids]
        found = await self._session.execute(_next_to_sum, {ROWS: asked})
        chunks: defaultdict[UUID, ArrivedChunks] = defaultdict(ArrivedChunks)
        for row in found:
            arrived = chunks[row.robot_id]
            arrived.add(row.window_start, row.content)
            arrived.chunks.append(row.id)
            first_at = arrived.first_at.setdefault(row.window_start, row.first_at)
            arrived.first_at[row.window_start] = min(first_at, row.first_at)
            arrived.more = row.chunks == _CHUNKS_AT_ONCE or row.until < row.waiting
        return chunks

    async def of_windows(
        self, windows: Iterable[tuple[UUID, datetime]]
    ) -> Mapping[UUID, KeptChunks]:
        """Return what windows were summed up from, by robot."""
        asked = _windows(windows)
        kept: defaultdict[UUID, KeptChunks] = defaultdict(KeptChunks)
        if asked:
            for row in await self._session.execute(_summed, {ROWS: asked}):
                kept[row.robot_id].add(row.window_start, row.content)
        return kept

    async def merge(
        self,
        chunks: Mapping[UUID, Sequence[int]],
        *,
        closed: Iterable[tuple[UUID, datetime]],
    ) -> None:
        """Note that chunks are summed up, and make one of those of a window."""
        asked = _windows(closed)
        if chunks or asked:
            await self._session.execute(
                _merge,
                {
                    "robots": list(chunks),
                    "ids": [each for ids in chunks.values() for each in ids],
                    ROWS: asked,
                },
            )


def _content_of(samples: Sequence[Sample]) -> str:
    # Plain tuples, for JSON's writer takes no others.
    return orjson.dumps(list(map(tuple, samples))).decode()


def _windows(windows: Iterable[tuple[UUID, datetime]]) -> list[dict[str, object]]:
    return [
        {"robot_id": robot_id, "window_start": window_start}
        for robot_id, window_start in windows
    ]


_arriving: Final = incoming(
    robot_id=Uuid(),
    window_start=_MOMENT,
    arrived_at=_MOMENT,
    first_at=_MOMENT,
    samples=Integer(),
    content=Text(),
)
_add: Final = insert(chunks).from_select(
    [*_arriving.c.keys(), "summed"], select(*_arriving.c, literal(value=False))
)

_robots: Final = given(robot_id=Uuid())
_first: Final = (
    select(
        chunks.c.id,
        chunks.c.window_start,
        chunks.c.first_at,
        chunks.c.samples,
        chunks.c.content,
    )
    .where(chunks.c.robot_id == _robots.c.robot_id, ~chunks.c.summed)
    .order_by(chunks.c.window_start, chunks.c.id)
    .limit(_CHUNKS_AT_ONCE)
    .lateral("first")
)
_counted: Final = (
    select(
        _robots.c.robot_id,
        _first,
        func.count().over(partition_by=_robots.c.robot_id).label("chunks"),
        func.sum(_first.c.samples)
        .over(partition_by=_robots.c.robot_id)
        .label("waiting"),
        func.sum(_first.c.samples)
        .over(
            partition_by=_robots.c.robot_id,
            order_by=[_first.c.window_start, _first.c.id],
        )
        .label("until"),
    )
    .select_from(_robots.join(_first, true()))
    .subquery("counted")
)
_next_to_sum: Final = (
    select(_counted)
    .where(_counted.c.until - _counted.c.samples < SAMPLES_AT_ONCE)
    .order_by(_counted.c.robot_id, _counted.c.window_start, _counted.c.id)
)

_wanted: Final = given(robot_id=Uuid(), window_start=_MOMENT)
_of_wanted: Final = and_(
    chunks.c.robot_id == _wanted.c.robot_id,
    chunks.c.window_start == _wanted.c.window_start,
    chunks.c.summed,
)
_summed: Final = (
    select(chunks.c.robot_id, chunks.c.window_start, chunks.c.content)
    .join(_wanted, _of_wanted)
    .order_by(chunks.c.robot_id, chunks.c.window_start, chunks.c.first_at)
)

_new: Final = (
    delete(chunks)
    .where(
        chunks.c.robot_id == any_(bindparam("robots", type_=ARRAY(Uuid))),
        ~chunks.c.summed,
        chunks.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))),
    )
    .returning(*chunks.c)
    .cte("new")
)
_old: Final = delete(chunks).where(_of_wanted).returning(*chunks.c).cte("old")
_both: Final = union_all(select(_new), select(_old)).subquery("both")
_joined: Final = func.string_agg(
    # Without its brackets.
    func.substr(_both.c.content, 2, func.length(_both.c.content) - 2),
    aggregate_order_by(literal(","), _both.c.first_at, _both.c.id),
)
_merge: Final = insert(chunks).from_select(
    [
        "robot_id",
        "window_start",
        "arrived_at",
        "first_at",
        "samples",
        "content",
        "summed",
    ],
    select(
        _both.c.robot_id,
        _both.c.window_start,
        func.max(_both.c.arrived_at),
        func.min(_both.c.first_at),
        func.sum(_both.c.samples),
        literal("[") + _joined + literal("]"),
        literal(value=True),
    ).group_by(_both.c.robot_id, _both.c.window_start),
)
