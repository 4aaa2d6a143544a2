"""The read side of policies: quotes, policies and their history, for who may see them.

An organisation sees what it sold as the insurer, and what it holds as the operator.
What was just written is read in the transaction that wrote it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    DateTime,
    Table,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Bundle

from robosure.contexts.policies.domain.policy import PolicyStatus
from robosure.contexts.policies.domain.quote import QuoteStatus
from robosure.contexts.policies.domain.rating import Rating
from robosure.contexts.policies.schemas import (
    PolicyOut,
    PolicySummary,
    QuoteOut,
    QuoteSummary,
    TransactionOut,
)
from robosure.contexts.policies.tables import policies, quotes, transactions
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession, WriteSession
from robosure.platform.http import Page, PageRequest, matching, paginate


async def quote(
    session: ReadSession | WriteSession,
    quote_id: UUID,
    *,
    organisation_id: UUID,
    now: datetime,
) -> QuoteOut:
    """Return one quote.

    Raises:
        NotFound: there is none that the organisation may see.
    """
    c = quotes.c
    statement = select(
        c.id,
        c.version,
        _quote_status(now).label("status"),
        c.insurer_id,
        c.holder_id,
        c.created_at,
        c.valid_until,
        c.policy_id,
        _product(quotes),
        c.jurisdiction,
        _term(quotes),
        c.rating,
        c.instalments,
    ).where(_visible(quotes, organisation_id), c.id == quote_id)
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("quote_not_found", quote_id=quote_id)
    rating: Rating = row["rating"]
    count: int = row["instalments"]
    instalments = {"count": count, "amounts": rating.total.split(count)}
    return QuoteOut.model_validate(
        {**row, **_explained(rating), "instalments": instalments}
    )


async def list_quotes(
    session: ReadSession,
    cursor: PageRequest,
    *,
    organisation_id: UUID,
    now: datetime,
    holder_id: UUID | None = None,
    status: QuoteStatus | None = None,
) -> Page[QuoteSummary]:
    """List quotes, newest first."""
    c = quotes.c
    statement = select(
        c.id,
        _quote_status(now).label("status"),
        c.holder_id,
        c.valid_until,
        c.policy_id,
        _product(quotes),
        _term(quotes),
        type_coerce(c.rating, JSONB)["total"].label("total"),
    ).where(
        _visible(quotes, organisation_id),
        *matching((c.holder_id, holder_id), (_quote_status(now), status)),
    )
    return await paginate(
        session, statement, by=c.id, cursor=cursor, model=QuoteSummary
    )


async def policy(
    session: ReadSession | WriteSession,
    policy_id: UUID,
    *,
    organisation_id: UUID,
    now: datetime,
) -> PolicyOut:
    """Return one policy.

    Raises:
        NotFound: there is none that the organisation may see.
    """
    c = policies.c
    statement = select(
        *_summary(now),
        c.version,
        c.insurer_id,
        c.quote_id,
        c.bound_at,
        c.jurisdiction,
        c.robots,
        c.coverages,
        _money("premium", c.premium_minor, c.currency),
        c.taxes,
        _money("tax", c.tax_minor, c.currency),
        c.instalments,
    ).where(_visible(policies, organisation_id), c.id == policy_id)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("policy_not_found", policy_id=policy_id)
    return PolicyOut.model_validate(row)


async def list_policies(
    session: ReadSession,
    cursor: PageRequest,
    *,
    organisation_id: UUID,
    now: datetime,
    number: str | None = None,
    holder_id: UUID | None = None,
    status: PolicyStatus | None = None,
    in_force_on: date | None = None,
) -> Page[PolicySummary]:
    """List policies, newest first."""
    c = policies.c
    statement = select(*_summary(now)).where(
        _visible(policies, organisation_id),
        *matching(
            (c.number, number),
            (c.holder_id, holder_id),
            (_policy_status(now), status),
        ),
    )
    if in_force_on is not None:
        statement = statement.where(c.inception <= in_force_on, in_force_on < c.expiry)
    return await paginate(
        session, statement, by=c.id, cursor=cursor, model=PolicySummary
    )


async def list_transactions(
    session: ReadSession,
    cursor: PageRequest,
    policy_id: UUID,
    *,
    organisation_id: UUID,
) -> Page[TransactionOut]:
    """List a policy's transactions, newest first.

    Raises:
        NotFound: there is no such policy that the organisation may see.
    """
    known = select(policies.c.id).where(
        _visible(policies, organisation_id), policies.c.id == policy_id
    )
    if (await session.execute(known)).first() is None:
        raise NotFound("policy_not_found", policy_id=policy_id)
    c = transactions.c
    statement = select(
        c.id,
        c.sequence,
        c.kind,
        c.effective_on,
        c.issued_at,
        _money("premium", c.premium_minor, c.currency),
        _money("tax", c.tax_minor, c.currency),
        c.segments,
    ).where(c.policy_id == policy_id)
    return await paginate(
        session, statement, by=c.id, cursor=cursor, model=TransactionOut
    )


def _explained(rating: Rating) -> dict[str, Any]:
    """Lay a rating's robots and coverages out flat."""
    return {
        **vars(rating),
        "robots": [
            {**vars(rated.robot), "premium": rated.premium, "factors": rated.factors}
            for rated in rating.robots
        ],
        "coverages": [
            {
                **vars(rated.cover),
                "base_rate": rated.base_rate,
                "exposure": rated.exposure,
                "factors": rated.factors,
                "premium": rated.premium,
            }
            for rated in rating.coverages
        ],
    }


def _summary(now: datetime) -> list[Any]:
    c = policies.c
    return [
        c.id,
        c.number,
        _policy_status(now).label("status"),
        c.holder_id,
        _product(policies),
        _term(policies),
        _money("total", c.premium_minor + c.tax_minor, c.currency),
    ]


def _quote_status(now: datetime) -> ColumnElement[str]:
    """Say in SQL what :meth:`Quote.status_at` says."""
    return case(
        (quotes.c.policy_id.is_not(None), QuoteStatus.BOUND.value),
        (quotes.c.valid_until > now, QuoteStatus.OPEN.value),
        else_=QuoteStatus.EXPIRED.value,
    )


def _policy_status(now: datetime) -> ColumnElement[str]:
    c = policies.c
    moment = literal(now, DateTime(timezone=True))
    today = cast(func.timezone(c.time_zone, moment), Date)
    return case(
        (today < c.inception, PolicyStatus.SCHEDULED.value),
        (today < c.expiry, PolicyStatus.IN_FORCE.value),
        else_=PolicyStatus.ENDED.value,
    )


def _product(table: Table) -> Bundle[Any]:
    return Bundle(
        "product",
        table.c.product_code.label("code"),
        table.c.product_version.label("version"),
    )


def _term(table: Table) -> Bundle[Any]:
    return Bundle("term", table.c.inception, table.c.expiry, table.c.time_zone)


def _money(
    name: str, minor: ColumnElement[int], currency: ColumnElement[str]
) -> Bundle[Any]:
    return Bundle(name, minor.label("minor"), currency.label("currency"))


def _visible(table: Table, organisation_id: UUID) -> ColumnElement[bool]:
    return or_(
        table.c.insurer_id == organisation_id, table.c.holder_id == organisation_id
    )
