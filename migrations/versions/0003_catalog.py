"""The context catalog: its schema and tables.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA catalog")
    op.create_table(
        "products",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("coverage_names", postgresql.JSONB(), nullable=False),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('english', code), 'A') || setweight(to_tsvector('english', name), 'A') || setweight(jsonb_to_tsvector('english', coverage_names, '[\"string\"]'), 'B') || setweight(to_tsvector('english', description), 'C')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("code", name=op.f("uq_products_code")),
        schema="catalog",
    )
    op.create_index(
        "ix_products_search",
        "products",
        ["search"],
        unique=False,
        schema="catalog",
        postgresql_using="gin",
    )
    op.create_table(
        "product_versions",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("terms", postgresql.JSONB(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["catalog.products.id"],
            name=op.f("fk_product_versions_product_id_products"),
        ),
        sa.PrimaryKeyConstraint(
            "product_id", "number", name=op.f("pk_product_versions")
        ),
        schema="catalog",
    )


def downgrade() -> None:
    op.execute("DROP SCHEMA catalog CASCADE")
