"""Tables of the schema ``policies``, and their mapping onto the domain."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import composite, relationship

from robosure.contexts.catalog.events import ProductTerms
from robosure.contexts.policies.domain.policy import (
    Policy,
    Segment,
    Transaction,
    TransactionKind,
)
from robosure.contexts.policies.domain.quote import Quote
from robosure.contexts.policies.domain.rating import Rating
from robosure.contexts.policies.domain.tax import TaxLine
from robosure.contexts.policies.events import CoverInForce, InsuredRobot
from robosure.kernel.money import Money
from robosure.kernel.time import Term
from robosure.platform.database import JsonOf, choice, metadata, registry

SCHEMA: Final = "policies"


def _term_columns() -> list[Column[object]]:
    return [
        Column("inception", Date, nullable=False),
        Column("expiry", Date, nullable=False),
        Column("time_zone", String(64), nullable=False),
    ]


quotes = Table(
    "quotes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("insurer_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("product_code", String(64), nullable=False),
    Column("product_version", Integer, nullable=False),
    Column("jurisdiction", String(6), nullable=False),
    *_term_columns(),
    Column("instalments", SmallInteger, nullable=False),
    Column("rating", JsonOf[Rating](Rating), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), nullable=False),
    Column("policy_id", Uuid),
    Index("ix_quotes_insurer_id_id", "insurer_id", "id"),
    Index("ix_quotes_holder_id_id", "holder_id", "id"),
    schema=SCHEMA,
)

policies = Table(
    "policies",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("number", String(32), nullable=False),
    Column("insurer_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("quote_id", Uuid, ForeignKey(quotes.c.id), nullable=False),
    Column("product_code", String(64), nullable=False),
    Column("product_version", Integer, nullable=False),
    Column("jurisdiction", String(6), nullable=False),
    *_term_columns(),
    Column(
        "robots", JsonOf[tuple[InsuredRobot, ...]](tuple[InsuredRobot, ...]),
        nullable=False,
    ),
    Column(
        "coverages", JsonOf[tuple[CoverInForce, ...]](tuple[CoverInForce, ...]),
        nullable=False,
    ),
    Column("premium_minor", BigInteger, nullable=False),
    Column("taxes", JsonOf[tuple[TaxLine, ...]](tuple[TaxLine, ...]), nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Column("instalments", SmallInteger, nullable=False),
    Column("payment_method", Text, nullable=False),
    Column("bound_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("number"),
    UniqueConstraint("quote_id"),
    CheckConstraint("premium_minor >= 0 AND tax_minor >= 0", "not_negative"),
    CheckConstraint("inception < expiry", "term"),
    Index("ix_policies_insurer_id_id", "insurer_id", "id"),
    Index("ix_policies_holder_id_id", "holder_id", "id"),
    schema=SCHEMA,
)  # fmt: skip

transactions = Table(
    "transactions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("policy_id", Uuid, ForeignKey(policies.c.id), nullable=False),
    Column("sequence", SmallInteger, nullable=False),
    Column(
        "kind",
        choice(TransactionKind),
        nullable=False,
    ),
    Column("effective_on", Date, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("premium_minor", BigInteger, nullable=False),
    Column("tax_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Column(
        "segments", JsonOf[tuple[Segment, ...]](tuple[Segment, ...]), nullable=False
    ),
    UniqueConstraint("policy_id", "sequence"),
    schema=SCHEMA,
)

certificates = Table(
    "certificates",
    metadata,
    Column("transaction_id", Uuid, ForeignKey(transactions.c.id), primary_key=True),
    Column("file_key", Text, nullable=False),
    Column("sha256", CHAR(64), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    schema=SCHEMA,
)

robot_ratings = Table(
    "robot_ratings",
    metadata,
    Column("insurer_id", Uuid, primary_key=True),
    Column("robot_id", Uuid, primary_key=True),
    Column("score_id", Uuid, nullable=False),
    Column("score", Numeric, nullable=False),
    Column("band", String(16), nullable=False),
    Column("multiplier", Numeric, nullable=False),
    Column("rated_at", DateTime(timezone=True), nullable=False),
    schema=SCHEMA,
    comment="How an insurer rated a robot's telemetry when it last covered it.",
)

products = Table(
    "products",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("product_version", Integer, primary_key=True, autoincrement=False),
    Column("effective_from", Date, nullable=False),
    Column("terms", JsonOf[ProductTerms](ProductTerms), nullable=False),
    schema=SCHEMA,
    comment="Copy of what the catalogue told.",
)

robots = Table(
    "robots",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("serial_number", Text, nullable=False),
    Column("operator_id", Uuid, nullable=False),
    Column("robot_class", Text, nullable=False),
    Column("insured_value_minor", BigInteger, nullable=False),
    Column("insured_value_currency", CHAR(3), nullable=False),
    Column("commissioned_on", Date, nullable=False),
    Column("operating_environment", Text, nullable=False),
    schema=SCHEMA,
    comment="Copy of what robots told.",
)

robot_scores = Table(
    "robot_scores",
    metadata,
    Column("robot_id", Uuid, primary_key=True),
    Column("score_id", Uuid, nullable=False),
    Column("score", Numeric, nullable=False),
    Column("multiplier", Numeric, nullable=False),
    Column("scored_at", DateTime(timezone=True), nullable=False),
    schema=SCHEMA,
    comment="Copy of the latest score that risk told.",
)

organisations = Table(
    "organisations",
    metadata,
    Column("organisation_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    schema=SCHEMA,
    comment="Copy of the names that identity told.",
)


def _map() -> None:
    registry.map_imperatively(
        Quote,
        quotes,
        version_id_col=quotes.c.version,
        properties={"term": _term(quotes)},
    )
    registry.map_imperatively(
        Transaction, transactions, properties=_money(transactions)
    )
    registry.map_imperatively(
        Policy,
        policies,
        version_id_col=policies.c.version,
        properties={
            "term": _term(policies),
            **_money(policies),
            "transactions": relationship(
                Transaction, order_by=transactions.c.sequence, lazy="selectin"
            ),
        },
    )


def _term(table: Table) -> object:
    return composite(Term, table.c.inception, table.c.expiry, table.c.time_zone)


def _money(table: Table) -> dict[str, object]:
    return {
        name: composite(Money, table.c[f"{name}_minor"], table.c.currency)
        for name in ("premium", "tax")
    }


_map()
