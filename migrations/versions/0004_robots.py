"""The context robots: its schema and tables.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA robots")
    op.create_table(
        "integration_profiles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integration_profiles")),
        sa.UniqueConstraint("name", name=op.f("uq_integration_profiles_name")),
        schema="robots",
    )
    op.create_table(
        "organisations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "insurer",
                "operator",
                "manufacturer",
                name="organisationkind",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        schema="robots",
    )
    op.create_table(
        "robot_models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("manufacturer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "robot_class",
            sa.Enum(
                "cobot",
                "industrial_arm",
                "mobile",
                "humanoid",
                "drone",
                name="robotclass",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("joint_current_limits", postgresql.JSONB(), nullable=False),
        sa.Column(
            "joint_temperature_limit", sa.Numeric(precision=10, scale=4), nullable=False
        ),
        sa.Column(
            "specifications", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "joint_temperature_limit > 0",
            name=op.f("ck_robot_models_temperature_limit"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_robot_models")),
        sa.UniqueConstraint(
            "manufacturer_id", "name", name=op.f("uq_robot_models_manufacturer_id_name")
        ),
        schema="robots",
    )
    op.create_table(
        "robots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("serial_number", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("manufacturer_id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("insured_value_minor", sa.BigInteger(), nullable=False),
        sa.Column("insured_value_currency", sa.CHAR(length=3), nullable=False),
        sa.Column("commissioned_on", sa.Date(), nullable=False),
        sa.Column(
            "operating_environment",
            sa.Enum(
                "laboratory",
                "factory",
                "warehouse",
                "public_space",
                "outdoor",
                name="environment",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("firmware", sa.Text(), nullable=True),
        sa.Column(
            "specifications", postgresql.JSONB(astext_type=sa.Text()), nullable=False
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "insured_value_minor > 0", name=op.f("ck_robots_insured_value")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["robots.robot_models.id"],
            name=op.f("fk_robots_model_id_robot_models"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_robots")),
        sa.UniqueConstraint(
            "manufacturer_id",
            "serial_number",
            name=op.f("uq_robots_manufacturer_id_serial_number"),
        ),
        schema="robots",
    )
    op.create_index(
        "ix_robots_model_id", "robots", ["model_id"], unique=False, schema="robots"
    )
    op.create_index(
        "ix_robots_operator_id_id",
        "robots",
        ["operator_id", "id"],
        unique=False,
        schema="robots",
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA robots CASCADE")
