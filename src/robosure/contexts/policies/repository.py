"""The ports of policies, over SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from robosure.contexts.policies.domain.factors import Robot
from robosure.contexts.policies.domain.policy import Policy
from robosure.contexts.policies.domain.quote import Product, Quote
from robosure.contexts.policies.domain.telemetry import Score, TelemetryRating
from robosure.contexts.policies.tables import (
    certificates,
    organisations,
    policies,
    products,
    quotes,
    robot_ratings,
    robot_scores,
    robots,
)
from robosure.kernel.errors import InvalidState, NotFound, NotYetKnown
from robosure.kernel.money import Money
from robosure.platform.database import WriteSession, next_number, translating


class SqlQuotes:
    """Quotes in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    def add(self, quote: Quote) -> None:
        """Keep a new one."""
        self._session.add(quote)

    async def get_for_update(self, quote_id: UUID, *, insurer_id: UUID) -> Quote:
        """Return the insurer's quote with its row locked."""
        statement = (
            select(Quote)
            .where(quotes.c.id == quote_id, quotes.c.insurer_id == insurer_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        found = (await self._session.scalars(statement)).one_or_none()
        if found is None:
            raise NotFound("quote_not_found", quote_id=quote_id)
        return found


class SqlPolicies:
    """Policies in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def next_number(self, year: int) -> str:
        """Take the next policy number of a year."""
        return await next_number(self._session, "POL", year)

    async def add(self, policy: Policy) -> None:
        """Keep a new one."""
        bound = InvalidState("quote_already_bound", quote_id=policy.quote_id)
        async with translating(self._session, {"uq_policies_quote_id": bound}):
            self._session.add(policy)

    async def get(self, policy_id: UUID, *, organisation_id: UUID) -> Policy:
        """Return a policy that the organisation sold or holds."""
        statement = select(Policy).where(
            policies.c.id == policy_id,
            or_(
                policies.c.insurer_id == organisation_id,
                policies.c.holder_id == organisation_id,
            ),
        )
        found = (await self._session.scalars(statement)).one_or_none()
        if found is None:
            raise NotFound("policy_not_found", policy_id=policy_id)
        return found


class SqlProducts:
    """The copy of the catalogue in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def get(self, code: str, *, version: int | None, day: date) -> Product:
        """Return a version, or the latest of those sold on that day."""
        c = products.c
        which = (
            c.effective_from <= day if version is None else c.product_version == version
        )
        statement = (
            select(c.code, c.product_version, c.effective_from, c.terms)
            .where(c.code == code, which)
            .order_by(c.product_version.desc())
            .limit(1)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotYetKnown("product_not_yet_known", product=code, version=version)
        return Product(*row)


class SqlRobots:
    """The copy of robots and scores, and insurers' ratings, in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def get(self, robot_ids: Sequence[UUID]) -> list[Robot]:
        """Return robots, in the order asked for."""
        statement = select(robots).where(robots.c.robot_id.in_(robot_ids))
        known = {
            row.robot_id: Robot(
                robot_id=row.robot_id,
                serial_number=row.serial_number,
                operator_id=row.operator_id,
                robot_class=row.robot_class,
                insured_value=Money(
                    row.insured_value_minor, row.insured_value_currency
                ),
                commissioned_on=row.commissioned_on,
                operating_environment=row.operating_environment,
            )
            for row in await self._session.execute(statement)
        }
        for robot_id in robot_ids:
            if robot_id not in known:
                raise NotYetKnown("robot_not_yet_known", robot_id=robot_id)
        return [known[robot_id] for robot_id in robot_ids]

    async def scores(self, robot_ids: Sequence[UUID]) -> Mapping[UUID, Score]:
        """Return the latest score of those that have one."""
        c = robot_scores.c
        statement = select(c.robot_id, c.score_id, c.score, c.multiplier).where(
            c.robot_id.in_(robot_ids)
        )
        rows = await self._session.execute(statement)
        return {robot_id: Score(*score) for robot_id, *score in rows}

    async def ratings(
        self, robot_ids: Sequence[UUID], *, insurer_id: UUID
    ) -> Mapping[UUID, TelemetryRating]:
        """Return how the insurer last rated those that it did rate."""
        c = robot_ratings.c
        statement = select(c.robot_id, c.score_id, c.score, c.band, c.multiplier).where(
            c.insurer_id == insurer_id, c.robot_id.in_(robot_ids)
        )
        rows = await self._session.execute(statement)
        return {robot_id: TelemetryRating(*rating) for robot_id, *rating in rows}

    async def remember(
        self, ratings: Mapping[UUID, TelemetryRating], *, insurer_id: UUID, at: datetime
    ) -> None:
        """Keep ratings, rows in key order."""
        rows = [
            {
                "insurer_id": insurer_id,
                "robot_id": robot_id,
                "score_id": rating.score_id,
                "score": rating.score,
                "band": rating.band,
                "multiplier": rating.multiplier,
                "rated_at": at,
            }
            for robot_id, rating in sorted(ratings.items())
        ]
        if not rows:
            return
        statement = insert(robot_ratings).values(rows)
        changed = ("score_id", "score", "band", "multiplier", "rated_at")
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["insurer_id", "robot_id"],
                set_={name: statement.excluded[name] for name in changed},
                # Binding an older quote does not bring an older score back.
                where=robot_ratings.c.score_id <= statement.excluded.score_id,
            )
        )


class SqlOrganisations:
    """The copy of organisations' names in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def name_of(self, organisation_id: UUID) -> str:
        """Return an organisation's name."""
        c = organisations.c
        statement = select(c.name).where(c.organisation_id == organisation_id)
        name: str | None = await self._session.scalar(statement)
        if name is None:
            raise NotYetKnown(
                "organisation_not_yet_known", organisation_id=organisation_id
            )
        return name


class SqlCertificates:
    """Which file is which certificate, in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def find(self, transaction_id: UUID) -> str | None:
        """Return the file's key."""
        c = certificates.c
        statement = select(c.file_key).where(c.transaction_id == transaction_id)
        key: str | None = await self._session.scalar(statement)
        return key

    async def keep(
        self, transaction_id: UUID, *, key: str, sha256: str, at: datetime
    ) -> str:
        """Keep the first file there is; of two at once, one waits for the other."""
        first = insert(certificates).values(
            transaction_id=transaction_id, file_key=key, sha256=sha256, created_at=at
        )
        await self._session.execute(first.on_conflict_do_nothing())
        return await self.find(transaction_id) or key
