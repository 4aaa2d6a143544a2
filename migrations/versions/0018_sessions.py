"""Sessions, which refresh tokens carry on.

Revision ID: 0018
Revises: 0017
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_SESSIONS: Final = "identity.sessions"
_MANAGED: Final = """
    organisation_id = platform.acting_organisation()
    OR platform.acting_insurer() AND EXISTS (
      SELECT FROM identity.organisations o
      WHERE o.id = organisation_id AND o.kind <> 'insurer')
"""


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("authenticated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("factors", postgresql.JSONB(), nullable=False),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "ended_because",
            sa.Enum(
                "signed_out",
                "revoked",
                "refresh_token_reused",
                "password_changed",
                "access_changed",
                name="ending",
                native_enum=False,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["identity.organisations.id"],
            name=op.f("fk_sessions_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity.users.id"],
            name=op.f("fk_sessions_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        schema="identity",
    )
    op.create_index(
        "ix_sessions_user_id_id", "sessions", ["user_id", "id"], schema="identity"
    )
    op.create_index(
        "ix_sessions_ended_at",
        "sessions",
        ["ended_at"],
        schema="identity",
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.execute(f"ALTER TABLE {_SESSIONS} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {_SESSIONS} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON {_SESSIONS} TO robosure_app "
        f"USING ({_MANAGED}) WITH CHECK ({_MANAGED})"
    )
    op.execute(
        f"CREATE POLICY everything ON {_SESSIONS} "
        "TO robosure_platform, CURRENT_USER USING (true) WITH CHECK (true)"
    )


def downgrade() -> None:
    op.drop_table("sessions", schema="identity")
