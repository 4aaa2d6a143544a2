"""The local copies policies keeps of others' facts: products, robots, scores, names."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, tuple_, update
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
from robosure.platform.streams import Consumer, Envelope, on


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


async def _robot_scored(
    session: WriteSession, event: RobotScored, _envelope: Envelope
) -> None:
    """Keep the latest score, whichever arrives last."""
    statement, replaced = _upsert(
        robot_scores,
        robot_id=event.robot_id,
        score_id=event.score_id,
        score=event.score,
        multiplier=event.multiplier,
        scored_at=event.scored_at,
    )
    told, kept = statement.excluded, robot_scores.c
    newer = tuple_(told.scored_at, told.score_id) > tuple_(
        kept.scored_at, kept.score_id
    )
    await session.execute(statement.on_conflict_do_update(**replaced, where=newer))


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


consumers: list[Consumer[Any]] = [
    on(ProductPublished, group="policies", handler=_product_published),
    on(RobotRegistered, group="policies", handler=_robot_registered),
    on(RobotChanged, group="policies", handler=_robot_changed),
    on(RobotScored, group="policies", handler=_robot_scored),
    on(OrganisationRegistered, group="policies", handler=_organisation_registered),
]
