"""The context payments: its schema and tables.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_LEDGER_RULES = (
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


def upgrade() -> None:
    op.execute("CREATE SCHEMA payments")
    op.create_table(
        "instalments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("payment_method", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "scheduled",
                "charging",
                "requested",
                "paying",
                "paid",
                "failed",
                name="status",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("policy_number", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.SmallInteger(), nullable=False),
        sa.Column("instalments", sa.SmallInteger(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_instalments_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instalments")),
        sa.UniqueConstraint(
            "policy_id", "sequence", name=op.f("uq_instalments_policy_id_sequence")
        ),
        schema="payments",
    )
    op.create_index(
        "ix_instalments_due",
        "instalments",
        ["next_attempt_at"],
        unique=False,
        schema="payments",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_instalments_holder_id_id",
        "instalments",
        ["holder_id", "id"],
        unique=False,
        schema="payments",
    )
    op.create_index(
        "ix_instalments_insurer_id_id",
        "instalments",
        ["insurer_id", "id"],
        unique=False,
        schema="payments",
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "premium_written",
                "premium_collected",
                "claim_paid",
                name="transactionkind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.Column("claim_id", sa.Uuid(), nullable=True),
        sa.Column("reference", sa.String(length=32), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("source", name=op.f("uq_ledger_transactions_source")),
        schema="payments",
    )
    op.create_index(
        op.f("ix_ledger_transactions_claim_id"),
        "ledger_transactions",
        ["claim_id"],
        unique=False,
        schema="payments",
    )
    op.create_index(
        "ix_ledger_transactions_insurer_id_id",
        "ledger_transactions",
        ["insurer_id", "id"],
        unique=False,
        schema="payments",
    )
    op.create_index(
        op.f("ix_ledger_transactions_policy_id"),
        "ledger_transactions",
        ["policy_id"],
        unique=False,
        schema="payments",
    )
    op.create_index(
        op.f("ix_ledger_transactions_reference"),
        "ledger_transactions",
        ["reference"],
        unique=False,
        schema="payments",
    )
    op.create_table(
        "payouts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("payment_method", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "scheduled",
                "charging",
                "requested",
                "paying",
                "paid",
                "failed",
                name="status",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("claim_number", sa.String(length=32), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payouts_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        schema="payments",
    )
    op.create_index(
        op.f("ix_payouts_claim_id"),
        "payouts",
        ["claim_id"],
        unique=False,
        schema="payments",
    )
    op.create_index(
        "ix_payouts_due",
        "payouts",
        ["next_attempt_at"],
        unique=False,
        schema="payments",
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_payouts_holder_id_id",
        "payouts",
        ["holder_id", "id"],
        unique=False,
        schema="payments",
    )
    op.create_index(
        "ix_payouts_insurer_id_id",
        "payouts",
        ["insurer_id", "id"],
        unique=False,
        schema="payments",
    )
    op.create_table(
        "sandbox_operations",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column(
            "operation",
            sa.Enum("charge", "payout", name="operation", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("declined", sa.Text(), nullable=True),
        sa.Column("performed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_sandbox_operations")),
        schema="payments",
        comment="The sandbox processor's own memory; a real processor keeps its own.",
    )
    op.create_table(
        "ledger_entries",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.CHAR(length=3), nullable=False),
        sa.CheckConstraint(
            "amount_minor <> 0", name=op.f("ck_ledger_entries_not_nothing")
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["payments.ledger_transactions.id"],
            name=op.f("fk_ledger_entries_transaction_id_ledger_transactions"),
        ),
        sa.PrimaryKeyConstraint(
            "transaction_id", "position", name=op.f("pk_ledger_entries")
        ),
        schema="payments",
    )
    op.create_index(
        "ix_ledger_entries_balance",
        "ledger_entries",
        ["insurer_id", "account", "amount_currency"],
        unique=False,
        schema="payments",
        postgresql_include=["amount_minor"],
    )
    for rule in _LEDGER_RULES:
        op.execute(rule)


def downgrade() -> None:
    op.execute("DROP SCHEMA payments CASCADE")
