"""The transaction at the edge: who may write, what is committed, what is translated."""

from __future__ import annotations

import asyncio
import time
import traceback
from random import Random

import pytest
from sqlalchemy import func, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from structlog.testing import capture_logs

from robosure.kernel.errors import AlreadyExists, Stale
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.platform.database import (
    Database,
    next_number,
    translating,
    writers,
)
from robosure.platform.database.session import WriteSession, throwaway_engine
from robosure.platform.outages import infrastructure_is_away
from robosure.platform.settings import Settings
from tests.e2e.chaos.proxy import Proxy, Trouble
from tests.integration.platform.testing.cart import Cart, carts


async def stored(db: Database) -> list[tuple[str, int, int]]:
    async with db.read() as session:
        rows = await session.execute(
            select(carts.c.name, carts.c.amount, carts.c.version).order_by(carts.c.name)
        )
        return [(row.name, row.amount, row.version) for row in rows]


async def a_cart(db: Database, name: str = "a") -> Cart:
    cart = Cart(name)
    async with db.write() as session:
        session.add(cart)
    return cart


async def test_a_read_session_cannot_write(db: Database) -> None:
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with db.read() as session:
            await session.execute(
                insert(carts).values(id=uuid7(), version=1, name="a", amount=0)
            )
    assert await stored(db) == []


async def test_a_silent_database_is_given_up_and_reached_again(
    db: Database, settings: Settings
) -> None:
    # given a database behind a network, and one who waits a fifth of a second
    await a_cart(db)
    url = make_url(settings.database_url.get_secret_value())
    proxy = Proxy(url.port or 5432, Random(1))
    async with proxy.running():
        through = url.set(host="127.0.0.1", port=proxy.port)
        own = Database(
            through.render_as_string(hide_password=False), pool_size=1, patience=0.2
        )
        before = await stored(own)

        async def ask(at_once: int = 1) -> None:
            async with proxy.in_trouble(Trouble.STALL):
                await asyncio.gather(*(stored(own) for _ in range(at_once)))

        async def ask_on_new_connections() -> None:
            await ask(2)

        async def ask_within_a_transaction() -> None:
            async with own.write() as session:
                session.add(Cart("b"))
                await session.flush()
                async with proxy.in_trouble(Trouble.STALL):
                    await session.execute(text("SELECT 1"))

        for asking in (ask, ask_on_new_connections, ask_within_a_transaction):
            # when nothing comes through any more
            started = time.monotonic()
            with pytest.raises(TimeoutError) as silence:
                await asking()
            # then that is told in time, as an outage
            assert time.monotonic() - started < 5
            assert infrastructure_is_away(silence.value)
            # and once it does again, all is as it was
            assert await stored(own) == before
        await own.close()


async def test_a_read_session_sees_one_moment(db: Database) -> None:
    async with db.read() as session:
        count = select(func.count()).select_from(carts)
        assert (await session.execute(count)).scalar_one() == 0
        # when someone adds a cart meanwhile
        await a_cart(db)
        # then this session does not see it
        assert (await session.execute(count)).scalar_one() == 0


async def test_what_fails_is_rolled_back_as_one(db: Database) -> None:
    async def add_two_and_fail() -> None:
        async with db.write() as session:
            session.add(Cart("a"))
            await session.flush()
            session.add(Cart("b", amount=-1))

    with pytest.raises(IntegrityError, match="ck_carts_amount"):
        await add_two_and_fail()
    assert await stored(db) == []


@pytest.mark.parametrize("flushed", [True, False])
async def test_a_change_of_what_another_changed_is_stale(
    db: Database, flushed: bool
) -> None:
    # given a cart that two read at the same time
    cart = await a_cart(db)

    async def change_late() -> None:
        async with db.write() as session:
            late = await session.get_one(Cart, cart.id)
            async with db.write() as other:
                (await other.get_one(Cart, cart.id)).amount = 5
            late.amount = 9
            if flushed:
                await session.flush()

    # when both change it, the second is refused
    with pytest.raises(Stale) as refused:
        await change_late()
    # then the first change stands
    assert refused.value.code == "stale_version"
    assert await stored(db) == [("a", 5, 2)]


async def test_a_violated_constraint_gets_the_domains_word(db: Database) -> None:
    await a_cart(db)
    taken = AlreadyExists("cart_exists", name="a")

    async def add_another() -> None:
        async with (
            db.write() as session,
            translating(session, {"uq_carts_name": taken}),
        ):
            session.add(Cart("a"))

    with pytest.raises(AlreadyExists) as refused:
        await add_another()
    assert refused.value is taken
    assert await stored(db) == [("a", 0, 1)]


async def test_a_constraint_that_nobody_translates_stays_what_it_is(
    db: Database,
) -> None:
    taken = AlreadyExists("cart_exists")

    async def add_a_wrong_one() -> None:
        async with (
            db.write() as session,
            translating(session, {"uq_carts_name": taken}),
        ):
            session.add(Cart("a", amount=-1))

    with pytest.raises(IntegrityError, match="ck_carts_amount"):
        await add_a_wrong_one()


async def test_an_error_does_not_tell_what_was_to_be_stored(db: Database) -> None:
    await a_cart(db)
    with pytest.raises(IntegrityError) as refused:
        async with db.write() as session:
            session.add(Cart("a", amount=918_273))
    assert "918273" not in told(refused.value)


