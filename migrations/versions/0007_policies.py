"""The context policies: its schema and tables.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TRANSACTION_RULES = (
    """
    CREATE FUNCTION policies.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'a policy''s transactions are only ever added to';
    END $$
    """,
    """
    CREATE TRIGGER transactions_immutable
    BEFORE UPDATE OR DELETE ON policies.transactions
    FOR EACH STATEMENT EXECUTE FUNCTION policies.refuse_change()
    """,
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA policies")
    op.create_table(
        "organisations",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_organisations")),
        schema="policies",
        comment="Copy of the names that identity told.",
    )
    op.create_table(
        "products",
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("product_version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("code", "product_version", name=op.f("pk_products")),
        schema="policies",
        comment="Copy of what the catalogue told.",
    )
    op.create_table(
        "quotes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("product_code", sa.String(length=64), nullable=False),
        sa.Column("product_version", sa.Integer(), nullable=False),
        sa.Column("jurisdiction", sa.String(length=6), nullable=False),
        sa.Column("inception", sa.Date(), nullable=False),
        sa.Column("expiry", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("instalments", sa.SmallInteger(), nullable=False),
        sa.Column("rating", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quotes")),
        schema="policies",
    )
    op.create_index(
        "ix_quotes_holder_id_id",
        "quotes",
        ["holder_id", "id"],
        unique=False,
        schema="policies",
    )
    op.create_index(
        "ix_quotes_insurer_id_id",
        "quotes",
        ["insurer_id", "id"],
        unique=False,
        schema="policies",
    )
    op.create_table(
        "robot_ratings",
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("score_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Numeric(), nullable=False),
        sa.Column("band", sa.String(length=16), nullable=False),
        sa.Column("multiplier", sa.Numeric(), nullable=False),
        sa.Column("rated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "insurer_id", "robot_id", name=op.f("pk_robot_ratings")
        ),
        schema="policies",
        comment="How an insurer rated a robot's telemetry when it last covered it.",
    )
    op.create_table(
        "robot_scores",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("score_id", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Numeric(), nullable=False),
        sa.Column("multiplier", sa.Numeric(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("robot_id", name=op.f("pk_robot_scores")),
        schema="policies",
        comment="Copy of the latest score that risk told.",
    )
    op.create_table(
        "robots",
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("robot_class", sa.Text(), nullable=False),
        sa.Column("insured_value_minor", sa.BigInteger(), nullable=False),
        sa.Column("insured_value_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("commissioned_on", sa.Date(), nullable=False),
        sa.Column("operating_environment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("robot_id", name=op.f("pk_robots")),
        schema="policies",
        comment="Copy of what robots told.",
    )
    op.create_table(
        "policies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("quote_id", sa.Uuid(), nullable=False),
        sa.Column("product_code", sa.String(length=64), nullable=False),
        sa.Column("product_version", sa.Integer(), nullable=False),
        sa.Column("jurisdiction", sa.String(length=6), nullable=False),
        sa.Column("inception", sa.Date(), nullable=False),
        sa.Column("expiry", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("robots", postgresql.JSONB(), nullable=False),
        sa.Column("coverages", postgresql.JSONB(), nullable=False),
        sa.Column("premium_minor", sa.BigInteger(), nullable=False),
        sa.Column("taxes", postgresql.JSONB(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("instalments", sa.SmallInteger(), nullable=False),
        sa.Column("payment_method", sa.Text(), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("inception < expiry", name=op.f("ck_policies_term")),
        sa.CheckConstraint(
            "premium_minor >= 0 AND tax_minor >= 0",
            name=op.f("ck_policies_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["quote_id"],
            ["policies.quotes.id"],
            name=op.f("fk_policies_quote_id_quotes"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
        sa.UniqueConstraint("number", name=op.f("uq_policies_number")),
        sa.UniqueConstraint("quote_id", name=op.f("uq_policies_quote_id")),
        schema="policies",
    )
    op.create_index(
        "ix_policies_holder_id_id",
        "policies",
        ["holder_id", "id"],
        unique=False,
        schema="policies",
    )
    op.create_index(
        "ix_policies_insurer_id_id",
        "policies",
        ["insurer_id", "id"],
        unique=False,
        schema="policies",
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.SmallInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "new_business",
                "endorsement",
                "cancellation",
                "reinstatement",
                "renewal",
                "reversal",
                name="transactionkind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("premium_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("segments", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"],
            ["policies.policies.id"],
            name=op.f("fk_transactions_policy_id_policies"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint(
            "policy_id", "sequence", name=op.f("uq_transactions_policy_id_sequence")
        ),
        schema="policies",
    )
    op.create_table(
        "certificates",
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("file_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.CHAR(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["policies.transactions.id"],
            name=op.f("fk_certificates_transaction_id_transactions"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_certificates")),
        schema="policies",
    )
    for rule in _TRANSACTION_RULES:
        op.execute(rule)


def downgrade() -> None:
    op.execute("DROP SCHEMA policies CASCADE")
