"""The ports of webhooks, over SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    Select,
    Uuid,
    any_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from robosure.contexts.notifications import tables
from robosure.contexts.notifications.domain import (
    Attempt,
    EndpointHealth,
    EndpointStatus,
    EventType,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookStatus,
)
from robosure.contexts.notifications.domain.health import AT_ONCE, HOLD_AFTER
from robosure.kernel.errors import InvalidState, NotFound, NotYetKnown
from robosure.kernel.ids import uuid7
from robosure.platform.database import WriteSession
from robosure.platform.database.rows import incoming

MOST_ENDPOINTS: Final = 50
"""How many endpoints an organisation may have."""


class SqlWebhookEndpoints:
    """Endpoints in PostgreSQL, each with its health."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, endpoint: WebhookEndpoint) -> None:
        """Keep a new one; one organisation's are counted one after the other."""
        own = tables.webhook_endpoints.c.organisation_id == endpoint.organisation_id
        lock = func.hashtextextended(f"webhook_endpoints:{endpoint.organisation_id}", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(lock)))
        counting = select(func.count()).select_from(tables.webhook_endpoints).where(own)
        if (await self._session.execute(counting)).scalar_one() >= MOST_ENDPOINTS:
            raise InvalidState("too_many_webhook_endpoints", most=MOST_ENDPOINTS)
        self._session.add(endpoint)
        await self._session.flush()
        self._session.add(EndpointHealth(endpoint.id))

    async def get(self, endpoint_id: UUID) -> WebhookEndpoint:
        """Return one."""
        found = await self._session.get(WebhookEndpoint, endpoint_id)
        if found is None:
            raise NotFound("webhook_endpoint_not_found", id=endpoint_id)
        return found

    async def save(self, endpoint: WebhookEndpoint) -> None:
        """Write its changes, which raises its version."""
        self._session.add(endpoint)
        await self._session.flush()

    async def remove(self, endpoint: WebhookEndpoint) -> None:
        """Forget it, with its deliveries.

        Its health is locked first, as by everybody who changes what hangs together.
        """
        await self.health(endpoint.id)
        columns = tables.webhook_endpoints.c
        await self._session.execute(
            delete(tables.webhook_endpoints).where(columns.id == endpoint.id)
        )

    async def wanting(
        self, event_type: EventType, organisation_ids: Collection[UUID]
    ) -> Sequence[WebhookEndpoint]:
        """Return these organisations' enabled endpoints that are told of it."""
        columns = tables.webhook_endpoints.c
        statement = select(WebhookEndpoint).where(
            columns.organisation_id.in_(organisation_ids),
            columns.status == EndpointStatus.ENABLED,
            or_(
                columns.event_types.is_(None),
                columns.event_types.contains([event_type.value]),
            ),
        )
        return (await self._session.scalars(statement.order_by(columns.id))).all()

    async def health(self, endpoint_id: UUID) -> EndpointHealth | None:
        """Return an endpoint's health, locked; None if the endpoint is gone."""
        return await self._session.get(
            EndpointHealth, endpoint_id, with_for_update=True
        )


class SqlWebhookDeliveries:
    """Deliveries and their attempts in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, deliveries: Sequence[WebhookDelivery]) -> int:
        """Keep new ones; return how many were not there before."""
        columns = tables.webhook_deliveries.c
        rows = [
            {c.key: getattr(each, c.key) for c in columns} | {"version": 1}
            for each in deliveries
        ]
        adding = (
            insert(tables.webhook_deliveries)
            .values(rows)
            .on_conflict_do_nothing(index_elements=["endpoint_id", "event_id"])
            .returning(columns.id)
        )
        return len((await self._session.execute(adding)).all())

    async def endpoint_of(self, delivery_id: UUID, *, organisation_id: UUID) -> UUID:
        """Return the endpoint that a delivery of the organisation's goes to."""
        columns = tables.webhook_deliveries.c
        statement = select(columns.endpoint_id).where(
            columns.id == delivery_id, columns.organisation_id == organisation_id
        )
        found: UUID | None = (await self._session.scalars(statement)).first()
        if found is None:
            raise NotFound("webhook_delivery_not_found", id=delivery_id)
        return found

    async def get_for_update(self, delivery_id: UUID) -> WebhookDelivery:
        """Return one, locked."""
        found = await self._session.get(
            WebhookDelivery, delivery_id, with_for_update=True
        )
        if found is None:
            raise NotFound("webhook_delivery_not_found", id=delivery_id)
        return found

    async def due(
        self, *, at: datetime, most: int
    ) -> Sequence[tuple[WebhookDelivery, WebhookEndpoint]]:
        """Return deliveries to be sent now, locked; skip what others hold."""
        ids = (await self._session.scalars(_due(at, most))).all()
        if not ids:
            return []
        d, e = tables.webhook_deliveries.c, tables.webhook_endpoints.c
        loading = (
            select(WebhookDelivery, WebhookEndpoint)
            .join(tables.webhook_endpoints, d.endpoint_id == e.id)
            .where(d.id.in_(ids))
            .order_by(d.next_attempt_at, d.id)
        )
        found = (await self._session.execute(loading)).all()
        return [(delivery, endpoint) for delivery, endpoint in found]

    async def keep(self, attempt: Attempt) -> None:
        """Write an attempt down."""
        result, duration = attempt.result, attempt.duration
        await self._session.execute(
            insert(tables.webhook_attempts).values(
                id=uuid7(),
                delivery_id=attempt.delivery_id,
                number=attempt.number,
                started_at=attempt.started_at,
                duration_ms=duration and round(duration.total_seconds() * 1000),
                outcome=result.outcome,
                status=result.status,
                answer=result.answer,
                error=result.error,
            )
        )

    async def forget(self, *, before: datetime, most: int) -> int:
        """Delete deliveries made before that; return how many."""
        columns = tables.webhook_deliveries.c
        old = select(columns.id).where(columns.created_at < before).limit(most)
        deleting = (
            delete(tables.webhook_deliveries)
            .where(columns.id.in_(old.with_for_update(skip_locked=True)))
            .returning(columns.id)
        )
        return len((await self._session.execute(deleting)).all())


