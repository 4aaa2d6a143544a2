"""Telemetry to send: seeded, cheap to write, with faults where they are asked for.

Readings are those of the simulated arm; its samples are written to JSON once and used
again and again, so that a million events cost a second or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from heapq import heappop, heappush
from itertools import chain, islice
from random import Random
from typing import Any, Final
from uuid import UUID

import orjson

from robosure.entrypoints.demo.simulator import simulate_fleet

CONTENT_TYPE: Final = "application/cloudevents-batch+json"
JOINTS: Final = (0, 6)
"""Numbers of joints whose telemetry can be made."""
_HOURS: Final = 0.25
_PER_JOINT: Final = ("joint_currents", "joint_temperatures", "joint_speeds")
_BASE_READINGS: Final[dict[str, Any]] = {"battery": 87.5, "speed": 0.42}
_LATER: Final = 20
"""By up to how many of its robot's samples an event is sent too late, or again."""
_EVENT: Final = (
    b'{"specversion":"1.0","type":"robot.telemetry.v1","source":"%b","id":"%b-%d",'
    b'"subject":"%b","time":"%b","data":%b}'
)
_MALFORMED: Final = (
    # Each is refused by itself; none of them spoils the batch.
    b"42",
    b'{"specversion":"1.0","type":"robot.telemetry.v1","id":"no subject"}',
    b'{"specversion":"1.0","type":"robot.unheard-of.v1","id":"unknown type"}',
    (
        b'{"specversion":"1.0","type":"robot.telemetry.v1","source":"%b",'
        b'"id":"no number","subject":"%b","time":"2026-03-02T08:17:21Z",'
        b'"data":{"speed":"fast"}}'
    ),
    (
        b'{"specversion":"1.0","type":"robot.telemetry.v1","source":"%b",'
        b'"id":"no time","subject":"%b","time":1772439441,"data":{}}'
    ),
)


@dataclass(frozen=True)
class Faults:
    """How much goes wrong on the way, in percent of the valid events.

    Attributes:
        duplicates: are sent a second time.
        out_of_order: are sent after later ones of the same robot.
        malformed: come with an event that must be refused.
    """

    duplicates: float = 0.0
    out_of_order: float = 0.0
    malformed: float = 0.0


NO_FAULTS: Final = Faults()


@dataclass(frozen=True)
class Batch:
    """The content of one request.

    Attributes:
        valid: events in it that are sent for the first time.
        duplicates: events in it that were sent before.
        malformed: events in it that must be refused.
    """

    content: bytes
    valid: int
    duplicates: int
    malformed: int

    @property
    def events(self) -> int:
        """How many events are in it."""
        return self.valid + self.duplicates + self.malformed


