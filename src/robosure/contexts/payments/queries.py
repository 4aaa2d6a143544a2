"""The read side of payments: instalments, payouts and the books of one organisation."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Label, Table, cast, distinct, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.orm import Bundle

from robosure.contexts.payments.schemas import (
    AccountBalance,
    BalancesResponse,
    InstalmentResponse,
    InstalmentStatus,
    LedgerTotal,
    PayoutResponse,
    PayoutStatus,
    TransactionResponse,
)
from robosure.contexts.payments.tables import (
    instalments,
    ledger_entries,
    ledger_transactions,
    payouts,
)
from robosure.kernel.errors import NotFound
from robosure.platform.database import ReadSession
from robosure.platform.http import Page, PageRequest, matching, paginate


class PaymentQueries:
    """What one organisation may see: as the insurer, or as the holder."""

    def __init__(self, session: ReadSession, *, organisation_id: UUID) -> None:
        self._session = session
        self._organisation_id = organisation_id

    async def instalments(
        self,
        cursor: PageRequest,
        *,
        policy_id: UUID | None,
        policy_number: str | None,
        status: InstalmentStatus | None,
    ) -> Page[InstalmentResponse]:
        """List instalments, those planned last first."""
        c = instalments.c
        statement = _instalments().where(
            self._visible(instalments),
            *matching((c.policy_id, policy_id), (c.policy_number, policy_number)),
            *matching((c.status, status)),
        )
        return await paginate(
            self._session, statement, by=c.id, cursor=cursor, model=InstalmentResponse
        )

    async def instalment(self, instalment_id: UUID) -> InstalmentResponse:
        """Return one instalment.

        Raises:
            NotFound: there is none that the organisation may see.
        """
        statement = _instalments().where(
            self._visible(instalments), instalments.c.id == instalment_id
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise NotFound("instalment_not_found", id=instalment_id)
        return InstalmentResponse.model_validate(row)

    async def payouts(
        self,
        cursor: PageRequest,
        *,
        claim_id: UUID | None,
        claim_number: str | None,
        status: PayoutStatus | None,
    ) -> Page[PayoutResponse]:
        """List payouts, newest first."""
        c = payouts.c
        statement = select(
            c.id,
            c.claim_id,
            c.claim_number,
            c.holder_id.label("payee_id"),
            _money(payouts),
            c.status,
            c.requested_at,
            c.paid_at,
            c.failure_reason,
        ).where(
            self._visible(payouts),
            *matching((c.claim_id, claim_id), (c.claim_number, claim_number)),
            *matching((c.status, status)),
        )
        return await paginate(
            self._session, statement, by=c.id, cursor=cursor, model=PayoutResponse
        )

    async def transactions(
        self,
        cursor: PageRequest,
        *,
        policy_id: UUID | None,
        claim_id: UUID | None,
        reference: str | None,
    ) -> Page[TransactionResponse]:
        """List the insurer's ledger transactions, newest first."""
        c = ledger_transactions.c
        statement = select(
            c.id,
            c.kind,
            c.policy_id,
            c.claim_id,
            c.reference,
            c.occurred_at,
            _entries(),
        ).where(
            c.insurer_id == self._organisation_id,
            *matching(
                (c.policy_id, policy_id),
                (c.claim_id, claim_id),
                (c.reference, reference),
            ),
        )
        return await paginate(
            self._session, statement, by=c.id, cursor=cursor, model=TransactionResponse
        )

    async def balances(self) -> BalancesResponse:
        """Return the balance of every account of the insurer, and their sums."""
        c = ledger_entries.c
        own = c.insurer_id == self._organisation_id
        minor = cast(func.sum(c.amount_minor), c.amount_minor.type)
        accounts = (
            select(
                c.account,
                Bundle[Any](
                    "balance",
                    minor.label("minor"),
                    c.amount_currency.label("currency"),
                ),
                func.count().label("entries"),
            )
            .where(own)
            .group_by(c.account, c.amount_currency)
            .order_by(c.account, c.amount_currency)
        )
        totals = (
            select(
                c.amount_currency.label("currency"),
                func.count(distinct(c.transaction_id)).label("transactions"),
                minor.label("sum_minor"),
            )
            .where(own)
            .group_by(c.amount_currency)
            .order_by(c.amount_currency)
        )
        return BalancesResponse(
            accounts=[
                AccountBalance.model_validate(row)
                for row in await self._session.execute(accounts)
            ],
            totals=[
                LedgerTotal.model_validate(row)
                for row in await self._session.execute(totals)
            ],
        )

    def _visible(self, table: Table) -> ColumnElement[bool]:
        return or_(
            table.c.insurer_id == self._organisation_id,
            table.c.holder_id == self._organisation_id,
        )


def _instalments() -> Any:
    c = instalments.c
    return select(
        c.id,
        c.policy_id,
        c.policy_number,
        c.sequence,
        c.instalments,
        _money(instalments),
        c.due_on,
        c.status,
        c.attempts,
        c.next_attempt_at,
        c.paid_at,
        c.failure_reason,
    )


def _money(table: Table) -> Bundle[Any]:
    return Bundle(
        "amount",
        table.c.amount_minor.label("minor"),
        table.c.amount_currency.label("currency"),
    )


def _entries() -> Label[Any]:
    """Select a transaction's entries, in their order, as one JSON document."""
    c = ledger_entries.c
    amount = func.jsonb_build_object(
        "minor", c.amount_minor, "currency", c.amount_currency
    )
    entry = func.jsonb_build_object("account", c.account, "amount", amount)
    listed = func.jsonb_agg(aggregate_order_by(entry, c.position), type_=JSONB)
    return (
        select(listed)
        .where(c.transaction_id == ledger_transactions.c.id)
        .scalar_subquery()
        .label("entries")
    )
