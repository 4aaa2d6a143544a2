"""Sums of windows and days, over SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import DateTime, Uuid, and_, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from robosure.contexts.risk.domain import Day, Exposure, Settled, Span, Sums, Window
from robosure.contexts.risk.domain.sample import EPOCH
from robosure.contexts.risk.repository.rows import ROWS, given
from robosure.contexts.risk.tables import days, windows
from robosure.platform.database import WriteSession

_MOMENT: Final = DateTime(timezone=True)
_EXPOSURE: Final = TypeAdapter(Exposure)
_SETTLED: Final = TypeAdapter(Settled)


class SqlHistory:
    """Sums of windows and days."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def days(
        self, since: Mapping[UUID, datetime | None]
    ) -> Mapping[UUID, Sequence[Day]]:
        """Return robots' days from a moment on; None is all of them."""
        asked = [
            {"robot_id": robot_id, "since": moment or EPOCH}
            for robot_id, moment in since.items()
        ]
        found: defaultdict[UUID, list[Day]] = defaultdict(list)
        for row in await self._session.execute(_days, {ROWS: asked}):
            found[row.robot_id].append(Day.kept(row.starts_at, row.settled))
        return found

    async def windows(
        self, spans: Iterable[tuple[UUID, Span]]
    ) -> Mapping[UUID, Sequence[Window]]:
        """Return robots' windows of these spans."""
        asked = [
            {"robot_id": robot_id, "since": span.since, "before": span.before}
            for robot_id, span in spans
        ]
        found: defaultdict[UUID, list[Window]] = defaultdict(list)
        if asked:
            for row in await self._session.execute(_windows, {ROWS: asked}):
                found[row.robot_id].append(Window(row.starts_at, row.exposure))
        return found

    async def save(self, sums: Mapping[UUID, Sums]) -> None:
        """Store the windows and days of robots that changed."""
        windows_of = [
            {
                "robot_id": robot_id,
                "starts_at": window.starts_at,
                "exposure": _EXPOSURE.dump_python(window.exposure, mode="json"),
            }
            for robot_id, each in sums.items()
            for window in each.windows
        ]
        if windows_of:
            await self._session.execute(_save_windows, {ROWS: windows_of})
        days_of = [
            {
                "robot_id": robot_id,
                "starts_at": day.starts_at,
                "settled": _SETTLED.dump_python(day.settled, mode="json"),
            }
            for robot_id, each in sums.items()
            for day in each.days
        ]
        if days_of:
            await self._session.execute(_save_days, {ROWS: days_of})


_robots: Final = given(robot_id=Uuid(), since=_MOMENT)
_days: Final = select(days).join(
    _robots,
    and_(days.c.robot_id == _robots.c.robot_id, days.c.starts_at >= _robots.c.since),
)
_spans: Final = given(robot_id=Uuid(), since=_MOMENT, before=_MOMENT)
_windows: Final = select(windows).join(
    _spans,
    and_(
        windows.c.robot_id == _spans.c.robot_id,
        windows.c.starts_at >= _spans.c.since,
        windows.c.starts_at < _spans.c.before,
    ),
)
_windows_of: Final = given(robot_id=Uuid(), starts_at=_MOMENT, exposure=JSONB())
_save: Final = insert(windows).from_select(
    list(_windows_of.c.keys()), select(*_windows_of.c)
)
_save_windows: Final = _save.on_conflict_do_update(
    index_elements=[windows.c.robot_id, windows.c.starts_at],
    set_={"exposure": _save.excluded.exposure},
)
_days_of: Final = given(robot_id=Uuid(), starts_at=_MOMENT, settled=JSONB())
_keep: Final = insert(days).from_select(list(_days_of.c.keys()), select(*_days_of.c))
_save_days: Final = _keep.on_conflict_do_update(
    index_elements=[days.c.robot_id, days.c.starts_at],
    set_={"settled": _keep.excluded.settled},
)
