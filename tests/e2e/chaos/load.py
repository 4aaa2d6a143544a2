"""The load: devices that send telemetry, and people who register and insure robots.

They behave as clients in the field do. Who gets no answer tries again with the same
ids, or gives up; some batches are sent twice on purpose. What the API promised is
written down in the round's ledger.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from uuid import UUID

import httpx
import orjson

from tests.e2e.chaos.client import RETRY_SECONDS, Client
from tests.e2e.chaos.customer import Customer
from tests.e2e.chaos.ledger import Ledger, Sent

_MEDIA_TYPE: Final = "application/cloudevents-batch+json"
_SENT_AGAIN: Final = 0.1
_GIVING_UP: Final = 0.2
_RECENT: Final = 20
_POLICY_SECONDS: Final = 1.0

Json = dict[str, Any]


class _Batch(NamedTuple):
    """A request's body, and what is in it."""

    body: bytes
    events: Sequence[Sent]


@dataclass
class Load:
    """Steady traffic of one round.

    Attributes:
        name: of the round; in every id and serial number.
        rate: events per second, of all senders together.
        facts_per_second: robots that are registered.
    """

    customer: Customer
    ledger: Ledger
    name: str
    rate: float
    facts_per_second: float
    senders: int = 4
    batch: int = 25
    _recent: deque[_Batch] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _numbers: Counter[UUID] = field(default_factory=Counter)
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until stopped; what is under way then is seen through."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.senders):
                tasks.create_task(self._send_steadily(number, stop))
            tasks.create_task(self._register_steadily(stop))
            tasks.create_task(self._insure_steadily(stop))

    async def _send_steadily(self, number: int, stop: asyncio.Event) -> None:
        chance = self.customer.chance
        client = self.customer.device if number % 2 else self.customer.admin
        pace = _Pace(self.batch * self.senders / self.rate)
        sent = 0
        while not stop.is_set():
            await pace.wait()
            again = self._recent and chance.random() < _SENT_AGAIN
            batch = chance.choice(self._recent) if again else self._made()
            # Half of the intents are named, half are known by their events alone.
            key = f"{self.name}-{number}-{sent}" if sent % 2 else None
            sent += 1
            await self._send(client, batch, key)

    async def _send(self, client: Client, batch: _Batch, key: str | None) -> None:
        headers = {"Content-Type": _MEDIA_TYPE}
        if key is not None:
            headers["Idempotency-Key"] = key
        gives_up = self.customer.chance.random() < _GIVING_UP
        while True:
            answer = await self._try(client, batch, headers)
            if answer is not None:
                self._believe(answer, batch)
            if answer is not None or gives_up:
                return
            await asyncio.sleep(RETRY_SECONDS * self.customer.chance.uniform(0.5, 1.5))

    async def _try(
        self, client: Client, batch: _Batch, headers: Mapping[str, str]
    ) -> httpx.Response | None:
        self.ledger.sending(batch.events)
        answer = None
        try:
            answer = await client.try_once(
                "POST", "/events", self.ledger, content=batch.body, headers=headers
            )
        finally:
            if answer is None:
                self.ledger.lose(batch.events)
        return answer

    def _believe(self, answer: httpx.Response, batch: _Batch) -> None:
        if answer.status_code != HTTPStatus.ACCEPTED:
            return  # complained of already
        receipt = answer.json()
        if (receipt["accepted"], receipt["refused"]) != (len(batch.events), 0):
            self.ledger.complaints["good events are refused"] += 1
            return
        self.ledger.promise(batch.events)
        self._recent.append(batch)

    def _made(self) -> _Batch:
        sent: list[Sent] = []
        events: list[Json] = []
        for _ in range(self.batch):
            robot = self.customer.chance.choice(self.ledger.robots)
            self._numbers[robot] += 1
            event = self._event(robot, self._numbers[robot])
            sent.append(Sent(robot, event["id"]))
            events.append(event)
        return _Batch(orjson.dumps(events), sent)

    def _event(self, robot: UUID, number: int) -> Json:
        chance = self.customer.chance
        at = self._began + timedelta(milliseconds=10 * number)
        return {
            "specversion": "1.0",
            "id": f"{self.name}-{number}",
            "source": f"/gateways/{robot}",
            "type": "robot.telemetry.v1",
            "subject": str(robot),
            "time": at.isoformat(timespec="milliseconds"),
            "data": {
                "joint_currents": [round(chance.uniform(0, 4), 3)] * 6,
                "speed": round(chance.uniform(0, 2), 3),
                "cycle": number,
            },
        }

    async def _register_steadily(self, stop: asyncio.Event) -> None:
        pace = _Pace(1 / self.facts_per_second)
        number = 0
        while not stop.is_set():
            await pace.wait()
            await self.customer.register(f"{self.name}-{number:05d}", self.ledger)
            number += 1

    async def _insure_steadily(self, stop: asyncio.Event) -> None:
        pace = _Pace(_POLICY_SECONDS)
        number = 0
        while not stop.is_set():
            await pace.wait()
            robot = self.customer.chance.choice(self.ledger.robots)
            await self.customer.insure(robot, f"{self.name}-{number}", self.ledger)
            number += 1


class _Pace:
    """Lets pass once per interval; what was missed is not made up for."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next_at = time.monotonic()

    async def wait(self) -> None:
        now = time.monotonic()
        await asyncio.sleep(max(0.0, self._next_at - now))
        self._next_at = max(self._next_at, now) + self._interval