async def test_an_error_does_not_tell_which_row_was_at_fault(db: Database) -> None:
    # when PostgreSQL quotes the row that breaks a rule, or the value that is no number
    with pytest.raises(IntegrityError) as broken:
        async with db.write() as session:
            session.add(Cart("canary", amount=-918_273))
    with pytest.raises(DBAPIError) as unreadable:
        async with db.read() as session:
            await session.execute(text("SELECT CAST('canary' || 'bird' AS integer)"))
    # then neither is told any further, by any of the errors that it becomes
    assert "ck_carts_amount" in told(broken.value)
    assert "918273" not in told(broken.value)
    assert "canarybird" not in told(unreadable.value)


def told(error: BaseException) -> str:
    """Return all that a log would show of an error."""
    return "".join(traceback.format_exception(error))


async def test_what_follows_a_commit_is_done_only_after_it(db: Database) -> None:
    seen: list[object] = []

    async def look() -> None:
        seen.append(await stored(db))

    async def write(*, fail: bool) -> None:
        async with db.write() as session:
            session.add(Cart("a"))
            session.after_commit(look)
            await session.flush()
            seen.append("not yet")
            if fail:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write(fail=True)
    assert seen == ["not yet"]
    await write(fail=False)
    assert seen == ["not yet", "not yet", [("a", 0, 1)]]


async def test_a_commit_stands_whatever_follows_it(db: Database) -> None:
    done: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0)
        _ = 1 / 0

    async def go_on() -> None:
        await asyncio.sleep(0)
        done.append("went on")

    with capture_logs() as lines:
        async with db.write() as session:
            session.add(Cart("a"))
            session.after_commit(fail)
            session.after_commit(go_on)
    assert await stored(db) == [("a", 0, 1)]
    assert done == ["went on"]
    assert [line["event"] for line in lines] == [
        "platform.database.after_commit_failed"
    ]


async def test_a_slow_statement_is_logged_with_its_time(db: Database) -> None:
    impatient = Database(
        db.engine.url.render_as_string(hide_password=False), slow_query_ms=20
    )
    with capture_logs() as lines:
        async with impatient.read() as session:
            await session.execute(text("SELECT 1"))
            await session.execute(text("SELECT pg_sleep(:s)"), {"s": 0.05})
    await impatient.close()
    slow = [line for line in lines if line["event"] == "platform.database.query_slow"]
    assert any("pg_sleep" in line["statement"] for line in slow)
    assert all(line["duration_ms"] >= 20 for line in slow)


async def test_numbers_are_unique_however_many_take_one(db: Database) -> None:
    async def take(number: int) -> str:
        async with db.write() as session:
            taken = await next_number(session, "POL", 2026)
            await asyncio.sleep(0.001 * (number % 3))
            return taken

    taken = await asyncio.gather(*(take(number) for number in range(40)))
    assert sorted(taken) == [f"POL-2026-{n:06d}" for n in range(1, 41)]


async def test_each_prefix_and_year_counts_for_itself(db: Database) -> None:
    async def take(session: WriteSession, *wanted: tuple[str, int]) -> list[str]:
        return [await next_number(session, prefix, year) for prefix, year in wanted]

    async with db.write() as session:
        taken = await take(
            session, ("POL", 2026), ("CLM", 2026), ("POL", 2027), ("POL", 2026)
        )
    assert taken == [
        "POL-2026-000001",
        "CLM-2026-000001",
        "POL-2027-000001",
        "POL-2026-000002",
    ]


async def test_a_number_that_is_not_used_is_given_again(db: Database) -> None:
    async def take(*, fail: bool) -> str:
        async with db.write() as session:
            number = await next_number(session, "POL", 2026)
            if fail:
                raise ZeroDivisionError
            return number

    with pytest.raises(ZeroDivisionError):
        await take(fail=True)
    assert await take(fail=False) == "POL-2026-000001"


async def test_a_document_that_is_not_there_is_null(db: Database) -> None:
    await a_cart(db, "without")
    async with db.write() as session:
        session.add(Cart("with", limit=Money(5, "EUR")))
    async with db.read() as session:
        absent = select(carts.c.name).where(carts.c.limit.is_(None))
        assert (await session.execute(absent)).scalars().all() == ["without"]
        present = select(Cart).where(carts.c.name == "with")
        assert (await session.execute(present)).scalar_one().limit == Money(5, "EUR")


async def test_who_writes_is_known_until_it_is_over(db: Database) -> None:
    async def writing() -> frozenset[str]:
        async with db.read() as session:
            return await writers(session)

    # given one who reads, and one who has written, after whom nobody completed anything
    async with db.read() as reading, db.write() as session:
        await reading.execute(select(carts.c.id))
        session.add(Cart("a"))
        await session.flush()
        statement = text("SELECT CAST(pg_current_xact_id() AS text)")
        own_id = (await session.execute(statement)).scalar_one()
        # then the writer is known, however often one looks
        assert await writing() == {own_id}
        assert await writing() == {own_id}
    # and no longer once it is committed
    assert await writing() == frozenset()


async def test_who_writes_in_another_database_does_not_count(
    db: Database, settings: Settings
) -> None:
    elsewhere = make_url(settings.database_url.get_secret_value())
    engine = throwaway_engine(
        elsewhere.set(database="postgres").render_as_string(hide_password=False)
    )
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_current_xact_id()"))
        async with db.read() as session:
            assert await writers(session) == frozenset()
    await engine.dispose()
