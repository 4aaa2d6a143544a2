"""What only the bus on Kafka has to see to: rebalances, topics, a broker that dies."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka.admin import (  # type: ignore[import-untyped]
    AIOKafkaAdminClient,
    RecordsToDelete,
)
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]
    ConfigResource,
    ConfigResourceType,
)
from aiokafka.errors import MessageSizeTooLargeError  # type: ignore[import-untyped]
from aiokafka.structs import TopicPartition  # type: ignore[import-untyped]
from structlog.testing import capture_logs

from robosure.platform.database import Database
from robosure.platform.events import publish
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams import Engine, Relay, relay
from robosure.platform.streams.bus import Backlog, BusAwayError, Lane, Record
from robosure.platform.streams.kafka_bus import Kafka, KafkaBus, topic_of
from robosure.platform.streams.kafka_bus.topics import weaknesses_of
from tests.integration.platform.streams.buses import (
    Buses,
    kill,
    open_bus,
    worker_process,
)
from tests.integration.platform.streams.marking import (
    GROUP,
    Marking,
    append_each,
    count,
    event,
    marked,
)
from tests.integration.platform.streams.outage import Gate
from tests.integration.platform.testing.app import an_app
from tests.integration.platform.testing.events import Emptied, Filled
from tests.integration.platform.testing.listening import running, until
from tests.kafka import Broker, running_broker
from tests.support import ApiClient

# Fetching and starting Kafka counts as the first test's time.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def buses(kafka_buses: Buses) -> Buses:
    return kafka_buses


@pytest.fixture
def topic(buses: Buses) -> str:
    return topic_of(buses.stream)


async def values(lane: Lane, *, wait: float = 5.0) -> list[tuple[bytes, bool]]:
    return [
        (entry.value, entry.redelivered) for entry in await lane.read(10, wait=wait)
    ]


# --- the settings ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "servers", "security"),
    [
        ("kafka://one", ["one:9092"], {"security_protocol": "PLAINTEXT"}),
        (
            "kafka://one:9,two:8",
            ["one:9", "two:8"],
            {"security_protocol": "PLAINTEXT"},
        ),
        (
            "kafka://robot:pass%20word@one?mechanism=PLAIN",
            ["one:9092"],
            {
                "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "PLAIN",
                "sasl_plain_username": "robot",
                "sasl_plain_password": "pass word",
            },
        ),
    ],
)
def test_a_url_names_the_brokers_and_who_asks(
    url: str, servers: list[str], security: dict[str, Any]
) -> None:
    kafka = Kafka.from_url(url)
    assert (kafka.servers, kafka.security) == (servers, security)


def test_over_tls_a_user_is_known_by_scram_unless_told_otherwise() -> None:
    security = Kafka.from_url("kafkas://robot:secret@one").security
    assert security.pop("ssl_context").check_hostname is True
    assert security == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "robot",
        "sasl_plain_password": "secret",
    }


@pytest.mark.parametrize("url", ["redis://one", "kafka://", "kafka", "kafka://me@"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected kafka://host:port"):
        Kafka.from_url(url)


def test_a_stream_of_any_name_has_a_topic() -> None:
    assert topic_of("events.policies") == "robosure.events.policies"
    assert topic_of("a:b c/d") == "robosure.a-b-c-d"


async def test_who_has_to_say_who_it_is_can(broker: Broker, buses: Buses) -> None:
    address = f"127.0.0.1:{broker.sasl_port}?mechanism=PLAIN"
    bus = KafkaBus(Kafka.from_url(f"kafka://robot:pass%20word@{address}"))
    await bus.append(Record(buses.stream, b"a"))
    await bus.close()
    stranger = KafkaBus(Kafka.from_url(f"kafka://robot:guessed@{address}"))
    with pytest.raises(BusAwayError):
        await stranger.append(Record(buses.stream, b"b"))
    await stranger.close()
    async with buses.open().lanes(buses.stream, GROUP, partitions=1) as (lane,):
        assert await values(lane) == [(b"a", False)]


# --- what the brokers are set to ------------------------------------------------------


@pytest.fixture
async def admin(broker: Broker) -> Any:
    client = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{broker.port}")
    await client.start()
    yield client
    await client.close()


async def test_it_says_how_kafka_could_lose_what_it_accepted(
    buses: Buses, topic: str, admin: Any
) -> None:
    bus = buses.open()
    await bus.declare(buses.stream, GROUP)
    found = [each for each in await bus.weaknesses() if topic in each]
    assert len(found) == 1
    assert found[0].startswith("One broker alone keeps ")
    # when it is set to forget soon
    hours = {"retention.ms": "3600000"}
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic, configs=hours)]
    )
    assert (
        f"Kafka keeps {topic} for less than a week (retention.ms): "
        "what is not handled by then is lost"
    ) in await bus.weaknesses()


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("min.insync.replicas", "1", "as soon as one broker keeps"),
        ("unclean.leader.election.enable", "true", "fallen behind"),
        ("cleanup.policy", "compact,delete", "the last of each key"),
        ("retention.ms", "604799999", "less than a week"),
        ("retention.bytes", "1000", "up to a size"),
    ],
)
def test_each_setting_that_could_lose_events_is_named(
    setting: str, value: str, said: str
) -> None:
    sound = {
        "cleanup.policy": "delete",
        "min.insync.replicas": "2",
        "unclean.leader.election.enable": "false",
        "retention.ms": "604800000",
        "retention.bytes": "-1",
    }
    assert weaknesses_of(3, sound) == []
    assert weaknesses_of(3, {**sound, "retention.ms": "-1"}) == []
    (found,) = weaknesses_of(3, {**sound, setting: value})
    assert setting in found
    assert said in found


async def test_a_topic_grows_with_the_partitions_that_are_asked_for(
    buses: Buses,
) -> None:
    first, second = buses.open(), buses.open()
    await first.append(Record(buses.stream, b"a"))
    await second.append(Record(buses.stream, b"b", 2))
    await second.declare(buses.stream, GROUP, partitions=5)
    await first.append(Record(buses.stream, b"c", 4))
    async with first.lanes(buses.stream, GROUP, partitions=1) as lanes:
        found = [await values(lane, wait=1) for lane in lanes]
    assert found == [[(b"a", False)], [], [(b"b", False)], [], [(b"c", False)]]
    left = await first.backlog(buses.stream, GROUP, partitions=1)
    assert left.entries == 3


async def test_an_entry_of_a_whole_request_fits_and_one_far_larger_is_refused(
    buses: Buses,
) -> None:
    bus = buses.open()
    large = b"x" * 9_000_000
    await bus.append(Record(buses.stream, large))
    with pytest.raises(MessageSizeTooLargeError):
        await bus.append(Record(buses.stream, large * 2))
    await bus.append(Record(buses.stream, b"a"))
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        found = [value for value, _ in await values(lane)]
        if len(found) == 1:
            found += [value for value, _ in await values(lane)]
    assert found == [large, b"a"]


async def test_what_kafka_dropped_before_it_was_handled_is_told_and_passed_over(
    buses: Buses, topic: str, admin: Any
) -> None:
    bus = buses.open()
    await bus.append(*(Record(buses.stream, b"%d" % number) for number in range(5)))
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        await lane.acknowledge(await lane.read(1, wait=5))
    # given that Kafka keeps only the last
    partition = TopicPartition(topic, 0)
    await admin.delete_records({partition: RecordsToDelete(before_offset=4)})
    with capture_logs() as logs:
        async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
            assert await values(lane) == [(b"4", False)]
    (lost,) = [log for log in logs if log["event"] == "platform.kafka.entries_lost"]
    assert lost["entries"] == 3


# --- who reads along ------------------------------------------------------------------


async def keys_in(broker: Broker, topic: str, number: int) -> list[bytes | None]:
    """Read the first keys of a topic as a stranger would."""
    consumer = Kafka.from_url(broker.url).consumer()
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    async with asyncio.timeout(10):
        found = [(await consumer.getone()).key for _ in range(number)]
    await consumer.stop()
    return found


async def test_an_entry_has_the_key_that_its_record_has(
    broker: Broker, buses: Buses, topic: str
) -> None:
    keyed = Record(buses.stream, b"a", key=b"robot-1")
    await buses.open().append(keyed, Record(buses.stream, b"b"))
    assert await keys_in(broker, topic, 2) == [b"robot-1", None]


async def test_a_fact_has_the_id_of_what_it_is_about_for_its_key(
    db: Database,
    broker: Broker,
    buses: Buses,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given facts about two carts
    cart, other = UUID(int=1), UUID(int=2)
    async with db.write() as session:
        publish(session, Filled(cart, "a", 1))
        publish(session, Filled(other, "b", 1))
        publish(session, Emptied(cart))
    # when they are relayed
    monkeypatch.setattr(relay, "events_of", lambda _: buses.stream)
    relaying = Relay(db, buses.open(), listen_url=settings.sync_database_url)
    assert await relaying.relay() == 3
    # then
    keys = [str(each).encode() for each in (cart, other, cart)]
    assert await keys_in(broker, topic_of(buses.stream), 3) == keys


# --- whether it answers ---------------------------------------------------------------


async def test_who_cannot_reach_kafka_is_not_ready(
    runtime: Runtime, buses: Buses, gate: Gate
) -> None:
    api = ApiClient(an_app(runtime, bus=buses.open(gated=True)))

    async def ready() -> tuple[int, str, str]:
        async with api.anonymous() as client:
            answer = await client.get("http://robosure.test/ready")
        checks = answer.json()["checks"]
        return answer.status_code, checks["bus"], checks["redis"]

    assert await ready() == (200, "ok", "ok")
    # when it is silent, and when it is gone
    gate.swallow = True
    assert await ready() == (503, "no answer", "ok")
    await gate.shut()
    assert await ready() == (503, "no answer", "ok")
    # then it is ready again as soon as Kafka is back
    await gate.open()
    await until(ready, (200, "ok", "ok"))


# --- rebalances -----------------------------------------------------------------------


async def test_who_leaves_says_how_far_it_was_and_who_is_killed_does_not(
    db: Database, buses: Buses, settings: Settings
) -> None:
    bus = buses.open()
    await append_each(bus, buses.stream, [event("a", n) for n in range(3)])
    # given an owner that leaves with two in hand
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        await lane.read(2, wait=5)
    # then these may have been given out before
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        entries = await lane.read(10, wait=5)
        assert [entry.redelivered for entry in entries] == [True, True, False]
        await lane.acknowledge(entries)
    # and of one that was killed, whatever was there
    held = [event("a", 3, "still"), event("a", 4)]
    await append_each(bus, buses.stream, held)
    url = settings.database_url.get_secret_value()
    with worker_process(buses, database_url=url) as process:
        assert process.stdout is not None
        line = await asyncio.to_thread(process.stdout.readline)
        assert line == "standing still\n"
        kill(process)
    await asyncio.sleep(1)  # until the group has given it up
    async with bus.lanes(buses.stream, GROUP, partitions=1) as (lane,):
        await append_each(bus, buses.stream, [event("a", 5)])
        found: list[bool] = []
        while len(found) < 3:
            found += [entry.redelivered for entry in await lane.read(10, wait=1)]
        assert found[:2] == [True, True]


async def test_a_rebalance_waits_for_what_is_in_hand(buses: Buses) -> None:
    # given an owner of both lanes that takes its time
    released_first, go_on = asyncio.Event(), asyncio.Event()
    begun: list[int] = []

    async def slow(_lane: Lane, released: asyncio.Event) -> None:
        await released.wait()
        released_first.set()
        await go_on.wait()

    async def second(lane: Lane, released: asyncio.Event) -> None:
        begun.append(lane.partition)
        await released.wait()

    async def number() -> int:
        return len(begun)

    def serving(work: Any) -> Any:
        return lambda stop: buses.open().serve(
            buses.stream, GROUP, partitions=2, work=work, stop=stop
        )

    async with running(serving(slow)):
        await asyncio.sleep(0.5)
        # when another comes
        async with running(serving(second)):
            await asyncio.wait_for(released_first.wait(), 10)
            # then it is given nothing, for longer than a session lasts
            await asyncio.sleep(1.5)
            assert begun == []
            go_on.set()
            await until(number, 1)


async def test_who_only_waits_for_a_lane_stays_and_gets_it(
    buses: Buses, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given two processes for one lane, that Kafka would give up soon if they slept
    ordinary = Kafka.consumer

    def impatient(self: Kafka, *arguments: Any, **options: Any) -> Any:
        consumer = ordinary(self, *arguments, **options)
        consumer._max_poll_interval_ms = 1_500
        return consumer

    monkeypatch.setattr(Kafka, "consumer", impatient)
    owners: list[str] = []

    def serving(name: str) -> Any:
        async def work(_lane: Lane, released: asyncio.Event) -> None:
            owners.append(name)
            await released.wait()
            owners.remove(name)

        return lambda stop: buses.open().serve(
            buses.stream, GROUP, partitions=1, work=work, stop=stop
        )

    async def number() -> int:
        return len(owners)

    async with running(serving("standby")):
        await until(number, 1)
        async with running(serving("other")):
            await asyncio.sleep(4)
            assert len(owners) == 1
        await until(number, 1)
        assert owners == ["standby"]


async def test_a_lane_that_is_not_read_holds_no_other_up(buses: Buses) -> None:
    bus = buses.open()
    await bus.declare(buses.stream, GROUP, partitions=2)
    await bus.append(*(Record(buses.stream, b"x" * 100_000, 0) for _ in range(50)))
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    async def work(lane: Lane, released: asyncio.Event) -> None:
        if lane.partition == 0:
            await lane.read(1, wait=5)
            await released.wait()
        while not released.is_set():
            for entry in await lane.read(10, wait=0.2):
                seen.put_nowait(entry.value)

    async with running(
        lambda stop: bus.serve(buses.stream, GROUP, partitions=2, work=work, stop=stop)
    ):
        for number in range(3):
            await bus.append(Record(buses.stream, b"%d" % number, 1))
            assert await asyncio.wait_for(seen.get(), 10) == b"%d" % number


# --- a broker that dies ---------------------------------------------------------------


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[Broker]:
    with running_broker(tmp_path) as broker:
        yield broker


async def test_a_broker_that_is_killed_under_load_loses_nothing_and_doubles_nothing(
    db: Database, buses: Buses, mortal_broker: Broker
) -> None:
    # given a sender that sends again what was not accepted, and a worker
    stream = buses.stream
    bus = open_bus(mortal_broker.url, buses.opened)
    worker = Engine(db, Marking(stream))
    await bus.declare(stream, GROUP, partitions=2)
    accepted: list[tuple[str, int]] = []
    stop_sending = asyncio.Event()

    async def send(subject: str) -> None:
        number = 0
        while not stop_sending.is_set():
            said = [event(subject, number + n) for n in range(20)]
            await _send_until_accepted(bus, stream, said)
            accepted.extend((each.subject, each.number) for each in said)
            number += 20
            await asyncio.sleep(0.01)

    async def some_marked() -> bool:
        return await count(db) >= 200

    async def all_marked() -> bool:
        return await count(db) == len(accepted)

    async with running(
        lambda stop: bus.serve(stream, GROUP, partitions=2, work=worker.work, stop=stop)
    ):
        async with asyncio.TaskGroup() as tasks:
            for subject in ("a", "b", "c"):
                tasks.create_task(send(subject))
            await until(some_marked, True, seconds=30)
            # when it is killed, and started again
            await asyncio.to_thread(mortal_broker.kill)
            await asyncio.sleep(0.5)
            before = len(accepted)
            await asyncio.to_thread(mortal_broker.start)
            await until(lambda: _at_least(accepted, before + 200), True, seconds=60)
            stop_sending.set()
        await until(all_marked, True, seconds=60)
        left = Backlog(0, None)
        await until(lambda: bus.backlog(stream, GROUP, partitions=2), left, seconds=30)
    # then all that was accepted took effect, once and in order
    found: defaultdict[str, list[int]] = defaultdict(list)
    for subject, number in await marked(db):
        found[subject].append(number)
    sent: defaultdict[str, list[int]] = defaultdict(list)
    for subject, number in accepted:
        sent[subject].append(number)
    assert found == sent


async def _at_least(accepted: Sequence[object], number: int) -> bool:
    return len(accepted) >= number


async def _send_until_accepted(bus: Any, stream: str, said: list[Any]) -> None:
    while True:
        try:
            await append_each(bus, stream, said, partitions=2)
        except BusAwayError:
            await asyncio.sleep(0.05)
        else:
            return
