"""The local copies policies keeps of others' facts: products, robots, scores, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Table, select, tuple_, update
from sqlalchemy.dialects.postgresql import Insert, insert

from robosure.contexts.catalog.events import ProductPublished
from robosure.contexts.identity.events import OrganisationRegistered
from robosure.contexts.policies.tables import (
    organisations,
    products,
    robot_scores,
    robots,
)
from robosure.contexts.risk.events import RobotScored
from robosure.contexts.robots.events import RobotChanged, RobotRegistered
from robosure.platform.database import WriteSession
from robosure.platform.database.rows import incoming
from robosure.platform.streams import Consumer, Envelope, on, on_several


async def _product_published(
    session: WriteSession, event: ProductPublished, _envelope: Envelope
) -> None:
    statement, replaced = _upsert(
        products,
        code=event.code,
        product_version=event.product_version,
        effective_from=event.effective_from,
        terms=event.terms,
    )
    await session.execute(statement.on_conflict_do_update(**replaced))


async def _robot_registered(
    session: WriteSession, event: RobotRegistered, _envelope: Envelope
) -> None:
    statement, replaced = _upsert(
        robots,
        robot_id=event.robot_id,
        serial_number=event.serial_number,
        operator_id=event.operator_id,
        robot_class=event.robot_class,
        insured_value_minor=event.insured_value.minor,
        insured_value_currency=event.insured_value.currency,
        commissioned_on=event.commissioned_on,
        operating_environment=event.operating_environment,
    )
    await session.execute(statement.on_conflict_do_update(**replaced))


async def _robot_changed(
    session: WriteSession, event: RobotChanged, _envelope: Envelope
) -> None:
    """Rate the next quote by where the robot works now."""
    await session.execute(
        update(robots)
        .where(robots.c.robot_id == event.robot_id)
        .values(operating_environment=event.operating_environment)
    )


async def _robots_scored(
    session: WriteSession, facts: Sequence[tuple[RobotScored, Envelope]]
) -> None:
    """Keep the latest score of each robot, whichever arrives last."""
    events = [event for event, _ in facts]
    latest = {
        event.robot_id: event
        for event in sorted(events, key=lambda each: (each.scored_at, each.score_id))
    }
    # In one order, so that two who keep the same wait for each other in turn.
    rows = [latest[robot_id] for robot_id in sorted(latest)]
    await session.execute(
        _keep_scores,
        {name: [getattr(row, name) for row in rows] for name in _OF_SCORES},
    )


async def _organisation_registered(
    session: WriteSession, event: OrganisationRegistered, _envelope: Envelope
) -> None:
    statement, replaced = _upsert(
        organisations, organisation_id=event.organisation_id, name=event.name
    )
    await session.execute(statement.on_conflict_do_update(**replaced))


def _upsert(table: Table, **values: object) -> tuple[Insert, dict[str, Any]]:
    """Return an insert, and what to do about a row that is there already."""
    statement = insert(table).values(values)
    key = [column.name for column in table.primary_key]
    replaced = {name: statement.excluded[name] for name in values if name not in key}
    return statement, {"index_elements": key, "set_": replaced}


_OF_SCORES: Final = [column.name for column in robot_scores.c]
_scores: Final = incoming(**{each.name: each.type for each in robot_scores.c})
_keeping: Final = insert(robot_scores).from_select(_OF_SCORES, select(*_scores.c))
_keep_scores: Final = _keeping.on_conflict_do_update(
    index_elements=[robot_scores.c.robot_id],
    set_={
        name: _keeping.excluded[name]
        for name in _OF_SCORES
        if name != robot_scores.c.robot_id.name
    },
    where=tuple_(_keeping.excluded.scored_at, _keeping.excluded.score_id)
    > tuple_(robot_scores.c.scored_at, robot_scores.c.score_id),
)

consumers: list[Consumer[Any]] = [
    on(ProductPublished, group="policies", handler=_product_published),
    on(RobotRegistered, group="policies", handler=_robot_registered),
    on(RobotChanged, group="policies", handler=_robot_changed),
    on_several(RobotScored, group="policies", handler=_robots_scored),
    on(OrganisationRegistered, group="policies", handler=_organisation_registered),
]
