"""API keys are rotated, and of a kind.

Each may have one predecessor, and one successor. The kind says for which robots a key
speaks; it follows from the robot that it is bound to, or else from whose it is.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_KINDS: Final = ("robot", "fleet", "manufacturer", "insurer")
_KIND_OF_EACH: Final = """
    UPDATE identity.api_keys k
    SET kind = CASE
      WHEN k.robot_id IS NOT NULL THEN 'robot'
      WHEN o.kind = 'operator' THEN 'fleet'
      ELSE o.kind
    END
    FROM identity.organisations o
    WHERE o.id = k.organisation_id
"""


def upgrade() -> None:
    kind = sa.Enum(*_KINDS, name="keykind", native_enum=False, length=32)
    for column in (
        sa.Column("predecessor_id", sa.Uuid(), nullable=True),
        sa.Column("successor_id", sa.Uuid(), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kind", kind, nullable=True),
    ):
        op.add_column("api_keys", column, schema="identity")
    op.execute(_KIND_OF_EACH)
    op.alter_column("api_keys", "kind", nullable=False, schema="identity")
    op.create_check_constraint(
        op.f("ck_api_keys_bound"),
        "api_keys",
        "(kind = 'robot') = (robot_id IS NOT NULL)",
        schema="identity",
    )
    op.create_unique_constraint(
        op.f("uq_api_keys_predecessor_id"),
        "api_keys",
        ["predecessor_id"],
        schema="identity",
    )
    op.create_foreign_key(
        op.f("fk_api_keys_predecessor_id_api_keys"),
        "api_keys",
        "api_keys",
        ["predecessor_id"],
        ["id"],
        source_schema="identity",
        referent_schema="identity",
    )


def downgrade() -> None:
    """Forget it; the keys stay as they are."""
    for column in ("kind", "rotated_at", "successor_id", "predecessor_id"):
        op.drop_column("api_keys", column, schema="identity")
