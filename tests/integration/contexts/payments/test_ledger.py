"""The database itself keeps the books in balance, and as they are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from robosure.contexts.payments.domain import (
    Entry,
    Transaction,
    TransactionKind,
    premium_written,
)
from robosure.contexts.payments.repository import SqlLedger
from robosure.contexts.payments.tables import ledger_entries, ledger_transactions
from robosure.kernel.errors import AlreadyExists
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from tests.integration.contexts.payments.conftest import Rows
from tests.unit.contexts.payments.factories import NOON, eur, policy_bound


async def posted(database: Database) -> Transaction:
    transaction = premium_written(policy_bound(), at=NOON)
    async with database.write() as session:
        await SqlLedger(session).post(transaction)
    return transaction


def entry(transaction: Transaction, **changes: Any) -> dict[str, Any]:
    return {
        "transaction_id": transaction.id,
        "position": 9,
        "insurer_id": transaction.insurer_id,
        "account": "assets:cash",
        "amount_minor": 1,
        "amount_currency": "EUR",
        **changes,
    }


async def test_a_source_has_its_effect_once(database: Database, rows: Rows) -> None:
    transaction = await posted(database)
    with pytest.raises(AlreadyExists, match="ledger transaction"):
        async with database.write() as session:
            await SqlLedger(session).post(
                Transaction(
                    kind=TransactionKind.PREMIUM_WRITTEN,
                    source=transaction.source,
                    insurer_id=uuid7(),
                    holder_id=uuid7(),
                    reference="POL-2026-000001",
                    occurred_at=NOON,
                    entries=(Entry("a", eur("1.00")), Entry("b", eur("-1.00"))),
                )
            )
    assert [row.id for row in await rows(ledger_transactions)] == [transaction.id]


async def test_an_entry_that_unbalances_a_transaction_is_not_committed(
    database: Database, rows: Rows
) -> None:
    transaction = await posted(database)
    with pytest.raises(IntegrityError, match="does not balance"):
        async with database.write() as session:
            await session.execute(insert(ledger_entries).values(entry(transaction)))
    assert len(await rows(ledger_entries)) == 2


async def test_currencies_do_not_balance_one_another(
    database: Database, rows: Rows
) -> None:
    transaction = await posted(database)
    both = [
        entry(transaction, amount_minor=5),
        entry(transaction, amount_minor=-5, amount_currency="USD", position=10),
    ]
    with pytest.raises(IntegrityError, match="does not balance"):
        async with database.write() as session:
            await session.execute(insert(ledger_entries), both)
    assert len(await rows(ledger_entries)) == 2


async def test_a_transaction_without_entries_is_not_committed(
    database: Database, rows: Rows
) -> None:
    with pytest.raises(IntegrityError, match="does not balance"):
        async with database.write() as session:
            await session.execute(
                insert(ledger_transactions).values(
                    id=uuid7(),
                    kind=TransactionKind.CLAIM_PAID,
                    source="payout:1",
                    insurer_id=uuid7(),
                    holder_id=uuid7(),
                    reference="CLM-2026-000001",
                    occurred_at=NOON,
                )
            )
    assert await rows(ledger_transactions) == []


@pytest.mark.parametrize(
    "change",
    [
        update(ledger_entries).values(amount_minor=0),
        update(ledger_transactions).values(reference="another"),
        delete(ledger_entries),
        delete(ledger_transactions),
    ],
    ids=["edit entries", "edit transactions", "drop entries", "drop transactions"],
)
async def test_what_is_in_the_books_stays_as_it_is(
    database: Database, rows: Rows, change: Any
) -> None:
    await posted(database)
    before = await rows(ledger_transactions), await rows(ledger_entries)
    with pytest.raises(DBAPIError, match="only ever added to"):
        async with database.write() as session:
            await session.execute(change)
    assert (await rows(ledger_transactions), await rows(ledger_entries)) == before