def _due(at: datetime, most: int) -> Select[UUID]:
    """Select ids of what is to be sent: a fair share of every endpoint that may be.

    The health rows are locked, and skipped where they are, so that two senders seldom
    fill the same room. Where they do, an endpoint has a few more under way for once.
    """
    h, e = tables.webhook_health.c, tables.webhook_endpoints.c
    d = tables.webhook_deliveries.c
    room = case((h.failures >= HOLD_AFTER, 1), else_=AT_ONCE) - (
        select(func.count())
        .select_from(tables.webhook_deliveries)
        .where(
            d.endpoint_id == h.endpoint_id,
            d.status == WebhookStatus.SENDING,
            d.next_attempt_at > at,
        )
        .scalar_subquery()
    )
    oldest = (
        select(func.min(d.next_attempt_at))
        .where(d.endpoint_id == h.endpoint_id, d.next_attempt_at <= at)
        .scalar_subquery()
    )
    ready = (
        select(h.endpoint_id, room.label("room"))
        .join(tables.webhook_endpoints, e.id == h.endpoint_id)
        .where(
            e.status == EndpointStatus.ENABLED,
            or_(h.held_until.is_(None), h.held_until <= at),
            exists().where(d.endpoint_id == h.endpoint_id, d.next_attempt_at <= at),
            room > 0,
        )
        .order_by(oldest)
        .limit(most)
        .with_for_update(of=tables.webhook_health, skip_locked=True)
        .cte("ready")
    )
    waiting = (
        select(d.id)
        .where(d.endpoint_id == ready.c.endpoint_id, d.next_attempt_at <= at)
        .order_by(d.next_attempt_at)
        .limit(ready.c.room)
        .with_for_update(skip_locked=True)
        .lateral("waiting")
    )
    return select(waiting.c.id).select_from(ready.join(waiting, true())).limit(most)


class SqlRobotsFollowed:
    """Whom robots concern, in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def know(self, robot_id: UUID) -> None:
        """Remember that there is such a robot."""
        await self._session.execute(
            insert(tables.robots).values(robot_id=robot_id).on_conflict_do_nothing()
        )

    async def follow(
        self, robot_ids: Collection[UUID], organisation_ids: Collection[UUID]
    ) -> None:
        """Remember that these robots concern these organisations."""
        rows = [
            {"robot_id": robot, "organisation_id": organisation}
            for robot in sorted(robot_ids)
            for organisation in sorted(organisation_ids)
        ]
        if rows:
            following = insert(tables.robot_followers).values(rows)
            await self._session.execute(following.on_conflict_do_nothing())

    async def followers(self, robot_id: UUID) -> Collection[UUID]:
        """Return the organisations that a robot concerns."""
        await self._require_known([robot_id])
        columns = tables.robot_followers.c
        statement = select(columns.organisation_id).where(columns.robot_id == robot_id)
        return (await self._session.scalars(statement)).all()

    async def move_to_bands(
        self, scored: Mapping[UUID, tuple[str, datetime]]
    ) -> Collection[UUID]:
        """Remember the bands of robots' scores, of those that are the latest."""
        told = {
            "told_of": list(scored),
            "told_band": [band for band, _ in scored.values()],
            "told_at": [at for _, at in scored.values()],
        }
        moved = (await self._session.execute(_move_to_bands, told)).all()
        await self._require_known(scored.keys() - {each.robot_id for each in moved})
        return {each.robot_id for each in moved if each.band != each.told_band}

    async def _require_known(self, robot_ids: Collection[UUID]) -> None:
        if not robot_ids:
            return
        known = select(tables.robots.c.robot_id).where(
            tables.robots.c.robot_id == any_(bindparam("ids", type_=ARRAY(Uuid)))
        )
        found = (await self._session.scalars(known, {"ids": list(robot_ids)})).all()
        for robot_id in sorted(set(robot_ids).difference(found)):
            raise NotYetKnown("robot_not_yet_known", robot_id=robot_id)


# Composed once, for every score that is found asks it; in one order, so that two who
# move the same robots wait for each other in turn.
_robots: Final = tables.robots.c
_told: Final = incoming(
    told_of=_robots.robot_id.type,
    told_band=_robots.band.type,
    told_at=_robots.scored_at.type,
)
_before: Final = (
    select(_robots.robot_id, _robots.band, _told.c.told_band, _told.c.told_at)
    .join_from(tables.robots, _told, _robots.robot_id == _told.c.told_of)
    .where(or_(_robots.scored_at.is_(None), _robots.scored_at < _told.c.told_at))
    .order_by(_robots.robot_id)
    .with_for_update(of=tables.robots)
    .subquery("before")
)
_move_to_bands: Final = (
    update(tables.robots)
    .where(_robots.robot_id == _before.c.robot_id)
    .values(band=_before.c.told_band, scored_at=_before.c.told_at)
    .returning(_robots.robot_id, _before.c.band, _before.c.told_band)
)
