"""Risk's read side: scores, their history, and windows to chart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, select

from robosure.contexts.risk.domain import (
    CURRENT_MODEL,
    MODELS,
    WINDOW,
    Window,
    replay,
    window_start,
)
from robosure.contexts.risk.domain.model import MULTIPLIER_KNOTS
from robosure.contexts.risk.domain.sample import EPOCH
from robosure.contexts.risk.events import BAND_EDGES, BANDS
from robosure.contexts.risk.schemas import (
    BandOut,
    CredibilityOut,
    ExposureOut,
    FactorDefinitionOut,
    FactorOut,
    KnotOut,
    RiskModelOut,
    RiskModelsOut,
    RobotRiskOut,
    ScoreOut,
    WindowOut,
    WindowsOut,
)
from robosure.contexts.risk.tables import robots, scores, windows
from robosure.kernel.errors import Invalid, NotFound, NotYetKnown
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, Principal, paginate

LONGEST_SPAN: Final = timedelta(days=7)


class RiskQueries:
    """What one principal may see of robots' risk.

    An insurer sees every registered robot, an operator its own, a manufacturer those
    it made.
    """

    def __init__(self, session: ReadSession, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def latest(self, robot_id: UUID) -> RobotRiskOut:
        """Return a robot's latest score, replayed.

        Raises:
            NotFound: there is no such robot, or not for the one who asks.
            NotYetKnown: it has not been scored yet.
        """
        robot = await self._robot(robot_id)
        statement = select(scores).where(scores.c.id == robot.score_id)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotYetKnown("score_not_yet_known", robot_id=robot_id)
        return _shown(row)

    async def history(self, robot_id: UUID, cursor: PageRequest) -> Page[ScoreOut]:
        """List a robot's scores, the newest first.

        Raises:
            NotFound: there is no such robot, or not for the one who asks.
        """
        await self._robot(robot_id)
        shown = [scores.c[name] for name in ScoreOut.model_fields]
        return await paginate(
            self._session,
            select(*shown).where(scores.c.robot_id == robot_id),
            by=scores.c.id,
            cursor=cursor,
            model=ScoreOut,
        )

    async def windows(
        self, robot_id: UUID, *, since: datetime | None, before: datetime | None
    ) -> WindowsOut:
        """List the windows that overlap a span, in order of time.

        Args:
            robot_id: whose.
            since: beginning; :data:`LONGEST_SPAN` before the end if None.
            before: end; :data:`LONGEST_SPAN` after the beginning, or the end of the
                robot's telemetry, if None.

        Raises:
            NotFound: there is no such robot, or not for the one who asks.
            Invalid: the span is empty or longer than :data:`LONGEST_SPAN`.
        """
        await self._robot(robot_id)
        if since is None and before is None:
            before = await self._end_of_telemetry(robot_id)
        first, end = _span(since, before)
        statement = (
            select(windows)
            .where(
                windows.c.robot_id == robot_id,
                windows.c.starts_at >= window_start(first),
                windows.c.starts_at < end,
            )
            .order_by(windows.c.starts_at)
        )
        rows = (await self._session.execute(statement)).all()
        found = [Window(row.starts_at, row.exposure) for row in rows]
        return WindowsOut(
            items=[WindowOut.of(each) for each in found if each.exposure.samples]
        )

    async def _end_of_telemetry(self, robot_id: UUID) -> datetime:
        statement = select(func.max(windows.c.starts_at)).where(
            windows.c.robot_id == robot_id
        )
        last: datetime | None = (await self._session.execute(statement)).scalar_one()
        return EPOCH + LONGEST_SPAN if last is None else last + WINDOW

    async def _robot(self, robot_id: UUID) -> Row[Any]:
        statement = select(robots.c.score_id).where(
            robots.c.id == robot_id, self._visible()
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("robot_not_found", robot_id=robot_id)
        return row

    def _visible(self) -> ColumnElement[bool]:
        own, bound = self._principal.organisation_id, self._principal.robot_id
        seen: ColumnElement[bool]
        match self._principal.organisation_kind:
            case "insurer":
                seen = robots.c.operator_id.is_not(None)
            case "manufacturer":
                seen = robots.c.manufacturer_id == own
            case _:
                seen = robots.c.operator_id == own
        return seen if bound is None else and_(seen, robots.c.id == bound)


def _span(since: datetime | None, before: datetime | None) -> tuple[datetime, datetime]:
    try:
        end = (before or (since or EPOCH) + LONGEST_SPAN).astimezone(UTC)
        first = (since or end - LONGEST_SPAN).astimezone(UTC)
    except OverflowError as error:
        raise Invalid("invalid_span") from error
    if not timedelta() < end - first <= LONGEST_SPAN:
        raise Invalid("invalid_span", longest_days=LONGEST_SPAN.days)
    return first, end


def risk_models() -> RiskModelsOut:
    """List every version of the scoring model, with the definitions of its factors."""
    return RiskModelsOut(
        items=[
            RiskModelOut(
                version=model.version,
                current=model is CURRENT_MODEL,
                prior=model.prior,
                credible_at=model.credible_at,
                factors=[FactorDefinitionOut.model_validate(f) for f in model.factors],
                bands=[
                    BandOut(band=band, from_score=edge)
                    for band, edge in zip(BANDS, (Decimal(0), *BAND_EDGES), strict=True)
                ],
                multipliers=[
                    KnotOut(score=score, multiplier=multiplier)
                    for score, multiplier in MULTIPLIER_KNOTS
                ],
            )
            for model in MODELS.values()
        ]
    )


def _shown(row: Row[Any]) -> RobotRiskOut:
    again = replay(row.inputs, row.model_version)
    return RobotRiskOut(
        robot_id=row.robot_id,
        score_id=row.id,
        score=row.score,
        band=row.band,
        multiplier=row.multiplier,
        model_version=row.model_version,
        samples=row.samples,
        scored_at=row.scored_at,
        reproduced=(again.score, again.band, again.multiplier, again.factors)
        == (row.score, row.band, row.multiplier, row.factors),
        exposure=ExposureOut.of(row.inputs.exposure, row.inputs.limits),
        factors=[FactorOut.of(factor) for factor in row.factors],
        credibility=CredibilityOut.of(row.credibility),
        inputs=row.inputs,
    )
