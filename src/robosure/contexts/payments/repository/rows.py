"""Instalments, payouts and the ledger, over SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Generic
from uuid import UUID

from sqlalchemy import insert, select

from robosure.contexts.payments import tables
from robosure.contexts.payments.domain import Transaction
from robosure.contexts.payments.ports import M
from robosure.kernel.errors import AlreadyExists, NotFound
from robosure.platform.database import WriteSession, translating


class SqlMovements(Generic[M]):
    """Movements of one kind."""

    def __init__(self, session: WriteSession, kind: type[M]) -> None:
        self._session = session
        self._kind = kind
        self._columns = tables.table_of(kind).c

    def add_all(self, movements: Iterable[M]) -> None:
        """Keep new ones."""
        self._session.add_all(movements)

    async def get_for_update(self, movement_id: UUID) -> M:
        """Return one, locked."""
        found = await self._session.get(self._kind, movement_id, with_for_update=True)
        if found is None:
            code = f"{self._kind.__name__.lower()}_not_found"
            raise NotFound(code, id=movement_id)
        return found

    async def next_due(self, *, at: datetime, among: Collection[UUID]) -> M | None:
        """Return the one that waited longest, locked; skip what others hold."""
        due = (
            select(self._kind)
            .where(self._columns.next_attempt_at <= at)
            .order_by(self._columns.next_attempt_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if among:
            due = due.where(self._columns.id.in_(among))
        return (await self._session.execute(due)).scalar_one_or_none()


class SqlLedger:
    """The books."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def post(self, transaction: Transaction) -> None:
        """Add a transaction and its entries."""
        known = AlreadyExists("ledger_transaction", source=transaction.source)
        async with translating(self._session, {"uq_ledger_transactions_source": known}):
            await self._session.execute(
                insert(tables.ledger_transactions).values(
                    id=transaction.id,
                    kind=transaction.kind,
                    source=transaction.source,
                    insurer_id=transaction.insurer_id,
                    holder_id=transaction.holder_id,
                    policy_id=transaction.policy_id,
                    claim_id=transaction.claim_id,
                    reference=transaction.reference,
                    occurred_at=transaction.occurred_at,
                )
            )
        await self._session.execute(
            insert(tables.ledger_entries),
            [
                {
                    "transaction_id": transaction.id,
                    "position": position,
                    "insurer_id": transaction.insurer_id,
                    "account": entry.account,
                    "amount_minor": entry.amount.minor,
                    "amount_currency": entry.amount.currency,
                }
                for position, entry in enumerate(transaction.entries, start=1)
            ],
        )
