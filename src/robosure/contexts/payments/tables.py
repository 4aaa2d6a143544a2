"""Tables of the schema ``payments``, and their mapping onto the domain.

The ledger is guarded twice: the domain makes no transaction that does not balance, and
PostgreSQL commits none, nor changes one that is there: triggers in the migration see
to it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import composite

from robosure.contexts.payments.domain import (
    Instalment,
    Movement,
    Operation,
    Payout,
    Status,
    TransactionKind,
)
from robosure.kernel.money import Money
from robosure.platform.database import choice, metadata, registry

SCHEMA: Final = "payments"


def _movement_columns() -> list[Column[object]]:
    """Make the columns that instalments and payouts share."""
    return [
        Column("id", Uuid, primary_key=True),
        Column("version", Integer, nullable=False),
        Column("insurer_id", Uuid, nullable=False),
        Column("holder_id", Uuid, nullable=False),
        Column("amount_minor", BigInteger, nullable=False),
        Column("amount_currency", CHAR(3), nullable=False),
        Column("payment_method", Text, nullable=False),
        Column("status", choice(Status), nullable=False),
        Column("next_attempt_at", DateTime(timezone=True)),
        Column("attempts", Integer, nullable=False),
        Column("paid_at", DateTime(timezone=True)),
        Column("failure_reason", Text),
    ]


instalments = Table(
    "instalments",
    metadata,
    *_movement_columns(),
    Column("policy_id", Uuid, nullable=False),
    Column("policy_number", String(32), nullable=False),
    Column("sequence", SmallInteger, nullable=False),
    Column("instalments", SmallInteger, nullable=False),
    Column("due_on", Date, nullable=False),
    UniqueConstraint("policy_id", "sequence"),
    CheckConstraint("amount_minor > 0", "positive"),
    Index(
        "ix_instalments_due",
        "next_attempt_at",
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
    Index("ix_instalments_insurer_id_id", "insurer_id", "id"),
    Index("ix_instalments_holder_id_id", "holder_id", "id"),
    schema=SCHEMA,
)

payouts = Table(
    "payouts",
    metadata,
    *_movement_columns(),
    Column("claim_id", Uuid, nullable=False, index=True),
    Column("claim_number", String(32), nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("amount_minor > 0", "positive"),
    Index(
        "ix_payouts_due",
        "next_attempt_at",
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
    Index("ix_payouts_insurer_id_id", "insurer_id", "id"),
    Index("ix_payouts_holder_id_id", "holder_id", "id"),
    schema=SCHEMA,
)

ledger_transactions = Table(
    "ledger_transactions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", choice(TransactionKind), nullable=False),
    Column("source", Text, nullable=False),
    Column("insurer_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("policy_id", Uuid, index=True),
    Column("claim_id", Uuid, index=True),
    Column("reference", String(32), nullable=False, index=True),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("source"),
    Index("ix_ledger_transactions_insurer_id_id", "insurer_id", "id"),
    schema=SCHEMA,
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column(
        "transaction_id", Uuid, ForeignKey(ledger_transactions.c.id), primary_key=True
    ),
    Column("position", SmallInteger, primary_key=True),
    Column("insurer_id", Uuid, nullable=False),
    Column("account", Text, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("amount_currency", CHAR(3), nullable=False),
    CheckConstraint("amount_minor <> 0", "not_nothing"),
    Index(
        "ix_ledger_entries_balance",
        "insurer_id",
        "account",
        "amount_currency",
        postgresql_include=["amount_minor"],
    ),
    schema=SCHEMA,
)

sandbox_operations = Table(
    "sandbox_operations",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("operation", choice(Operation), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("amount_currency", CHAR(3), nullable=False),
    Column("declined", Text),
    Column("performed_at", DateTime(timezone=True)),
    schema=SCHEMA,
    comment="The sandbox processor's own memory; a real processor keeps its own.",
)


_TABLES: Final[dict[type[Movement], Table]] = {
    Instalment: instalments,
    Payout: payouts,
}


def table_of(kind: type[Movement]) -> Table:
    """Return where that kind of movement is kept."""
    return _TABLES[kind]


def _map() -> None:
    for aggregate, table in _TABLES.items():
        registry.map_imperatively(
            aggregate,
            table,
            version_id_col=table.c.version,
            properties={
                "amount": composite(
                    Money, table.c.amount_minor, table.c.amount_currency
                )
            },
        )


_map()
