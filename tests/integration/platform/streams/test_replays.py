"""Replays: a projection is built anew beside live traffic, and nothing counts twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from robosure.contexts.eventflow.service.log import StoredLog
from robosure.kernel.errors import InvalidState
from robosure.kernel.ids import uuid7
from robosure.platform import housekeeping
from robosure.platform import outbox as outbox_module
from robosure.platform.database import Database, WriteSession
from robosure.platform.database.behalf import PLATFORM_ROLE
from robosure.platform.jobs import defer, install_sender
from robosure.platform.outbox import outbox
from robosure.platform.runtime import Runtime
from robosure.platform.streams import (
    Envelope,
    EventBus,
    Postman,
    Relay,
    letters,
    on,
    publish,
)
from robosure.platform.streams.inbox import inbox
from robosure.platform.streams.projections import replays, work
from robosure.platform.streams.projections.horizon import Horizon
from robosure.platform.streams.projections.side import side_of
from tests.integration.platform.streams.replaying import (
    BY,
    GROUP,
    Counting,
    count,
    counting_metadata,
    names,
    projection,
    tallies,
)
from tests.integration.platform.testing.events import Emptied, Filled
from tests.integration.platform.testing.listening import reading, running, tell, until
from tests.support import Deferred, FixedClock


@pytest.fixture
def bus(runtime: Runtime) -> EventBus:
    return runtime.bus


@pytest.fixture
async def counting(
    db: Database, runtime: Runtime, bus: EventBus, relay: Relay
) -> AsyncIterator[Counting]:
    async with db.engine.begin() as connection:
        await connection.execute(text("CREATE SCHEMA counting"))
        await connection.run_sync(counting_metadata.create_all)
        for what in ("USAGE ON SCHEMA", "ALL ON ALL TABLES IN SCHEMA"):
            await connection.execute(text(f"GRANT {what} counting TO {PLATFORM_ROLE}"))
    counting = Counting(runtime, db, bus, relay)
    yield counting
    async with db.engine.begin() as connection:
        for schema in ["counting", *await counting.schemas()]:
            await connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


async def test_a_rebuilt_projection_holds_what_was_handled_and_takes_its_place(
    counting: Counting,
) -> None:
    # given facts that were handled, and tables that say something else
    await counting.live("a", "b", "a")
    await counting.spoil()
    # when
    replay = await counting.replay()
    # then
    assert (replay.status, replay.done, replay.total) == ("done", 3, 3), replay.error
    assert await counting.counts() == {"a": 2, "b": 1}
    # and what was live before is kept beside
    assert await counting.kept(replay.id) == {"spoilt": 9}
    # and live handling goes on in the new tables
    await counting.live("b", "c")
    assert await counting.counts() == {"a": 2, "b": 2, "c": 1}


async def test_the_new_tables_have_all_that_the_live_ones_had(
    counting: Counting,
) -> None:
    # given what the catalogue says of the live tables
    await counting.live("a")
    async with counting.db.write() as session:
        await session.execute(
            text("ALTER TABLE counting.tallies SET (toast_tuple_target = 4080)")
        )
    before = await shape(counting.db, "counting")
    assert "tallies {toast_tuple_target=4080}" in before
    assert any("ix_tallies_times" in each for each in before)
    assert any("ck_tallies_times" in each for each in before)
    # when
    replay = await counting.replay()
    # then it says the same of the new ones, names and all, and of those they replaced
    assert await shape(counting.db, "counting") == before
    assert await shape(counting.db, side_of(replay.id)) == before


async def test_nothing_is_lost_or_counted_twice_beside_live_traffic(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a past, small steps, and some who tell facts in transactions of many
    # lengths, so that they commit mixed up, or not at all
    monkeypatch.setattr(work, "FACTS_AT_ONCE", 100)
    await counting.live(*"abc" * 20)
    chance = Random(3)
    told: Counter[str] = Counter({"a": 20, "b": 20, "c": 20})

    async def teller(stop: asyncio.Event) -> None:
        while not stop.is_set():
            name = chance.choice("abcdef")
            with suppress(UndoneError):
                async with counting.db.write() as session:
                    publish(session, Filled(uuid7(), name, 1))
                    if chance.random() < 0.2:
                        await session.run_sync(write_facts_now)
                        await asyncio.sleep(chance.random() / 20)
                    if chance.random() < 0.1:
                        raise UndoneError
                told[name] += 1
            await asyncio.sleep(0.03)

    async def expect_all() -> None:
        async def all_handled() -> bool:
            return await counting.counts() == dict(told)

        await until(all_handled, expected=True)

    reader = counting.reader()
    await reader.declare()
    async with AsyncExitStack() as live:
        for run in (reader.run, counting.relay.run):
            await live.enter_async_context(running(run))
        for _ in range(4):
            # when it is replayed by two processes, while others tell and handle facts
            stop = asyncio.Event()
            tellers = [asyncio.create_task(teller(stop)) for _ in range(3)]
            replay_id = await counting.ask()
            await asyncio.gather(
                counting.replayer().drain(), counting.replayer().drain()
            )
            stop.set()
            await asyncio.gather(*tellers)
            # then it took effect, and every fact counts once
            assert (await counting.of(replay_id)).status == "done"
            await expect_all()
    assert sum(told.values()) > 90


async def test_a_fact_is_waited_for_that_nobody_completed_anything_after(
    counting: Counting,
) -> None:
    # given a fact whose place in the log is taken by the last who took an id
    horizon = Horizon(counting.db, StoredLog())
    async with counting.db.write() as session:
        publish(session, Filled(uuid7(), "late", 1))
        await session.run_sync(write_facts_now)
        # then it is not decided, however often one looks
        looks = [await horizon.look() for _ in range(3)]
        assert all(decided.facts < taken.facts for decided, taken in looks)
    # until it is committed
    decided, taken = await horizon.look()
    assert decided == taken


async def test_a_fact_that_commits_late_is_not_passed_over(
    counting: Counting,
) -> None:
    # given a fact whose place in the log is taken, and that is not committed while
    # later ones are
    await counting.live("a")
    replay_id = await counting.ask()
    replayer = counting.replayer()
    async with counting.db.write() as session:
        publish(session, Filled(uuid7(), "late", 1))
        await session.run_sync(write_facts_now)
        await counting.live("b", "b")
        # when the replay goes as far as it can
        await replayer.advance()
        await replayer.advance()
    # and the fact is committed, and handled, before the tables change places
    assert (await counting.of(replay_id)).status == "running"
    await counting.live()
    assert await counting.counts() == {"a": 1, "b": 2, "late": 1}
    await replayer.drain()
    # then it is there
    assert (await counting.of(replay_id)).status == "done"
    assert await counting.counts() == {"a": 1, "b": 2, "late": 1}


async def test_a_replay_that_is_killed_anywhere_goes_on_from_there(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given facts, small steps, and a process that dies in most transactions, at
    # their end
    monkeypatch.setattr(work, "FACTS_AT_ONCE", 2)
    await counting.live(*"abcabcaab")
    await counting.spoil()
    write_beside = Database.write_beside
    chance = Random(5)

    @asynccontextmanager
    async def dying(
        db: Database, schemas: Mapping[str, str]
    ) -> AsyncIterator[WriteSession]:
        dies = chance.random() < 0.6
        async with write_beside(db, schemas) as session:
            yield session
            if dies:
                raise ConnectionResetError

    monkeypatch.setattr(Database, "write_beside", dying)
    replay_id = await counting.ask()
    # when it is taken up again and again, each time by another process
    deaths = 0
    while (await counting.of(replay_id)).status in replays.UNDER_WAY:
        try:
            await counting.replayer().advance()
        except ConnectionResetError:
            deaths += 1
    # then
    replay = await counting.of(replay_id)
    assert (replay.status, replay.done) == ("done", 9)
    assert deaths >= 8
    assert await counting.counts() == {"a": 4, "b": 3, "c": 2}


async def test_a_dead_letter_is_left_out_until_it_is_replayed(
    counting: Counting,
) -> None:
    # given a fact that was put aside
    async def refuse_b(
        session: WriteSession, event: Filled, envelope: Envelope
    ) -> None:
        if event.name == "b":
            message = "never b"
            raise ValueError(message)
        await count(session, event, envelope)

    await counting.live("a", "b", "c", handler=refuse_b)
    # when the projection is rebuilt, then it is not in it
    replay = await counting.replay()
    assert (replay.status, replay.left_out) == ("done", 1)
    assert await counting.counts() == {"a": 1, "c": 1}
    # when the letter is replayed, then it counts; and in the next replay, too
    await deliver_letters(counting)
    assert await counting.counts() == {"a": 1, "b": 1, "c": 1}
    replay = await counting.replay()
    assert (replay.status, replay.left_out) == ("done", 0)
    assert await counting.counts() == {"a": 1, "b": 1, "c": 1}


async def test_a_dead_letter_replayed_meanwhile_counts_as_it_was_corrected(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a fact that was put aside, and a replay that went past it
    monkeypatch.setattr(work, "FACTS_AT_ONCE", 1)

    async def refuse_b(
        session: WriteSession, event: Filled, envelope: Envelope
    ) -> None:
        if event.name == "b":
            message = "never b"
            raise ValueError(message)
        await count(session, event, envelope)

    await counting.live("b", "a", handler=refuse_b)
    replay_id = await counting.ask()
    replayer = counting.replayer()
    while (await counting.of(replay_id)).done < 2:
        await replayer.advance()
    # when it is corrected and replayed
    async with counting.db.write() as session:
        (letter,) = await session.execute(select(letters.dead_letters))
        content = letter.content.replace('"name":"b"', '"name":"z"')
        await letters.rewrite(session, letter.id, content, by=BY)
    await deliver_letters(counting)
    # then the rebuilt tables have it as it was handled
    await replayer.drain()
    replay = await counting.of(replay_id)
    assert (replay.status, replay.left_out) == ("done", 0)
    assert await counting.counts() == {"a": 1, "z": 1}
    # and so have those of the next replay
    await counting.replay()
    assert await counting.counts() == {"a": 1, "z": 1}


async def test_a_fact_that_is_about_to_be_handled_is_left_to_that(
    counting: Counting,
) -> None:
    # given a fact that is in the stream, and not handled yet
    await counting.live("a")
    await tell(counting.db, "b")
    await counting.relay.relay()
    # when the projection is rebuilt
    replay = await counting.replay()
    assert (replay.status, replay.left_out) == ("done", 1)
    assert await counting.counts() == {"a": 1}
    # then it counts once, when it is handled
    await counting.reader().drain()
    assert await counting.counts() == {"a": 1, "b": 1}


async def test_a_reaction_that_came_later_comes_to_know_the_past(
    counting: Counting,
) -> None:
    # given a consumer that did not listen to one kind of fact, and handled others
    async def ignore(session: WriteSession, event: Emptied, envelope: Envelope) -> None:
        """Do nothing."""

    await tell(counting.db, "a", "b")
    async with counting.db.write() as session:
        publish(session, Emptied(uuid7()))
    while await counting.relay.relay():
        pass
    only_emptied = on(Emptied, group=GROUP, handler=ignore)
    await reading(counting.db, counting.bus, only_emptied).drain()
    assert await counting.counts() == {}
    # when it reacts to both, and the projection is rebuilt
    counting.projection = projection(
        consumers=(*counting.projection.consumers, only_emptied)
    )
    replay = await counting.replay()
    # then what was told before is in it
    assert (replay.status, replay.left_out) == ("done", 0)
    assert await counting.counts() == {"a": 1, "b": 1}


async def test_what_was_handled_before_the_inbox_remembers_counts_as_handled(
    counting: Counting,
) -> None:
    # given facts that were handled so long ago that the inbox has forgotten
    await counting.live("a", "b")
    async with counting.db.write() as session:
        await session.execute(delete(inbox))
        month_ago = func.now() - timedelta(days=31)
        await session.execute(update(outbox).values(published_at=month_ago))
    await counting.live("c")
    # when, then
    await counting.replay()
    assert await counting.counts() == {"a": 1, "b": 1, "c": 1}


async def test_nobody_is_told_again_and_no_job_runs_again(
    counting: Counting, deferred: Deferred
) -> None:
    # given a handler that tells a fact and defers a job
    install_sender(deferred.send)

    async def tell_more(
        session: WriteSession, event: Filled, envelope: Envelope
    ) -> None:
        await count(session, event, envelope)
        publish(session, Emptied(event.cart_id))
        defer(session, housekeeping.jobs[0], event.name)

    counting.projection = projection(tell_more)
    await counting.live("a", "b", handler=tell_more)
    assert len(deferred.jobs) == 2
    before = await facts_told(counting.db)
    assert before == 4
    # when
    replay = await counting.replay()
    # then
    assert replay.status == "done"
    assert await counting.counts() == {"a": 1, "b": 1}
    assert len(deferred.jobs) == 2
    assert await facts_told(counting.db) == before


async def test_a_handler_that_fails_ends_the_replay_and_changes_nothing(
    counting: Counting,
) -> None:
    # given
    await counting.live("a", "b")

    async def fail(session: WriteSession, event: Filled, envelope: Envelope) -> None:
        message = f"no {event.name}"
        raise ValueError(message)

    counting.projection = projection(fail)
    # when
    replay = await counting.replay()
    # then it says on what, the live tables are as they were, and nothing is left
    assert replay.status == "failed"
    assert replay.error.startswith("ReplayError: testing.Filled ")
    assert replay.error.endswith(": ValueError: no a")
    assert await counting.counts() == {"a": 1, "b": 1}
    assert await counting.schemas() == []


async def test_a_replay_that_is_cancelled_changes_nothing(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a replay that is halfway through
    monkeypatch.setattr(work, "FACTS_AT_ONCE", 1)
    await counting.live("a", "b", "c")
    await counting.spoil()
    replay_id = await counting.ask()
    replayer = counting.replayer()
    while (await counting.of(replay_id)).done < 2:
        await replayer.advance()
    # when
    async with counting.db.write() as session:
        await replays.cancel(session, replay_id)
    await replayer.drain()
    # then
    assert (await counting.of(replay_id)).status == "cancelled"
    assert await counting.counts() == {"spoilt": 9}
    assert await counting.schemas() == []


async def test_a_range_is_kept_beside_and_dropped_in_the_end(
    counting: Counting, clock: FixedClock, runtime: Runtime
) -> None:
    # given facts of three hours
    for name in "abc":
        await counting.live(name)
        clock.advance(timedelta(hours=1))
    # when the second hour is replayed
    start = FixedClock().moment + timedelta(hours=1)
    replay = await counting.replay(since=start, until=start + timedelta(hours=1))
    # then its tables are beside the live ones, for a week
    assert (replay.status, replay.done) == ("kept", 1)
    assert replay.rows == {"notes": 1, "tallies": 1}
    assert await counting.kept(replay.id) == {"b": 1}
    assert await counting.counts() == {"a": 1, "b": 1, "c": 1}
    clock.advance(timedelta(days=6))
    await housekeeping.forget(runtime)
    assert await counting.schemas() == [side_of(replay.id)]
    clock.advance(timedelta(days=1))
    await housekeeping.forget(runtime)
    assert await counting.schemas() == []
    assert (await counting.of(replay.id)).kept_until is None


async def test_only_one_replay_of_a_projection_is_under_way(
    counting: Counting,
) -> None:
    replay_id = await counting.ask()
    with pytest.raises(InvalidState, match="replay under way"):
        await counting.ask()
    await counting.replayer().drain()
    assert (await counting.of(replay_id)).status == "done"
    assert (await counting.replay()).status == "done"


async def test_a_transaction_at_the_live_tables_postpones_the_switch(
    counting: Counting,
) -> None:
    # given a transaction that has looked into a live table, and stays
    await counting.live("a")
    await counting.spoil()
    replay_id = await counting.ask()
    async with counting.db.read() as session:
        await session.execute(select(tallies))
        # when the replay is ready to switch
        replaying = asyncio.create_task(counting.replayer().drain())

        async def attempts() -> int:
            return int((await counting.of(replay_id)).lock_attempts)

        async with asyncio.timeout(10):
            while await attempts() < 1:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.05)
        # then nothing is switched, and who handles something live does
        assert (await counting.of(replay_id)).status == "running"
        await counting.live("b")
    # and once it is over, they change places
    await replaying
    assert (await counting.of(replay_id)).status == "done"
    assert await counting.counts() == {"a": 1, "b": 1}


async def test_handlers_may_read_other_tables_but_not_write_to_them(
    counting: Counting,
) -> None:
    # given a handler that looks a name up, in a table that is not rebuilt
    async with counting.db.write() as session:
        await session.execute(insert(names).values(name="a"))

    async def count_known(
        session: WriteSession, event: Filled, envelope: Envelope
    ) -> None:
        known = select(names.c.name).where(names.c.name == event.name)
        if (await session.execute(known)).first() is not None:
            await count(session, event, envelope)

    counting.projection = projection(count_known)
    await counting.live("a", "b", handler=count_known)
    assert (await counting.replay()).status == "done"
    assert await counting.counts() == {"a": 1}

    # when one would write to it, then the replay fails, and the table is as it was
    async def write(session: WriteSession, event: Filled, envelope: Envelope) -> None:
        await session.execute(insert(names).values(name=event.name))

    counting.projection = projection(write)
    replay = await counting.replay()
    assert replay.status == "failed"
    assert 'cannot insert into view "names"' in replay.error
    async with counting.db.read() as reading_on:
        known = await reading_on.execute(select(names.c.name))
        assert known.scalars().all() == ["a"]


async def test_tables_that_cannot_be_copied_are_refused(counting: Counting) -> None:
    async with counting.db.engine.begin() as connection:
        await connection.execute(
            text("ALTER TABLE counting.notes ADD COLUMN serial bigserial")
        )
    replay = await counting.replay()
    assert replay.status == "failed"
    assert replay.error == (
        "ValueError: notes: partitions, triggers, foreign keys and serial columns "
        "cannot be copied"
    )


class UndoneError(Exception):
    """A transaction is not to be committed."""


def write_facts_now(session: Session) -> None:
    """Write facts before the commit does, as if that took long."""
    outbox_module._write_facts(session)


async def deliver_letters(counting: Counting) -> None:
    """Have dead letters handled again, by a handler that refuses none."""
    async with counting.db.write() as session:
        await letters.ask_replay(session, letters.Chosen(consumer=GROUP), by=BY)
    assert await Postman(counting.db, [counting.reader().effects]).deliver() == 1


async def facts_told(db: Database) -> int:
    async with db.read() as session:
        return int(
            (
                await session.execute(select(func.count()).select_from(outbox))
            ).scalar_one()
        )


async def shape(db: Database, schema: str) -> list[str]:
    """Return columns, indexes and constraints of a schema's tables, in words."""
    statement = text(
        """
        SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable,
          replace(column_default, :schema, ''), is_identity, identity_generation)
        FROM information_schema.columns
        WHERE table_schema = :schema AND table_name IN ('tallies', 'notes')
        UNION ALL
        SELECT replace(indexdef, :schema, '') FROM pg_indexes
        WHERE schemaname = :schema AND tablename IN ('tallies', 'notes')
        UNION ALL
        SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint
        WHERE connamespace = CAST(:schema AS regnamespace)
          AND CAST(conrelid AS regclass)::text ~ '(tallies|notes)$'
        UNION ALL
        SELECT concat_ws(' ', relname, reloptions) FROM pg_class
        WHERE relnamespace = CAST(:schema AS regnamespace)
          AND relname IN ('tallies', 'notes')
        ORDER BY 1
        """
    )
    async with db.read() as session:
        return list((await session.execute(statement, {"schema": schema})).scalars())
