"""The bus that the settings name."""

from __future__ import annotations

from uuid import uuid4

import pytest

from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import Record
from robosure.platform.streams.kafka_bus import KafkaBus
from robosure.platform.streams.opening import open_bus
from tests.kafka import Broker


# Fetching and starting Kafka counts as the first test's time.
@pytest.mark.timeout(400)
async def test_the_kafka_that_the_setting_names_takes_and_gives(
    runtime: Runtime,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given the environment of a process that is to use Kafka
    monkeypatch.setenv("ROBOSURE_EVENT_BUS", broker.url)
    named = Settings(_env_file=None)
    # when its bus is opened
    bus = open_bus(named, runtime.redis)
    assert isinstance(bus, KafkaBus)
    stream = f"opening-{uuid4().hex}"
    await bus.append(Record(stream, b"a"))
    # then what was appended is there
    async with bus.lanes(stream, "opening", partitions=1) as (lane,):
        (entry,) = await lane.read(10, wait=5)
    await bus.close()
    assert entry.value == b"a"
