"""A context of the tests' own, ``testing``: an aggregate, and its table.

Its metadata is not the product's, so that no migration knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import registry

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.money import Money
from robosure.platform.database import JsonOf
from tests.integration.platform.testing.events import Filled

testing_metadata = MetaData(schema="testing")
carts = Table(
    "carts",
    testing_metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("limit", JsonOf(Money)),
    UniqueConstraint("name", name="uq_carts_name"),
    CheckConstraint("amount >= 0", name="ck_carts_amount"),
)
effects = Table(
    "effects",
    testing_metadata,
    Column("id", BigInteger, primary_key=True),
    Column("group", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("event_id", Uuid),
)


@dataclass(eq=False)
class Cart(Aggregate):
    name: str
    amount: int = 0
    limit: Money | None = None

    def fill(self, amount: int) -> None:
        self.amount += amount
        self.record(Filled(self.id, self.name, amount))


def _map() -> None:
    registry(metadata=testing_metadata).map_imperatively(
        Cart, carts, version_id_col=carts.c.version
    )


_map()
