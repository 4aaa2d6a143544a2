"""Events as they happen: in order, none lost and none twice, whatever commits when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import uvicorn
from sqlalchemy import text

from robosure.contexts.eventflow.queries.live import Position
from robosure.contexts.eventflow.routes import stream
from robosure.contexts.eventflow.service import feed
from robosure.kernel.ids import uuid7
from robosure.platform.database import Database
from robosure.platform.http.answering import AnsweringProtocol
from robosure.platform.runtime import Runtime
from tests.integration.contexts.eventflow.following import Live, tell
from tests.integration.contexts.eventflow.storing import (
    a_robot,
    an_event,
    store,
    take,
    uid_of,
)
from tests.support import ApiClient, FixedClock, code_of


@pytest.fixture
async def live(api: ApiClient, clock: FixedClock) -> AsyncIterator[Live]:
    # Tokens and what is kept are dated by the clock of the database here.
    clock.set(datetime.now(UTC))
    config = uvicorn.Config(
        api.app, port=0, http=AnsweringProtocol, lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has nothing to wait for
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Live(api, f"http://127.0.0.1:{port}", server)
    server.should_exit = True
    async with asyncio.timeout(10):
        await serving


async def test_events_are_told_as_they_are_stored(
    live: Live, database: Database
) -> None:
    # given somebody who follows, and events from before
    robot = uuid7()
    await store(database, [an_event(0, robot=robot)])
    async with live.follow() as reader:
        await reader.ready()
        # when events are stored
        event = an_event(2, robot=robot)
        await store(database, [event, an_event(1, robot=robot)])
        # then they are told by their time, as lists show them
        assert await reader.events(1) == ["event-1"]
        sent = await reader.next()
    assert sent.name == "ingested"
    shown = await live.api.as_("admin").get(f"/events/{uid_of(event)}")
    assert sent.data == shown.json()


async def test_whoever_comes_back_misses_nothing_and_gets_nothing_twice(
    live: Live, database: Database
) -> None:
    # given a reader who leaves in the middle of a batch
    robot = uuid7()
    async with live.follow() as reader:
        await reader.ready()
        await store(database, [an_event(n, robot=robot) for n in range(5)])
        assert await reader.events(2) == ["event-0", "event-1"]
        left_at = reader.last_id
    # when more happens, and it comes back, as often as it likes
    await store(database, [an_event(n, robot=robot) for n in range(5, 8)])
    told: list[str] = []
    for count in (1, 2, 3):
        async with live.follow(last_event_id=left_at) as reader:
            told += await reader.events(count)
            left_at = reader.last_id
    # then it goes on where it was
    assert told == [f"event-{n}" for n in range(2, 8)]
    # and to the end, where nothing is left
    async with live.follow(last_event_id=left_at) as reader:
        await store(database, [an_event(9, robot=robot)])
        assert await reader.events(1) == ["event-9"]


async def test_what_commits_late_is_told_in_its_place(
    live: Live, database: Database
) -> None:
    # given a transaction that took its position, and does not commit yet
    robot = uuid7()
    async with live.follow() as reader:
        await reader.ready()
        async with database.write() as slow:
            await take(slow, [an_event(1, robot=uuid7())])
            # when another that took a later one commits before
            await store(database, [an_event(2, robot=robot)])
            # then nothing is told, for what comes first is not decided
            waiting = asyncio.create_task(reader.next())
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            assert not done
        # and once it is, both are, in their order
        first = await waiting
        assert [first.data["id"], *await reader.events(1)] == ["event-1", "event-2"]


async def test_who_runs_with_the_newest_of_all_ids_is_waited_for(
    live: Live, database: Database, runtime: Runtime
) -> None:
    # given a transaction that took its position, and none that came after it
    robot = uuid7()
    async with live.follow() as reader:
        await reader.ready()
        async with database.write() as slow:
            await take(slow, [an_event(1, robot=robot)])
            # when it is looked how far all is decided, as often as that may be
            for _ in range(3):
                await feed.feed_of(runtime)._look()
        # then its event is told, once it has committed
        assert await reader.events(1) == ["event-1"]


async def test_what_is_rolled_back_holds_nobody_up(
    live: Live, database: Database
) -> None:
    robot = uuid7()
    async with live.follow() as reader:
        await reader.ready()
        with suppress(ZeroDivisionError):
            async with database.write() as failing:
                await take(failing, [an_event(1, robot=uuid7())])
                await store(database, [an_event(2, robot=robot)])
                raise ZeroDivisionError
        assert await reader.events(1) == ["event-2"]


async def test_readers_that_come_and_go_among_many_writers_see_all_once(
    live: Live, database: Database
) -> None:
    # given writers whose transactions overlap, some of which fail
    async with live.follow() as reader:
        await reader.ready()
        start = reader.last_id

    async def write(writer: int) -> None:
        robot = uuid7()
        for n in range(6):
            number = writer * 10 + n
            with suppress(ZeroDivisionError):
                async with database.write() as session:
                    await take(session, [an_event(number, robot=robot)])
                    await asyncio.sleep(0.002 * (writer + n) % 0.01)
                    if n == writer:
                        raise ZeroDivisionError

    # when they write while a reader comes and goes
    writing = asyncio.gather(*(write(writer) for writer in range(5)))
    told: list[str] = []
    while len(told) < 25:
        async with live.follow(last_event_id=start) as reader:
            told += await reader.events(min(3, 25 - len(told)))
            start = reader.last_id
    await writing
    # then it saw what was committed, once, and as another sees it from the beginning
    expected = {f"event-{w * 10 + n}" for w in range(5) for n in range(6) if n != w}
    assert set(told) == expected
    assert len(told) == 25


async def test_facts_are_told_to_insurers(live: Live, database: Database) -> None:
    # given an admin, an underwriter and an operator who follow everything
    robot = uuid7()
    async with (
        live.follow("admin", kind="fact") as admin,
        live.follow("underwriter") as underwriter,
    ):
        await admin.ready()
        await underwriter.ready()
        # when a fact is told, and an event comes
        async with database.write() as session:
            tell(session, robot)
        await store(database, [an_event(0, robot=robot)])
        # then the admin hears the fact, and the underwriter the event
        fact = await admin.next()
        assert (fact.name, fact.data["type"]) == ("fact", "robots.RobotRegistered")
        assert fact.data["payload"]["robot_id"] == str(robot)
        assert (await underwriter.next()).name == "ingested"
    refused = await live.api.as_("underwriter").get(
        "/events/stream", params={"kind": "fact"}
    )
    assert code_of(refused) == "permission_required"


async def test_only_what_is_asked_for_is_told(live: Live, database: Database) -> None:
    one, other = uuid7(), uuid7()
    async with (
        live.follow(subject=str(one)) as of_one,
        live.follow(type="robots.RobotRegistered") as registered,
    ):
        await of_one.ready()
        await registered.ready()
        await store(database, [an_event(0, robot=other), an_event(1, robot=one)])
        async with database.write() as session:
            tell(session, other)
            tell(session, one)
        assert await of_one.events(1) == ["event-1"]
        assert (await of_one.next()).data["payload"]["robot_id"] == str(one)
        facts = [(await registered.next()).data["payload"] for _ in range(2)]
        assert [fact["robot_id"] for fact in facts] == [str(other), str(one)]


async def test_an_operator_hears_of_its_own_robots(
    live: Live, database: Database
) -> None:
    operator = uuid7()
    mine = await a_robot(database, operator=operator)
    async with live.follow("operator_admin", operator=operator) as reader:
        await reader.ready()
        await store(database, [an_event(0, robot=uuid7())])
        async with database.write() as session:
            tell(session, mine)
        await store(database, [an_event(1, robot=mine)])
        assert await reader.events(1) == ["event-1"]


async def test_a_reader_for_whom_nothing_happens_still_moves_on(
    live: Live, database: Database
) -> None:
    async with live.follow(subject=str(uuid7())) as reader:
        await reader.ready()
        before = reader.last_id
        await store(database, [an_event(0, robot=uuid7())])
        async with asyncio.timeout(10):
            while reader.last_id == before:
                await reader._block()
    assert Position.decode(reader.last_id).batch > Position.decode(before).batch


async def test_silence_is_filled_with_comments(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_HEARTBEAT_SECONDS", 0.1)
    async with live.follow() as reader:
        await reader.ready()
        async with asyncio.timeout(10):
            while "" not in (fields := await reader._block()):
                pass
    assert fields[""] == "alive"


async def test_a_stream_lives_as_long_as_a_token(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream.Live, "_lifetime", lambda _: 0.3)
    async with live.follow() as reader:
        assert await reader.ended()


async def test_a_server_that_stops_ends_its_streams(live: Live) -> None:
    async with live.follow() as reader:
        await reader.ready()
        live.server.should_exit = True
        assert await reader.ended()


async def test_a_reader_that_takes_nothing_is_let_go(
    live: Live, database: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a reader that opens a stream and never reads, and much to tell
    monkeypatch.setattr(stream, "_SEND_SECONDS", 0.2)
    robot = uuid7()
    followed = feed.feed_of(runtime)
    async with live.follow() as reader:
        await reader.ready()
        big = {"joint_currents": [0.123456789] * 128}
        for start in range(0, 10_000, 1_000):
            events = [
                an_event(n, robot=robot, data=big) for n in range(start, start + 1_000)
            ]
            await store(database, events)
        # then it is let go
        async with asyncio.timeout(20):
            while followed._followers:  # noqa: ASYNC110 - it ends elsewhere
                await asyncio.sleep(0.05)


async def test_so_many_may_follow_and_no_more(
    live: Live, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "FOLLOWERS", 1)
    async with live.follow() as reader:
        await reader.ready()
        refused = await live.api.as_("admin").get("/events/stream")
        assert (refused.status_code, code_of(refused)) == (503, "too_many_streams")
        assert "retry-after" in refused.headers


@pytest.mark.parametrize("id_", ["x", "AAAA", "!" * 38])
async def test_an_id_that_is_none_is_refused(live: Live, id_: str) -> None:
    answer = await live.api.as_("admin").get(
        "/events/stream", headers={"Last-Event-ID": id_}
    )
    assert (answer.status_code, code_of(answer)) == (422, "invalid_last_event_id")


async def test_an_id_from_too_long_ago_or_of_elsewhere_is_refused(
    live: Live, database: Database
) -> None:
    now = datetime.now(UTC)
    old = Position(1, 0, 1, now - timedelta(days=401))
    ahead = Position(2**40, 0, 1, now)
    for position, code in (
        (old, "last_event_id_too_old"),
        (ahead, "last_event_id_unknown"),
    ):
        answer = await live.api.as_("admin").get(
            "/events/stream", headers={"Last-Event-ID": position.encode()}
        )
        assert (answer.status_code, code_of(answer)) == (422, code)


async def test_who_may_not_read_may_not_follow(live: Live) -> None:
    unknown = await live.api.anonymous().get("/events/stream")
    assert code_of(unknown) == "not_signed_in"
    device = await live.api.as_("device").get("/events/stream")
    assert code_of(device) == "permission_required"


async def test_a_position_is_taken_with_a_transaction_id(database: Database) -> None:
    # given a transaction that only tells a fact, and so writes nothing before
    async with database.write() as session:
        await session.execute(
            text(
                "INSERT INTO platform.outbox (event_id, context, type, version, "
                "payload, occurred_at) SELECT gen_random_uuid(), 'a', "
                "CAST(coalesce(pg_current_xact_id_if_assigned(), '0') AS text), "
                "1, '{}', now()"
            )
        )
        # when its default was taken, then it had one already
        told = await session.execute(text("SELECT type FROM platform.outbox"))
        assert told.scalar_one() != "0"
