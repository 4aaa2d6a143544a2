"""Topics: made and grown as streams need them, and judged for what they may lose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from aiokafka.admin import NewPartitions, NewTopic  # type: ignore[import-untyped]
from aiokafka.admin.config_resource import (  # type: ignore[import-untyped]
    ConfigResource,
    ConfigResourceType,
)
from aiokafka.errors import (  # type: ignore[import-untyped]
    InvalidPartitionsError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.structs import (  # type: ignore[import-untyped]
    OffsetAndMetadata,
    TopicPartition,
)

from robosure.platform.streams.kafka_bus.connecting import LARGEST, Kafka, topic_of

_OWN: Final = topic_of("")
_BROKERS_DEFAULT: Final = -1
_ASK_AGAIN_SECONDS: Final = 0.05
_WEEK_MS: Final = 7 * 24 * 3600 * 1000
_SETTINGS: Final = {
    "cleanup.policy": "delete",
    "max.message.bytes": str(LARGEST),
    "message.timestamp.type": "LogAppendTime",
    "unclean.leader.election.enable": "false",
}


class Topics:
    """What the brokers know of topics, and of groups' progress on them."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self._admin: Any = None
        self._known: dict[str, int] = {}
        self._making = asyncio.Lock()

    def known(self, topic: str, partitions: int) -> bool:
        """Whether the topic was seen to have so many partitions."""
        return self._known.get(topic, 0) >= partitions

    async def ensure(self, topic: str, partitions: int) -> None:
        """Make the topic, or let it grow.

        How many brokers keep it, and for how long, is what the brokers are set to.

        Raises:
            BusAwayError: Kafka does not answer.
        """
        if self.known(topic, partitions):
            return
        async with self._making, self.kafka.reaching():
            admin = await self._started()
            found = await self._partitions(admin, topic)
            if not found:
                await self._make(admin, topic, partitions)
            elif found < partitions:
                await self._grow(admin, topic, partitions)
            while (found := await self._partitions(admin, topic)) < partitions:  # noqa: ASYNC110 - only asking tells
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            self._known[topic] = found

    async def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has; none if there is no such topic."""
        async with self.kafka.reaching():
            return await self._partitions(await self._started(), topic)

    async def committed(
        self, group: str, topic: str, partitions: Sequence[int]
    ) -> dict[int, OffsetAndMetadata]:
        """Return what the group committed; the offset is -1 where it did not yet.

        Raises:
            BusAwayError: Kafka does not answer, or does not know it yet.
        """
        asked = [TopicPartition(topic, partition) for partition in partitions]
        async with self.kafka.reaching():
            admin = await self._started()
            while True:
                try:
                    found = await admin.list_consumer_group_offsets(
                        group, partitions=asked
                    )
                except KafkaError as error:
                    if not error.retriable:
                        raise
                else:
                    # Kafka says nothing of a group that it is still loading; that is
                    # another thing than a group which has committed nothing.
                    if all(each in found for each in asked):
                        return {each.partition: found[each] for each in asked}
                await asyncio.sleep(_ASK_AGAIN_SECONDS)

    async def weaknesses(self) -> list[str]:
        """Say how the brokers' settings could lose events."""
        async with self.kafka.reaching():
            admin = await self._started()
            described: list[dict[str, Any]] = await admin.describe_topics()
            own = [each for each in described if each["topic"].startswith(_OWN)]
            names = [each["topic"] for each in own]
            asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
            answers: list[Any] = await admin.describe_configs(asked) if asked else []
        settings = {
            name: {entry[0]: entry[1] for entry in entries}
            for answer in answers
            for _, _, _, name, entries in answer.resources
        }
        found: dict[str, list[str]] = {}
        for each in own:
            brokers = min(len(p["replicas"]) for p in each["partitions"])
            for weakness in weaknesses_of(brokers, settings[each["topic"]]):
                found.setdefault(weakness, []).append(each["topic"])
        return [weakness.format(_listed(names)) for weakness, names in found.items()]

    async def close(self) -> None:
        """Give the connection back."""
        if self._admin is not None:
            await self._admin.close()
            self._admin = None

    async def _started(self) -> Any:
        if self._admin is None:
            admin = self.kafka.admin()
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        return self._admin

    async def _partitions(self, admin: Any, topic: str) -> int:
        described = await admin.describe_topics()
        found = [each for each in described if each["topic"] == topic]
        return len(found[0]["partitions"]) if found else 0

    async def _make(self, admin: Any, topic: str, partitions: int) -> None:
        new = NewTopic(
            topic,
            partitions,
            _BROKERS_DEFAULT,
            replica_assignments={},
            topic_configs=_SETTINGS,
        )
        answer = await admin.create_topics([new])
        for _, code, message in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(message)

    async def _grow(self, admin: Any, topic: str, partitions: int) -> None:
        with suppress(InvalidPartitionsError):  # another process was quicker
            await admin.create_partitions({topic: NewPartitions(partitions)})


def weaknesses_of(brokers: int, settings: dict[str, str]) -> list[str]:
    """Judge a topic by how many brokers keep it, and how: sentences about ``{}``."""
    found: list[str] = []
    if brokers == 1:
        found.append("One broker alone keeps {}: what it loses is lost")
    elif int(settings["min.insync.replicas"]) == 1:
        found.append(
            "Kafka answers as soon as one broker keeps what is appended to {} "
            "(min.insync.replicas is 1): if that one is lost then, so are the events"
        )
    if settings["unclean.leader.election.enable"] == "true":
        found.append(
            "A broker that has fallen behind may come to lead {} "
            "(unclean.leader.election.enable): what it did not get is lost"
        )
    if "compact" in settings["cleanup.policy"]:
        found.append(
            "Kafka keeps no more than the last of each key in {} (cleanup.policy): "
            "what was told before is lost"
        )
    if 0 <= int(settings["retention.ms"]) < _WEEK_MS:
        found.append(
            "Kafka keeps {} for less than a week (retention.ms): "
            "what is not handled by then is lost"
        )
    if int(settings["retention.bytes"]) >= 0:
        found.append(
            "Kafka keeps {} up to a size (retention.bytes): "
            "what is not handled by then is lost"
        )
    return found


def _listed(topics: list[str]) -> str:
    *others, last = sorted(topics)
    return f"{', '.join(others)} and {last}" if others else last
