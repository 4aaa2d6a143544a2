"""Letters by which people choose a password.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_TABLE: Final = "identity.password_letters"
_OWN: Final = (
    "EXISTS (SELECT FROM identity.users u WHERE u.id = password_letters.user_id)"
)


def upgrade() -> None:
    op.create_table(
        "password_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "reset", "invitation", name="letterkind", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["identity.users.id"],
            name=op.f("fk_password_letters_user_id_users"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_letters")),
        sa.UniqueConstraint("digest", name=op.f("uq_password_letters_digest")),
        schema="identity",
        comment="Letters by which people choose a password, until that is done or over.",
    )
    op.create_index(
        "ix_password_letters_user_id",
        "password_letters",
        ["user_id"],
        schema="identity",
    )
    op.create_index(
        "ix_password_letters_due_at",
        "password_letters",
        ["due_at"],
        schema="identity",
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.execute(f"ALTER TABLE {_TABLE} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {_TABLE} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON {_TABLE} TO robosure_app "
        f"USING ({_OWN}) WITH CHECK ({_OWN})"
    )
    op.execute(
        f"CREATE POLICY everything ON {_TABLE} "
        "TO robosure_platform, CURRENT_USER USING (true) WITH CHECK (true)"
    )


def downgrade() -> None:
    op.drop_table("password_letters", schema="identity")
