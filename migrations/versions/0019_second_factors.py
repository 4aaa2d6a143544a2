"""Second factors: the authenticator apps of people.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_FACTORS: Final = "identity.second_factors"
_MANAGED: Final = """
    organisation_id = platform.acting_organisation()
    OR platform.acting_insurer() AND EXISTS (
      SELECT FROM identity.organisations o
      WHERE o.id = organisation_id AND o.kind <> 'insurer')
"""


def upgrade() -> None:
    op.create_table(
        "second_factors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_step", sa.BigInteger(), nullable=True),
        sa.Column("recovery_digests", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["identity.organisations.id"],
            name=op.f("fk_second_factors_organisation_id_organisations"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity.users.id"],
            name=op.f("fk_second_factors_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_factors")),
        sa.UniqueConstraint("user_id", name=op.f("uq_second_factors_user_id")),
        schema="identity",
    )
    op.execute(f"ALTER TABLE {_FACTORS} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {_FACTORS} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON {_FACTORS} TO robosure_app "
        f"USING ({_MANAGED}) WITH CHECK ({_MANAGED})"
    )
    op.execute(
        f"CREATE POLICY everything ON {_FACTORS} "
        "TO robosure_platform, CURRENT_USER USING (true) WITH CHECK (true)"
    )


def downgrade() -> None:
    op.drop_table("second_factors", schema="identity")