@dataclass(frozen=True)
class Workload:
    """The telemetry of some robots, each sampled once a second, in turn.

    Attributes:
        robots: whose telemetry it is.
        count: how many valid events.
        joints: of the robots, out of :data:`JOINTS`.
        seed: the same gives the same readings, in the same order, with the same faults.
        source: of the events; another one makes them other events.
        start: the time of the first; by default such that the last is of now.
        faults: what goes wrong.
    """

    robots: Sequence[UUID]
    count: int
    joints: int = 6
    seed: int | str = 0
    source: str = "/load"
    start: datetime | None = None
    faults: Faults = NO_FAULTS

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: there are no readings of so many joints.
        """
        require_joints(self.joints)

    def batches(self, size: int) -> Iterator[Batch]:
        """Cut all events, faulty ones included, into batches of that size."""
        events = self._events()
        while part := list(islice(events, size)):
            kinds = [kind for kind, _ in part]
            yield Batch(
                b"[%b]" % b",".join(event for _, event in part),
                kinds.count("valid"),
                kinds.count("duplicate"),
                kinds.count("malformed"),
            )

    def bodies(self, size: int) -> Iterator[bytes]:
        """Return the batches' content alone, of a workload without faults."""
        events = (self._event(number) for number in range(self.count))
        while part := list(islice(events, size)):
            yield b"[%b]" % b",".join(part)

    def singles(self) -> Iterator[bytes]:
        """Return every event by itself, as a body that is one event."""
        return (self._event(number) for number in range(self.count))

    def _events(self) -> Iterator[tuple[str, bytes]]:
        """Write the events with their kind, in the order in which they are sent."""
        chance = Random(f"{self.seed}/faults")  # nosec B311 # noqa: S311 - makes load, no secret
        twice, late, bad = (
            percent / 100
            for percent in (
                self.faults.duplicates,
                self.faults.out_of_order,
                self.faults.malformed,
            )
        )
        nearest, furthest = len(self.robots) + 1, len(self.robots) * _LATER + 1
        held_back: list[tuple[int, int, str, bytes]] = []
        for number in range(self.count):
            while held_back and held_back[0][0] <= number:
                yield heappop(held_back)[2:]
            event = self._event(number)
            after = number
            if chance.random() < late:
                after += chance.randint(nearest, furthest)
                heappush(held_back, (after, number, "valid", event))
            else:
                yield "valid", event
            if chance.random() < twice:
                again = after + chance.randint(1, furthest)
                heappush(held_back, (again, number, "duplicate", event))
            if chance.random() < bad:
                yield "malformed", self._malformed(chance)
        while held_back:
            yield heappop(held_back)[2:]

    def _event(self, number: int) -> bytes:
        sample, robot = divmod(number, len(self.robots))
        readings = self._readings
        return _EVENT % (
            self._source,
            self._id,
            number,
            self._subjects[robot],
            self._time(sample),
            # Each robot is elsewhere in its day.
            readings[(sample + 97 * robot) % len(readings)],
        )

    def _malformed(self, chance: Random) -> bytes:
        template = chance.choice(_MALFORMED)
        if b"%b" not in template:
            return template
        return template % (self._source, chance.choice(self._subjects))

    def _time(self, sample: int) -> bytes:
        # One format for a whole round of the robots.
        known = self._times
        if known[0] != sample:
            moment = self._first + timedelta(seconds=sample)
            known[:] = sample, moment.strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
        written: bytes = known[1]
        return written

    @cached_property
    def _times(self) -> list[Any]:
        return [None, b""]

    @cached_property
    def _first(self) -> datetime:
        if self.start is not None:
            return self.start.astimezone(UTC)
        samples = -(-self.count // len(self.robots))
        return datetime.now(UTC) - timedelta(seconds=samples)

    @cached_property
    def _source(self) -> bytes:
        return self.source.encode()

    @cached_property
    def _id(self) -> bytes:
        return str(self.seed).encode()

    @cached_property
    def _subjects(self) -> list[bytes]:
        return [str(robot).encode() for robot in self.robots]

    @cached_property
    def _readings(self) -> list[bytes]:
        (samples,) = simulate_fleet(self.seed, robots=1, hours=_HOURS)
        return [orjson.dumps(self._shaped(sample["data"])) for sample in samples]

    def _shaped(self, data: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in data.items() if value is not None}
        if self.joints:
            return kept
        for name in _PER_JOINT:
            kept.pop(name, None)
        return {**kept, **_BASE_READINGS}


def require_joints(joints: int) -> None:
    """Refuse a number of joints that there are no readings of.

    Raises:
        ValueError: it is none of :data:`JOINTS`.
    """
    if joints not in JOINTS:
        raise ValueError(f"--joints is one of {', '.join(map(str, JOINTS))}")


def made_ahead(bodies: Iterator[bytes], *, limit_bytes: int) -> Iterator[bytes]:
    """Make bodies now, up to a limit, and what remains when it is asked for."""
    ahead: list[bytes] = []
    total = 0
    for body in bodies:
        ahead.append(body)
        total += len(body)
        if total >= limit_bytes:
            break
    return chain(ahead, bodies)
