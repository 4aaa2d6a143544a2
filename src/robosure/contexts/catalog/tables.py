"""Tables of the schema ``catalog``, and their mapping onto the domain."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import relationship

from robosure.contexts.catalog.domain import Product, ProductVersion
from robosure.contexts.catalog.events import ProductTerms
from robosure.platform.database import JsonOf, metadata, registry

SCHEMA = "catalog"

_SEARCH = (
    "setweight(to_tsvector('english', code), 'A')"
    " || setweight(to_tsvector('english', name), 'A')"
    " || setweight(jsonb_to_tsvector('english', coverage_names, '[\"string\"]'), 'B')"
    " || setweight(to_tsvector('english', description), 'C')"
)

products = Table(
    "products",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("coverage_names", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("search", TSVECTOR, Computed(_SEARCH, persisted=True), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("code"),
    Index("ix_products_search", "search", postgresql_using="gin"),
    schema=SCHEMA,
)

product_versions = Table(
    "product_versions",
    metadata,
    Column("product_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("effective_from", Date, nullable=False),
    Column("terms", JsonOf[ProductTerms](ProductTerms), nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["product_id"], [products.c.id]),
    schema=SCHEMA,
)


def _map() -> None:
    registry.map_imperatively(ProductVersion, product_versions)
    registry.map_imperatively(
        Product,
        products,
        version_id_col=products.c.version,
        # Nobody reads it, so it is neither loaded nor written.
        exclude_properties=["search"],
        properties={
            "versions": relationship(
                ProductVersion,
                order_by=product_versions.c.number,
                lazy="selectin",
            ),
        },
    )


_map()
