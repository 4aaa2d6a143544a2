"""The outbox: a fact and the change that made it true are one transaction."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from robosure.kernel.ids import uuid7
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database import Database
from robosure.platform.events import publish
from robosure.platform.outbox import forget_published, outbox
from tests.integration.platform.testing.cart import Cart, carts
from tests.integration.platform.testing.events import Emptied


async def waiting(db: Database) -> list[Any]:
    async with db.read() as session:
        found = await session.execute(select(outbox).order_by(outbox.c.position))
        return list(found.all())


async def amounts(db: Database) -> list[int]:
    async with db.read() as session:
        return list((await session.execute(select(carts.c.amount))).scalars())


async def test_a_fact_is_written_with_the_change(db: Database) -> None:
    # given someone acting in the course of a request
    actor, cause, cart = uuid7(), uuid7(), Cart("a")
    # when
    with correlated(Correlation("req-1", cause, actor)):
        async with db.write() as session:
            session.add(cart)
            cart.fill(3)
    # then
    (row,) = await waiting(db)
    assert (row.context, row.type, row.version) == ("testing", "testing.Filled", 1)
    assert row.payload == {"cart_id": str(cart.id), "name": "a", "amount": 3}
    assert (row.correlation_id, row.causation_id, row.actor) == ("req-1", cause, actor)
    assert row.published_at is None
    assert cart.pending_events == []


async def test_a_rollback_loses_the_fact_and_the_change(db: Database) -> None:
    async def fail() -> None:
        async with db.write() as session:
            cart = Cart("a")
            session.add(cart)
            cart.fill(3)
            publish(session, Emptied(cart.id))
            await session.flush()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await waiting(db) == []
    assert await amounts(db) == []


async def test_a_change_that_cannot_be_committed_tells_nothing(db: Database) -> None:
    async def add_a_wrong_one() -> None:
        async with db.write() as session:
            cart = Cart("a", amount=-9)
            session.add(cart)
            cart.fill(3)

    with pytest.raises(IntegrityError):
        await add_a_wrong_one()
    assert await waiting(db) == []


async def test_a_fact_without_another_change_is_told_too(db: Database) -> None:
    # given a stored cart
    cart = Cart("a")
    async with db.write() as session:
        session.add(cart)
    # when something is only told about it, and the object let go
    async with db.write() as session:
        (await session.get_one(Cart, cart.id)).record(Emptied(cart.id))
    # then
    assert [row.type for row in await waiting(db)] == ["testing.Emptied"]


async def test_a_fact_without_an_aggregate_is_told(db: Database) -> None:
    cart_id = UUID(int=7)
    async with db.write() as session:
        publish(session, Emptied(cart_id))
    (row,) = await waiting(db)
    assert row.payload == {"cart_id": str(cart_id)}


async def test_facts_of_one_transaction_keep_their_order(db: Database) -> None:
    async with db.write() as session:
        cart = Cart("a")
        session.add(cart)
        for amount in (1, 2, 3):
            cart.fill(amount)
            await session.flush()
    assert [row.payload["amount"] for row in await waiting(db)] == [1, 2, 3]


async def test_a_savepoint_that_is_given_up_takes_no_fact_with_it(
    db: Database,
) -> None:
    cart = Cart("a")

    async def add_the_same_name(session: Any) -> None:
        async with session.begin_nested():
            session.add(Cart("a"))

    async with db.write() as session:
        session.add(cart)
        cart.fill(3)
        await session.flush()
        # when a savepoint within the transaction fails
        with pytest.raises(IntegrityError):
            await add_the_same_name(session)
        cart.fill(4)
    # then what was told outside of it is there, once
    assert [row.payload["amount"] for row in await waiting(db)] == [3, 4]
    assert await amounts(db) == [7]


async def test_relayed_facts_are_forgotten_after_a_while(db: Database) -> None:
    from datetime import timedelta

    from sqlalchemy import func, update

    # given three facts: one relayed long ago, one just now, one not yet
    async with db.write() as session:
        for _ in range(3):
            publish(session, Emptied(uuid7()))
    first, second, third = await waiting(db)
    async with db.write() as session:
        for row, days in ((first, 31), (second, 1)):
            await session.execute(
                update(outbox)
                .where(outbox.c.position == row.position)
                .values(published_at=func.now() - timedelta(days=days))
            )
        # when
        assert await forget_published(session, keep=timedelta(days=30)) == 1
    # then
    left = [row.position for row in await waiting(db)]
    assert left == [second.position, third.position]
