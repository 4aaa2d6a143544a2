"""Numbers that people read: ``POL-2026-000042``, counted per prefix and year."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table
from sqlalchemy.dialects.postgresql import insert

from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.session import WriteSession

number_sequences = Table(
    "number_sequences",
    metadata,
    Column("prefix", String(8), primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", BigInteger, nullable=False),
    schema=PLATFORM_SCHEMA,
)


async def next_number(session: WriteSession, prefix: str, year: int) -> str:
    """Take the next number of that prefix and year, in one statement.

    The row stays locked until the transaction ends, so numbers have no gaps among
    committed transactions; take the number late.
    """
    taking = insert(number_sequences).values(prefix=prefix, year=year, last=1)
    statement = taking.on_conflict_do_update(
        index_elements=["prefix", "year"],
        set_={"last": number_sequences.c.last + 1},
    ).returning(number_sequences.c.last)
    last: int = (await session.execute(statement)).scalar_one()
    return f"{prefix}-{year}-{last:06d}"
