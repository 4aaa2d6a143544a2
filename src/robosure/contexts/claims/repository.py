"""The ports of claims, over SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import ColumnElement

from robosure.contexts.claims import tables
from robosure.contexts.claims.domain.claim import CLOSED, Claim, ClaimStatus
from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.roster import Adjuster, Workload
from robosure.kernel.errors import AlreadyExists, Invalid, InvalidState, NotFound
from robosure.kernel.money import Money
from robosure.platform.database import WriteSession, next_number, translating
from robosure.platform.database.behalf import PLATFORM, continue_on_behalf_of
from robosure.platform.privacy import (
    ERASED_NAME,
    Erasure,
    Kept,
    Person,
    Records,
    Retention,
    first_day_kept,
    found,
    kept_until,
)

_PREFIX: Final = "CLM"


class SqlClaims:
    """Claims in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def next_number(self, year: int) -> str:
        """Take the next number of the year."""
        return await next_number(self._session, _PREFIX, year)

    def add(self, claim: Claim) -> None:
        """Keep a new one."""
        self._session.add(claim)

    async def get_for_update(self, claim_id: UUID, *, party_id: UUID) -> Claim:
        """Return one, locked."""
        claim = await self.find_for_update(claim_id)
        if claim is None or party_id not in {claim.insurer_id, claim.holder_id}:
            raise NotFound("claim_not_found", claim_id=claim_id)
        return claim

    async def find_for_update(self, claim_id: UUID) -> Claim | None:
        """Return one, locked; None if there is none."""
        return await self._session.get(Claim, claim_id, with_for_update=True)

    async def with_evidence(self, evidence_id: UUID) -> Claim | None:
        """Return the one that asked for that evidence, locked; None if none did."""
        statement = select(tables.evidence.c.claim_id).where(
            tables.evidence.c.id == evidence_id
        )
        claim_id = (await self._session.execute(statement)).scalar_one_or_none()
        return None if claim_id is None else await self.find_for_update(claim_id)

    async def take_waiting(self, *, after: UUID | None) -> Claim | None:
        """Return the first that waits for an adjuster, locked; skip those in use."""
        c = tables.claims.c
        waiting = (
            select(Claim)
            .where(c.status == ClaimStatus.REPORTED)
            .order_by(c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if after is not None:
            waiting = waiting.where(c.id > after)
        return (await self._session.scalars(waiting)).one_or_none()

    async def add_attachment_to(self, claim: Claim) -> None:
        """Store what was attached."""
        known = AlreadyExists("attachment_exists", claim=claim.number)
        constraints = {"uq_attachments_claim_id_sha256": known}
        async with translating(self._session, constraints):
            self._session.add(claim)


class SqlCovers:
    """Covers and their aggregates in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, cover: PolicyCover) -> None:
        """Keep a policy's cover, with nothing of its aggregates used yet."""
        self._session.add(cover)
        opened = [
            {
                "policy_number": cover.policy_number,
                "coverage_code": coverage.code,
                "inception": cover.term.inception,
                "limit_minor": coverage.limit.minor,
                "used_minor": 0,
                "currency": coverage.limit.currency,
            }
            for coverage in cover.coverages
        ]
        await self._session.execute(insert(tables.aggregates), opened)

    async def get(self, policy_number: str) -> PolicyCover:
        """Return a policy's cover."""
        found = await self._session.get(PolicyCover, policy_number)
        if found is None:
            raise NotFound("policy_not_found", policy_number=policy_number)
        return found

    async def remaining(
        self, cover: PolicyCover, coverage_code: str, *, lock: bool
    ) -> Money:
        """Return what is left of a coverage's aggregate."""
        c = tables.aggregates.c
        statement = select(c.limit_minor - c.used_minor, c.currency).where(
            *_aggregate(cover, coverage_code)
        )
        if lock:
            statement = statement.with_for_update()
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise Invalid("coverage_does_not_respond", coverage_code=coverage_code)
        return Money(*row)

    async def draw(self, cover: PolicyCover, coverage_code: str, amount: Money) -> None:
        """Take an amount from a coverage's aggregate, if that much is left."""
        c = tables.aggregates.c
        drawn = await self._session.execute(
            update(tables.aggregates)
            .where(
                *_aggregate(cover, coverage_code),
                c.currency == amount.currency,
                c.used_minor + amount.minor <= c.limit_minor,
            )
            .values(used_minor=c.used_minor + amount.minor)
            .returning(c.used_minor)
        )
        if drawn.one_or_none() is None:
            raise InvalidState("aggregate_exhausted", coverage_code=coverage_code)


class SqlRoster:
    """Adjusters in PostgreSQL."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def put(self, adjuster: Adjuster) -> None:
        """Keep what is known of an adjuster now; when they last got a claim stays."""
        known = {
            "organisation_id": adjuster.organisation_id,
            "name": adjuster.name,
            "skills": adjuster.skills,
            "active": adjuster.active,
        }
        await self._session.execute(
            upsert(tables.adjusters)
            .values(user_id=adjuster.user_id, **known)
            .on_conflict_do_update(index_elements=["user_id"], set_=known)
        )

    async def retire(self, user_id: UUID, *, name: str) -> None:
        """Give no more claims to somebody, if they are on the roster."""
        c = tables.adjusters.c
        await self._session.execute(
            update(tables.adjusters)
            .where(c.user_id == user_id)
            .values(active=False, name=name)
        )

    async def get_for_update(self, user_id: UUID, *, organisation_id: UUID) -> Adjuster:
        """Return an organisation's adjuster, locked."""
        found = await self._session.get(Adjuster, user_id, with_for_update=True)
        if found is None or found.organisation_id != organisation_id:
            raise NotFound("adjuster_not_found", adjuster_id=user_id)
        return found

    async def workloads(self, organisation_id: UUID) -> Sequence[Workload]:
        """Return the load of each active adjuster, locked in the order of their ids.

        From here on the transaction is the platform's: who reports a claim sees neither
        the insurer's staff nor the claims of others.

        The counting is a statement of its own: it begins when the locks are held, and
        so sees every assignment that was made under them before.
        """
        await continue_on_behalf_of(self._session, PLATFORM)
        c = tables.adjusters.c
        on_duty = (
            await self._session.scalars(
                select(Adjuster)
                .where(c.organisation_id == organisation_id, c.active)
                .order_by(c.user_id)
                .with_for_update()
                .execution_options(populate_existing=True)
            )
        ).all()
        claims = tables.claims.c
        ids = [adjuster.user_id for adjuster in on_duty]
        counting = (
            select(claims.adjuster_id, func.count())
            .where(claims.adjuster_id.in_(ids), claims.status.not_in(CLOSED))
            .group_by(claims.adjuster_id)
        )
        rows = await self._session.execute(counting)
        open_claims: dict[UUID, int] = {row[0]: row[1] for row in rows}
        return [Workload(a, open_claims.get(a.user_id, 0)) for a in on_duty]


def _aggregate(
    cover: PolicyCover, coverage_code: str
) -> tuple[ColumnElement[bool], ...]:
    c = tables.aggregates.c
    return (
        c.policy_number == cover.policy_number,
        c.coverage_code == coverage_code,
        c.inception == cover.term.inception,
    )


_CONTACT_KEPT: Final = (
    "whom to ask about a claim is part of its file: GDPR Art. 17 (3) b and e, "
    "HGB section 257, AO section 147"
)


class ClaimsPersonalData:
    """The roster's copy of adjusters, and whom to ask about a claim."""

    async def about(self, session: AsyncSession, person: Person) -> Sequence[Records]:
        """Return the person's entry in the roster, and what was done with claims."""
        adjuster, claim = tables.adjusters.c, tables.claims.c
        contacts = select(
            claim.number,
            claim.contact_name,
            claim.contact_email,
            claim.contact_phone,
            claim.reported_at,
        )
        roster = select(tables.adjusters).where(adjuster.user_id == person.id)
        involved = or_(
            claim.reported_by == person.id,
            claim.adjuster_id == person.id,
            claim.decided_by == person.id,
        )
        handled = select(
            claim.number,
            claim.reported_at,
            claim.reported_by,
            claim.adjuster_id,
            claim.decided_by,
        )
        files = tables.attachments.c
        uploads = select(files.name, files.content_type, files.size, files.uploaded_at)
        return [
            await found(session, "adjuster", roster),
            await found(session, "contact_of_claims", contacts.where(_asks(person))),
            await found(session, "part_in_claims", handled.where(involved)),
            await found(
                session, "uploads", uploads.where(files.uploaded_by == person.id)
            ),
        ]

    async def erase(
        self, session: WriteSession, person: Person, retention: Retention, /
    ) -> Erasure:
        """Take the person off the roster; contacts go when their claims' time is over.

        That is done by :func:`forget_contacts`, for everybody's.
        """
        adjuster, claim = tables.adjusters.c, tables.claims.c
        retired = await session.execute(
            update(tables.adjusters)
            .where(adjuster.user_id == person.id)
            .values(name=ERASED_NAME, skills=(), active=False)
            .returning(adjuster.user_id)
        )
        mentions = select(func.count()).where(
            tables.timeline.c.details["adjuster"].astext == str(person.id)
        )  # they take the name from the roster
        erased = {
            "adjuster": len(retired.all()),
            "timeline": await session.scalar(mentions) or 0,
        }
        years = retention.settings.claims_retention_years
        statement = select(func.count(), func.max(_last_moment())).where(_asks(person))
        count, last = (await session.execute(statement)).one()
        open_ones = select(func.count()).where(
            _asks(person), claim.status.not_in(CLOSED)
        )
        if await session.scalar(open_ones):
            last = (
                retention.now
            )  # the time begins when it is closed, which it is not yet
        kept: list[Kept] = []
        if count:
            until = kept_until(last.date(), years=years)
            kept.append(Kept("contact_of_claims", count, _CONTACT_KEPT, until))
        return Erasure(erased, kept)


async def forget_contacts(session: WriteSession, *, today: date, years: int) -> None:
    """Take the contact out of claims that were decided before what is kept begins."""
    claim = tables.claims.c
    past = datetime.combine(first_day_kept(today, years=years), time(), UTC)
    await session.execute(
        update(tables.claims)
        .where(
            claim.status.in_(CLOSED),
            _last_moment() < past,
            claim.contact_name != ERASED_NAME,
        )
        .values(contact_name=ERASED_NAME, contact_email=None, contact_phone=None)
    )


def _asks(person: Person) -> ColumnElement[bool]:
    """Say which claims name the person as their contact.

    By the address, those only that the person's organisation is a party to.
    """
    claim = tables.claims.c
    by_name = and_(claim.reported_by == person.id, claim.contact_name == person.name)
    by_address = and_(
        func.lower(claim.contact_email) == person.email,
        or_(
            claim.insurer_id == person.organisation_id,
            claim.holder_id == person.organisation_id,
        ),
    )
    return or_(by_address, by_name)


def _last_moment() -> ColumnElement[datetime]:
    return func.coalesce(tables.claims.c.decided_at, tables.claims.c.reported_at)
