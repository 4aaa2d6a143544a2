"""Tables of payments, and the rules of the ledger that the database itself keeps.

The ledger is guarded twice: the domain makes no transaction that does not balance, and
PostgreSQL commits none, nor changes one that is there. The statements that say so
(:data:`LEDGER_RULES`) run whenever the tables are created.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from sqlalchemy import (
    CHAR,
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    event,
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
from robosure.platform.database import metadata, registry

SCHEMA: Final = "payments"


def _choice(kind: type[StrEnum]) -> Enum:
    return Enum(
        kind,
        native_enum=False,
        length=32,
        values_callable=_values,
    )


def _values(kind: type[StrEnum]) -> list[str]:
    return [member.value for member in kind]


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
        Column("status", _choice(Status), nullable=False),
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
    Column("kind", _choice(TransactionKind), nullable=False),
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
    Column("operation", _choice(Operation), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("amount_currency", CHAR(3), nullable=False),
    Column("declined", Text),
    Column("performed_at", DateTime(timezone=True)),
    schema=SCHEMA,
    comment="The sandbox processor's own memory; a real processor keeps its own.",
)

LEDGER_RULES: Final = (
    """
    CREATE OR REPLACE FUNCTION payments.refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'the ledger is only ever added to';
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION payments.require_balance() RETURNS trigger
    LANGUAGE plpgsql AS $$
    DECLARE
      changed uuid;
    BEGIN
      IF TG_TABLE_NAME = 'ledger_transactions' THEN
        changed := NEW.id;
      ELSE
        changed := NEW.transaction_id;
      END IF;
      IF NOT EXISTS (
        SELECT FROM payments.ledger_entries WHERE transaction_id = changed
      ) OR EXISTS (
        SELECT FROM payments.ledger_entries WHERE transaction_id = changed
        GROUP BY amount_currency HAVING sum(amount_minor) <> 0
      ) THEN
        RAISE EXCEPTION USING
          ERRCODE = 'check_violation',
          CONSTRAINT = 'ck_ledger_transactions_balance',
          MESSAGE = 'ledger transaction ' || changed || ' does not balance';
      END IF;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER ledger_transactions_immutable
    BEFORE UPDATE OR DELETE ON payments.ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION payments.refuse_change()
    """,
    """
    CREATE TRIGGER ledger_entries_immutable
    BEFORE UPDATE OR DELETE ON payments.ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION payments.refuse_change()
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_transactions_balance
    AFTER INSERT ON payments.ledger_transactions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments.require_balance()
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_entries_balance
    AFTER INSERT ON payments.ledger_entries DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION payments.require_balance()
    """,
)
"""Run in this order after both tables exist."""

for _rule in LEDGER_RULES:
    event.listen(ledger_entries, "after_create", DDL(_rule))  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


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
