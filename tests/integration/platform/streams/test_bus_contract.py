"""What every bus offers, and what the engine makes of it: each trap has its test."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy.orm import Session

from robosure.kernel.errors import NotYetKnown, Unavailable
from robosure.platform.database import Database, WriteSession
from robosure.platform.settings import Settings
from robosure.platform.streams import Engine, Postman, engine
from robosure.platform.streams.bus import Backlog, Entry, EventBus, Lane, Record
from robosure.platform.streams.letters import RETRIES
from tests.integration.platform.streams.buses import Buses, kill, worker_process
from tests.integration.platform.streams.marking import (
    GROUP,
    Event,
    Marking,
    always_fail,
    append_each,
    count,
    event,
    fail,
    letters_of,
    marked,
    record,
    suspected,
    transactions_of,
    workers_of,
)
from tests.integration.platform.streams.outage import Gate
from tests.integration.platform.testing.listening import running, until
from tests.support import FixedClock


async def drain(bus: EventBus, worker: Engine[Event], stream: str) -> int:
    async with bus.lanes(stream, GROUP, partitions=1) as (lane,):
        return await worker.drain(lane)


async def read(lane: Lane, *, wait: float = 0.0) -> list[tuple[bytes, bool]]:
    """Read once: the values, and whether they may have been given out before."""
    return [
        (entry.value, entry.redelivered) for entry in await lane.read(10, wait=wait)
    ]


# --- the bus --------------------------------------------------------------------------


async def test_entries_come_in_order_and_what_is_not_acknowledged_comes_again(
    bus: EventBus, buses: Buses
) -> None:
    # given three entries, of which the first owner acknowledges one
    await bus.declare(buses.stream, GROUP)
    before = datetime.now(UTC)
    await bus.append(*(Record(buses.stream, value) for value in (b"a", b"b", b"c")))
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        entries = await lane.read(10, wait=5)
        assert [entry.value for entry in entries] == [b"a", b"b", b"c"]
        assert all(
            abs(entry.appended_at - before.timestamp()) < 60 for entry in entries
        )
        await lane.acknowledge(entries[:1])
        # when it begins again with what it did not
        lane.rewind()
        assert await read(lane, wait=5) == [(b"b", True), (b"c", True)]
        # then nothing comes after that
        assert await read(lane) == []
    # and the next owner is given the rest, and then what is new
    async with buses.open().lanes(buses.stream, GROUP, partitions=1) as (lane,):
        assert await read(lane, wait=5) == [(b"b", True), (b"c", True)]
        await bus.append(Record(buses.stream, b"d"))
        assert await read(lane, wait=5) == [(b"d", False)]


async def test_a_reader_that_waits_is_woken_by_what_is_appended(
    bus: EventBus, buses: Buses
) -> None:
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        assert await read(lane) == []
        waiting = asyncio.ensure_future(read(lane, wait=60))
        await asyncio.sleep(0.2)
        await bus.append(Record(buses.stream, b"a"))
        assert await asyncio.wait_for(waiting, 10) == [(b"a", False)]


async def test_a_group_declared_late_has_what_was_appended_before(
    bus: EventBus, buses: Buses
) -> None:
    await bus.append(Record(buses.stream, b"a"))
    await bus.declare(buses.stream, "latecomer")
    await bus.declare(buses.stream, "latecomer")
    async with bus.lanes(buses.stream, "latecomer", partitions=1) as (lane,):
        assert await read(lane, wait=5) == [(b"a", False)]


async def test_the_backlog_is_what_a_group_has_not_acknowledged(
    bus: EventBus, buses: Buses
) -> None:
    await bus.declare(buses.stream, GROUP)
    none = Backlog(0, None)
    assert await bus.backlog(buses.stream, GROUP, partitions=1) == none
    await bus.append(*(Record(buses.stream, value) for value in (b"a", b"b", b"c")))
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        entries = await lane.read(2, wait=5)
        found = await bus.backlog(buses.stream, GROUP, partitions=1)
        assert found.entries == 3
        assert found.oldest == datetime.fromtimestamp(entries[0].appended_at, UTC)
        await lane.acknowledge(entries)
        (last,) = await lane.read(2, wait=5)
        found = await bus.backlog(buses.stream, GROUP, partitions=1)
        assert found == Backlog(1, datetime.fromtimestamp(last.appended_at, UTC))
        await lane.acknowledge([last])
    assert await bus.backlog(buses.stream, GROUP, partitions=1) == none
    assert (await bus.backlog(buses.stream, "another", partitions=1)).entries == 3


# --- order and ownership --------------------------------------------------------------


class Owners:
    """Notes who works on which lane, and that nobody else does."""

    def __init__(self) -> None:
        self.lanes: defaultdict[str, set[int]] = defaultdict(set)

    def worker(self, name: str) -> Any:
        async def work(lane: Lane, released: asyncio.Event) -> None:
            everybody = [p for owned in self.lanes.values() for p in owned]
            assert lane.partition not in everybody
            self.lanes[name].add(lane.partition)
            await released.wait()
            await asyncio.sleep(0.05)  # finishes what is in hand
            self.lanes[name].remove(lane.partition)

        return work

    async def shares(self) -> list[int]:
        return sorted(len(owned) for owned in self.lanes.values() if owned)

    async def owned(self) -> list[int]:
        return sorted(p for owned in self.lanes.values() for p in owned)


async def test_the_living_share_the_lanes_and_no_lane_has_two_owners(
    buses: Buses,
) -> None:
    owners = Owners()
    stops = {name: asyncio.Event() for name in "abc"}

    async def serve(name: str) -> None:
        bus = buses.open()
        await bus.declare(buses.stream, GROUP, partitions=4)
        await bus.serve(
            buses.stream,
            GROUP,
            partitions=4,
            work=owners.worker(name),
            stop=stops[name],
        )

    async with asyncio.TaskGroup() as tasks:
        # given one process, which has them all
        tasks.create_task(serve("a"))
        await until(owners.shares, [4])
        # when others come, then each has its part
        tasks.create_task(serve("b"))
        await until(owners.shares, [2, 2])
        tasks.create_task(serve("c"))
        await until(owners.shares, [1, 1, 2])
        assert await owners.owned() == [0, 1, 2, 3]
        # and when one goes, the others have its part
        stops["a"].set()
        await until(owners.shares, [2, 2])
        assert owners.lanes["a"] == set()
        stops["b"].set()
        await until(owners.shares, [4])
        stops["c"].set()
    assert await owners.owned() == []


async def test_what_a_subject_says_takes_effect_once_and_in_order_in_two_processes(
    db: Database, buses: Buses
) -> None:
    # given two processes that share four lanes
    said = [event(f"robot-{n % 40}", n // 40) for n in range(1_000)]
    bus = buses.open()
    await bus.declare(buses.stream, GROUP, partitions=4)

    async def serve(name: str, stop: asyncio.Event) -> None:
        worker = Engine(db, Marking(buses.stream, worker=name), items_at_once=30)
        await buses.open().serve(
            buses.stream, GROUP, partitions=4, work=worker.work, stop=stop
        )

    # when one of them comes and goes while events are appended
    async with running(lambda stop: serve("a", stop)):
        await append_each(bus, buses.stream, said[:300], partitions=4)
        async with running(lambda stop: serve("b", stop)):
            for at in range(300, 800, 50):
                await append_each(bus, buses.stream, said[at : at + 50], partitions=4)
                await asyncio.sleep(0.05)

            async def both() -> bool:
                return await workers_of(db) == {"a", "b"}

            await until(both, True)
        await append_each(bus, buses.stream, said[800:], partitions=4)
        await until(lambda: count(db), 1_000)
    # then
    found: defaultdict[str, list[int]] = defaultdict(list)
    for subject, number in await marked(db):
        found[subject].append(number)
    assert found == {f"robot-{n}": list(range(25)) for n in range(40)}
    left = await bus.backlog(buses.stream, GROUP, partitions=4)
    assert left == Backlog(0, None)


async def test_what_a_killed_owner_left_is_taken_over_although_nothing_comes_after(
    db: Database, buses: Buses, settings: Settings
) -> None:
    # given a worker in another process that has an event in hand
    bus = buses.open()
    await bus.declare(buses.stream, GROUP)
    await append_each(
        bus, buses.stream, [event("a", 1, "still"), event("a", 2), event("b", 1)]
    )
    url = settings.database_url.get_secret_value()
    with worker_process(buses, database_url=url) as process:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        assert line == "standing still\n"
        # when it is killed
        kill(process)

    # then another has its lane soon
    async def fine(_session: WriteSession, _item: Event) -> None: ...

    worker = Engine(db, Marking(buses.stream, still=fine))
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=worker.work, stop=stop
        )
    ):
        await until(lambda: marked(db), [("a", 1), ("a", 2), ("b", 1)])


async def test_a_worker_that_is_stopped_finishes_what_it_has_in_hand_and_no_more(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    # given a worker in the midst of its first transaction, with more before it
    began, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_session: WriteSession, _item: Event) -> None:
        began.set()
        await go_on.wait()

    await bus.declare(buses.stream, GROUP)
    large = "x" * 1_500_000  # three of these are a transaction
    said = [event(large, n, "held") for n in range(5)]
    await append_each(bus, buses.stream, said)
    worker = Engine(db, Marking(buses.stream, held=hold))
    stop = asyncio.Event()
    serving = asyncio.ensure_future(
        bus.serve(buses.stream, GROUP, partitions=1, work=worker.work, stop=stop)
    )
    await asyncio.wait_for(began.wait(), 10)
    # when it is stopped
    stop.set()
    await asyncio.sleep(0.3)
    assert not serving.done()
    go_on.set()
    await asyncio.wait_for(serving, 10)
    # then that transaction has had its effects, and the rest waits
    assert [number for _, number in await marked(db)] == [0, 1, 2]
    left = await bus.backlog(buses.stream, GROUP, partitions=1)
    assert left.entries == 2


# --- effects, once --------------------------------------------------------------------


async def test_dying_between_commit_and_acknowledgement_has_one_effect(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    await bus.declare(buses.stream, GROUP)
    await append_each(bus, buses.stream, [event("a", n) for n in range(3)])
    worker = Engine(db, Marking(buses.stream))
    # given a worker that dies when it has committed
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):

        async def die(_entries: Sequence[Entry]) -> None:
            raise SystemExit

        lane.acknowledge = die  # type: ignore[method-assign,assignment]
        with pytest.raises(SystemExit):
            await worker.drain(lane)
    assert await count(db) == 3
    # when another starts
    assert await drain(buses.open(), worker, buses.stream) == 3
    # then
    assert await marked(db) == [("a", 0), ("a", 1), ("a", 2)]
    left = await bus.backlog(buses.stream, GROUP, partitions=1)
    assert left == Backlog(0, None)
    assert await suspected(db) == 0


async def test_micro_batches_are_small_in_light_traffic_and_grow_with_what_waits(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    marking = Marking(buses.stream)
    worker = Engine(db, marking, items_at_once=200)
    await bus.declare(buses.stream, GROUP)
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=worker.work, stop=stop
        )
    ):
        for number in range(3):
            await append_each(bus, buses.stream, [event("a", number)])
            await until(lambda: count(db), number + 1)
    assert marking.batches == [1, 1, 1]
    # when many wait, of one event each
    marking.batches.clear()
    await append_each(bus, buses.stream, [event("a", n) for n in range(1_500)])
    assert await drain(bus, worker, buses.stream) == 1_500
    # then batches grow to what is allowed
    assert max(marking.batches) == 200
    assert len(marking.batches) < 20
    # and when entries turn out to be large, fewer of them are read at once
    for expected in ([1_500], [150] * 10):
        marking.batches.clear()
        large = [[event("a", n) for n in range(150)] for _ in range(10)]
        await bus.append(*(record(buses.stream, *events) for events in large))
        assert await drain(bus, worker, buses.stream) == 10
        assert marking.batches == expected


# --- events at fault ------------------------------------------------------------------


async def test_one_poison_event_of_a_thousand_is_put_aside_and_the_rest_commits(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    await bus.declare(buses.stream, GROUP)
    said = [event("a", n, "poison" if n == 617 else "fine") for n in range(1_000)]
    await bus.append(record(buses.stream, *said))
    worker = Engine(db, Marking(buses.stream, poison=always_fail), attempts=3)
    assert await drain(bus, worker, buses.stream) == 1
    assert await marked(db) == [("a", n) for n in range(1_000) if n != 617]
    assert await transactions_of(db) == 1
    ((event_id, kind, error, digest, attempts, status),) = await letters_of(
        db, "event_id", "type", "error", "traceback_digest", "attempts", "status"
    )
    assert (event_id, kind, attempts) == (str(said[617].id), "poison", 3)
    assert (error, status) == ("ValueError: a 617 is poison", "waiting")
    assert len(digest) == 16


async def test_a_flood_of_poison_is_put_aside_in_parts_and_the_rest_keeps_its_order(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    await bus.declare(buses.stream, GROUP)
    said = [event("a", n, "poison" if n % 2 else "fine") for n in range(100)]
    await bus.append(record(buses.stream, *said))
    worker = Engine(db, Marking(buses.stream, poison=always_fail), attempts=2)
    assert await drain(bus, worker, buses.stream) == 1
    assert await marked(db) == [("a", n) for n in range(0, 100, 2)]
    assert await letters_of(db, "event_id") == [(str(e.id),) for e in said[1::2]]
    assert await transactions_of(db) == 2


async def test_an_event_that_only_the_commit_refuses_is_put_aside(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    async def refuse_commit(session: WriteSession, _item: Event) -> None:
        def refuse(_session: Session) -> None:
            raise ValueError("not to be committed")

        sqlalchemy_event.listen(session.sync_session, "before_commit", refuse)

    await bus.declare(buses.stream, GROUP)
    said = [event("a", n, "refused" if n == 1 else "fine") for n in range(4)]
    await bus.append(record(buses.stream, *said))
    worker = Engine(db, Marking(buses.stream, refused=refuse_commit), attempts=2)
    assert await drain(bus, worker, buses.stream) == 1
    assert await marked(db) == [("a", 0), ("a", 2), ("a", 3)]
    assert await letters_of(db, "event_id", "error") == [
        (str(said[1].id), "ValueError: not to be committed")
    ]


async def test_an_event_that_fails_at_first_is_tried_in_its_place_with_backoff(
    db: Database, bus: EventBus, buses: Buses, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []

    def backoff(attempt: int, _longest: float = 0) -> float:
        waited.append(attempt)
        return 0.001

    monkeypatch.setattr(engine, "backoff", backoff)
    await bus.declare(buses.stream, GROUP)
    said = [event("a", 0), event("a", 1, "shy"), event("a", 2), event("b", 0)]
    await append_each(bus, buses.stream, said)
    # given an event that fails as one of many, alone, and once more
    shy = fail(3, ValueError("not yet"))
    worker = Engine(db, Marking(buses.stream, shy=shy), attempts=4)
    await drain(bus, worker, buses.stream)
    # then
    assert await marked(db) == [("a", 0), ("a", 1), ("a", 2), ("b", 0)]
    assert waited == [1]
    assert await letters_of(db, "event_id") == []


async def test_attempts_are_spent_one_after_the_other(
    db: Database, bus: EventBus, buses: Buses, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []

    def backoff(attempt: int, _longest: float = 0) -> float:
        waited.append(attempt)
        return 0.001

    monkeypatch.setattr(engine, "backoff", backoff)
    await bus.declare(buses.stream, GROUP)
    said = [event("a", 0, "poison"), event("a", 1), event("b", 0, "poison")]
    await append_each(bus, buses.stream, said)
    worker = Engine(db, Marking(buses.stream, poison=always_fail), attempts=5)
    await drain(bus, worker, buses.stream)
    # two that fail wait together
    assert waited == [1, 2, 3, 4]
    assert await letters_of(db, "attempts") == [(5,), (5,)]
    assert await marked(db) == [("a", 1)]


async def test_an_entry_that_nobody_can_read_is_put_aside_as_it_is(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    await bus.declare(buses.stream, GROUP)
    await append_each(bus, buses.stream, [event("a", 1)])
    await bus.append(Record(buses.stream, b"\xff no JSON \x00"))
    await append_each(bus, buses.stream, [event("a", 2)])
    await drain(bus, Engine(db, Marking(buses.stream)), buses.stream)
    assert await marked(db) == [("a", 1), ("a", 2)]
    ((kind, content, attempts),) = await letters_of(db, "type", "content", "attempts")
    assert (kind, attempts) == ("unreadable", 1)
    assert content == "\\xff no JSON \N{SYMBOL FOR NULL}"


async def test_a_dead_letter_whose_cause_may_pass_is_tried_again_by_itself(
    db: Database, bus: EventBus, buses: Buses, clock: FixedClock
) -> None:
    # given an event that came before what it is about
    await bus.declare(buses.stream, GROUP)
    await append_each(bus, buses.stream, [event("a", 1, "early"), event("b", 1)])
    early = fail(4, NotYetKnown("robot_not_yet_known"))
    marking = Marking(buses.stream, early=early)
    await drain(bus, Engine(db, marking, attempts=2, clock=clock), buses.stream)
    at = clock.moment
    assert await letters_of(db, "status", "attempts", "retry_at") == [
        ("retrying", 2, at + RETRIES[0])
    ]
    # when it is due, it fails once more
    postman = Postman(db, [marking], clock=clock)
    clock.advance(RETRIES[0] - timedelta(seconds=1))
    assert await postman.deliver() == 0
    clock.advance(timedelta(seconds=1))
    assert await postman.deliver() == 1
    assert await letters_of(db, "status", "attempts", "retry_at") == [
        ("retrying", 3, clock.moment + RETRIES[1])
    ]
    assert await marked(db) == [("b", 1)]
    # then it takes effect
    clock.advance(RETRIES[1])
    assert await postman.deliver() == 1
    assert await letters_of(db, "status", "retry_at") == [("replayed", None)]
    assert await marked(db) == [("b", 1), ("a", 1)]
    assert await postman.deliver() == 0


async def test_an_event_that_kills_its_workers_is_found_and_the_others_get_through(
    db: Database, buses: Buses, settings: Settings
) -> None:
    bus = buses.open()
    await bus.declare(buses.stream, GROUP)
    deadly = event("a", 1, "deadly")
    await bus.append(
        record(buses.stream, event("a", 0), deadly, event("a", 2)),
        record(buses.stream, event("b", 0)),
    )
    url = settings.database_url.get_secret_value()
    with worker_process(buses, database_url=url):
        await until(lambda: marked(db), [("a", 0), ("a", 2), ("b", 0)], seconds=60)
        await until(
            lambda: bus.backlog(buses.stream, GROUP, partitions=1), Backlog(0, None)
        )
    ((event_id, error, attempts),) = await letters_of(
        db, "event_id", "error", "attempts"
    )
    assert (event_id, attempts) == (str(deadly.id), 1)
    assert error == "KilledWorkersError: its worker died while it was handled alone"
    assert await suspected(db) == 0


# --- servers that are away ------------------------------------------------------------


async def test_while_the_database_is_away_no_event_is_blamed_and_none_is_lost(
    db: Database, gated_db: tuple[Database, Gate], bus: EventBus, buses: Buses
) -> None:
    database, gate = gated_db
    await bus.declare(buses.stream, GROUP)
    worker = Engine(database, Marking(buses.stream), attempts=1)
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=worker.work, stop=stop
        )
    ):
        await append_each(bus, buses.stream, [event("a", 0)])
        await until(lambda: count(db), 1)
        # given a database that is gone, while events come
        await gate.shut()
        await append_each(bus, buses.stream, [event("a", n) for n in range(1, 50)])
        await asyncio.sleep(0.5)
        assert await count(db) == 1
        # when it is back
        await gate.open()
        await until(lambda: count(db), 50)
    # then
    assert await marked(db) == [("a", n) for n in range(50)]
    assert await letters_of(db, "event_id") == []
    assert await suspected(db) == 0


async def test_an_outage_behind_a_handler_is_waited_out_however_long_it_takes(
    db: Database, bus: EventBus, buses: Buses
) -> None:
    await bus.declare(buses.stream, GROUP)
    await append_each(bus, buses.stream, [event("a", 0, "outside"), event("a", 1)])
    away = fail(6, Unavailable("regulator_unavailable"))
    marking = Marking(buses.stream, outside=away)
    worker = Engine(db, marking, attempts=2)
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=worker.work, stop=stop
        )
    ):
        await until(lambda: count(db), 2)
    assert await marked(db) == [("a", 0), ("a", 1)]
    assert await letters_of(db, "event_id") == []
    assert await suspected(db) == 0
    # and nothing was taken for what kills its workers
    assert marking.batches == [2] * 7


async def test_a_bus_that_was_away_is_read_on_where_it_was_left(
    db: Database, buses: Buses, gate: Gate
) -> None:
    sender, bus = buses.open(), buses.open(gated=True)
    await sender.declare(buses.stream, GROUP)
    worker = Engine(db, Marking(buses.stream), attempts=1)
    async with running(
        lambda stop: bus.serve(
            buses.stream, GROUP, partitions=1, work=worker.work, stop=stop
        )
    ):
        await append_each(sender, buses.stream, [event("a", 0)])
        await until(lambda: count(db), 1)
        # given a bus that this process does not reach, while events come
        await gate.shut()
        await append_each(sender, buses.stream, [event("a", n) for n in range(1, 50)])
        await asyncio.sleep(0.5)
        assert await count(db) == 1
        # when it is reached again
        await gate.open()
        await until(lambda: count(db), 50, seconds=30)
    # then
    assert await marked(db) == [("a", n) for n in range(50)]
    assert await letters_of(db, "event_id") == []


async def test_what_could_not_be_appended_says_so(buses: Buses, gate: Gate) -> None:
    bus = buses.open(gated=True)
    await bus.append(Record(buses.stream, b"a"))
    await gate.shut()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(bus.append(Record(buses.stream, b"b")), 60)
    with pytest.raises(ConnectionError):
        await bus.backlog(buses.stream, GROUP, partitions=1)
    await gate.open()
    await bus.append(Record(buses.stream, b"c"))
    async with buses.open().lanes(buses.stream, GROUP, partitions=1) as (lane,):
        values = Counter(value for value, _ in await read(lane, wait=5))
        assert values[b"a"] == values[b"c"] == 1
