"""The context claims: its schema and tables.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_RECORD_RULES = (
    """
    CREATE FUNCTION claims.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION USING
        ERRCODE = 'restrict_violation',
        MESSAGE = 'the record of a claim is only ever added to';
    END $$
    """,
    """
    CREATE TRIGGER evidence_frozen
    BEFORE UPDATE OR DELETE ON claims.evidence
    FOR EACH ROW WHEN (OLD.attached_at IS NOT NULL)
    EXECUTE FUNCTION claims.refuse_change()
    """,
    """
    CREATE TRIGGER attachments_immutable
    BEFORE UPDATE OR DELETE ON claims.attachments
    FOR EACH STATEMENT EXECUTE FUNCTION claims.refuse_change()
    """,
    """
    CREATE TRIGGER reserve_entries_immutable
    BEFORE UPDATE OR DELETE ON claims.reserve_entries
    FOR EACH STATEMENT EXECUTE FUNCTION claims.refuse_change()
    """,
    """
    CREATE TRIGGER timeline_immutable
    BEFORE UPDATE OR DELETE ON claims.timeline
    FOR EACH STATEMENT EXECUTE FUNCTION claims.refuse_change()
    """,
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA claims")
    op.create_table(
        "adjusters",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("skills", postgresql.JSONB(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("last_assigned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_adjusters")),
        schema="claims",
    )
    op.create_index(
        "ix_adjusters_organisation_id_user_id",
        "adjusters",
        ["organisation_id", "user_id"],
        unique=False,
        schema="claims",
    )
    op.create_table(
        "aggregates",
        sa.Column("policy_number", sa.String(length=32), nullable=False),
        sa.Column("coverage_code", sa.Text(), nullable=False),
        sa.Column("inception", sa.Date(), nullable=False),
        sa.Column("limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("used_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.CheckConstraint(
            "used_minor BETWEEN 0 AND limit_minor",
            name=op.f("ck_aggregates_within_limit"),
        ),
        sa.PrimaryKeyConstraint(
            "policy_number", "coverage_code", "inception", name=op.f("pk_aggregates")
        ),
        schema="claims",
        comment="What approved claims have used of a coverage's limit for the term.",
    )
    op.create_table(
        "claims",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("policy_number", sa.String(length=32), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("robot_class", sa.Text(), nullable=False),
        sa.Column("incident_type", sa.Text(), nullable=False),
        sa.Column("incident_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("estimated_loss_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("injury", sa.Boolean(), nullable=False),
        sa.Column("contact_name", sa.Text(), nullable=False),
        sa.Column("contact_email", sa.Text(), nullable=True),
        sa.Column("contact_phone", sa.Text(), nullable=True),
        sa.Column("reported_by", sa.Uuid(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "severity",
            sa.Enum(
                "minor",
                "standard",
                "major",
                "complex",
                name="severity",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("flags", postgresql.JSONB(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "reported",
                "assigned",
                "assessed",
                "approved",
                "payout_requested",
                "paid",
                "declined",
                "closed_without_payment",
                name="claimstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("adjuster_id", sa.Uuid(), nullable=True),
        sa.Column("assessment", postgresql.JSONB(), nullable=True),
        sa.Column("settlement", postgresql.JSONB(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decline_reason", sa.Text(), nullable=True),
        sa.Column("payout_id", sa.Uuid(), nullable=True),
        sa.Column("happenings", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "estimated_loss_minor >= 0", name=op.f("ck_claims_loss_not_negative")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
        sa.UniqueConstraint("number", name=op.f("uq_claims_number")),
        schema="claims",
    )
    op.create_index(
        "ix_claims_holder_id_id",
        "claims",
        ["holder_id", "id"],
        unique=False,
        schema="claims",
    )
    op.create_index(
        "ix_claims_insurer_id_id",
        "claims",
        ["insurer_id", "id"],
        unique=False,
        schema="claims",
    )
    op.create_index(
        "ix_claims_open_by_adjuster",
        "claims",
        ["adjuster_id"],
        unique=False,
        schema="claims",
        postgresql_where=sa.text(
            "status NOT IN ('closed_without_payment', 'declined', 'paid')"
        ),
    )
    op.create_index(
        "ix_claims_policy_number",
        "claims",
        ["policy_number"],
        unique=False,
        schema="claims",
    )
    op.create_index(
        "ix_claims_waiting",
        "claims",
        ["id"],
        unique=False,
        schema="claims",
        postgresql_where=sa.text("status = 'reported'"),
    )
    op.create_table(
        "covers",
        sa.Column("policy_number", sa.String(length=32), nullable=False),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("insurer_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("inception", sa.Date(), nullable=False),
        sa.Column("expiry", sa.Date(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("robots", postgresql.JSONB(), nullable=False),
        sa.Column("coverages", postgresql.JSONB(), nullable=False),
        sa.Column("payment_method", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("policy_number", name=op.f("pk_covers")),
        schema="claims",
    )
    op.create_table(
        "attachments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.CHAR(length=64), nullable=False),
        sa.Column("file_key", sa.Text(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claims.claims.id"],
            name=op.f("fk_attachments_claim_id_claims"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.UniqueConstraint(
            "claim_id", "sha256", name=op.f("uq_attachments_claim_id_sha256")
        ),
        schema="claims",
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("robot_id", sa.Uuid(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("telemetry", postgresql.JSONB(), nullable=True),
        sa.Column("attached_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["claim_id"], ["claims.claims.id"], name=op.f("fk_evidence_claim_id_claims")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        schema="claims",
    )
    op.create_index(
        "ix_evidence_claim_id", "evidence", ["claim_id"], unique=False, schema="claims"
    )
    op.create_table(
        "reserve_entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "change",
            sa.Enum(
                "opened",
                "set",
                "released",
                "paid",
                name="reservechange",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("case_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"],
            ["claims.claims.id"],
            name=op.f("fk_reserve_entries_claim_id_claims"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reserve_entries")),
        schema="claims",
    )
    op.create_index(
        "ix_reserve_entries_claim_id",
        "reserve_entries",
        ["claim_id"],
        unique=False,
        schema="claims",
    )
    op.create_table(
        "timeline",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "what",
            sa.Enum(
                "reported",
                "triaged",
                "flagged",
                "assigned",
                "assignment_waiting",
                "evidence_requested",
                "evidence_attached",
                "attachment_added",
                "reserve_changed",
                "assessed",
                "approved",
                "declined",
                "payout_requested",
                "payout_failed",
                "paid",
                "closed",
                name="happening",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("actor", sa.Uuid(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["claim_id"], ["claims.claims.id"], name=op.f("fk_timeline_claim_id_claims")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline")),
        schema="claims",
    )
    op.create_index(
        "ix_timeline_claim_id_id",
        "timeline",
        ["claim_id", "id"],
        unique=False,
        schema="claims",
    )
    for rule in _RECORD_RULES:
        op.execute(rule)


def downgrade() -> None:
    op.execute("DROP SCHEMA claims CASCADE")
