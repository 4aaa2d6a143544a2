"""A small fleet of simulated cobots: plausible, seeded, the same on every machine.

Each arm repeats a work cycle at about one sample per second. The further it is worn,
the more current its joints draw, the warmer they run, and the more often it stops to
protect itself, which it does in clusters. Now and then a sensor or the network is
silent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

START: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
JOINTS: Final = 6
_AMPERES: Final = (0.9, 2.4, 1.4, 0.7, 0.5, 0.25)
"""What each joint of a new arm draws under load."""
_PER_JOINT: Final = ("joint_currents", "joint_temperatures", "joint_speeds")
_SCALARS: Final = (
    "tool_current",
    "cycle",
    "protective_stop",
    "grip_lost",
    "battery",
    "speed",
)
"""With those per joint, the readings of canonical telemetry, in its order."""
_CYCLE_SECONDS: Final = 24
_AMBIENT: Final = 22.0
_WARM_UP_SECONDS: Final = 1500.0
_SILENT_SENSORS: Final = 0.004
_SILENT_TOOL: Final = 0.001
_SILENT_NETWORK_SECONDS: Final = (75, 180)


def simulate_fleet(
    seed: int | str, robots: int = 3, hours: float = 1.0
) -> Iterator[list[dict[str, Any]]]:
    """Simulate robots, from new to worn.

    Args:
        seed: the same seed gives the same fleet.
        robots: how many; each has a stream of chance of its own.
        hours: how long they work, more than a few minutes, from :data:`START`.

    Yields:
        Per robot its samples in order of time: ``id``, unique for the robot; ``time``,
        RFC 3339; and ``data``, canonical telemetry ready for JSON.
    """
    for index in range(robots):
        chance = Random(f"{seed}/{index}")  # nosec B311 # noqa: S311 - makes load, no secret
        arm = _Arm.built(chance, wear=(index + 1) / robots, seconds=round(hours * 3600))
        yield [
            {
                "id": f"{seed}-{index}-{second:06d}",
                "time": moment.isoformat(timespec="milliseconds")[:-6] + "Z",
                "data": telemetry,
            }
            for second, moment, telemetry in arm.work(chance)
        ]


@dataclass(frozen=True)
class _Arm:
    """One arm, and what will happen to it.

    Attributes:
        wear: 0 is new, 1 is worn out.
        stops: seconds in a protective stop.
        grip_losses: seconds without the part it held.
        silences: seconds in which nothing arrives.
    """

    wear: float
    seconds: int
    stops: frozenset[int]
    grip_losses: frozenset[int]
    silences: frozenset[int]

    @classmethod
    def built(cls, chance: Random, *, wear: float, seconds: int) -> _Arm:
        hours = seconds / 3600
        stops: set[int] = set()
        grip_losses: set[int] = set()
        for _ in range(math.ceil(4 * wear * hours)):
            begin = chance.randrange(seconds)
            for _ in range(chance.randint(3, 3 + round(5 * wear))):
                begin += chance.randint(8, 40)
                stops.update(range(begin, begin + chance.randint(2, 6)))
                if chance.random() < wear / 2:
                    grip_losses.update(range(begin + 1, begin + chance.randint(3, 5)))
        for _ in range(math.ceil(6 * wear * hours)):
            begin = chance.randrange(seconds)
            grip_losses.update(range(begin, begin + chance.randint(1, 4)))
        begin = chance.randrange(seconds // 4, seconds)
        silences = range(begin, begin + chance.randint(*_SILENT_NETWORK_SECONDS))
        return cls(
            wear, seconds, frozenset(stops), frozenset(grip_losses), frozenset(silences)
        )

    def work(self, chance: Random) -> Iterator[tuple[int, datetime, dict[str, Any]]]:
        for second in range(self.seconds):
            if second not in self.silences:
                delay = timedelta(milliseconds=chance.randrange(40))
                moment = START + timedelta(seconds=second) + delay
                yield second, moment, self._sample(second, chance)

    def _sample(self, second: int, chance: Random) -> dict[str, Any]:
        cycle = second // _CYCLE_SECONDS + 1
        grip_lost = second in self.grip_losses
        silent = chance.random()
        if silent < _SILENT_SENSORS:
            return {
                **dict.fromkeys(_PER_JOINT, (None,) * JOINTS),
                **dict.fromkeys(_SCALARS),
                "cycle": cycle,
                "grip_lost": grip_lost,
            }
        stopped = second in self.stops
        phase = math.tau * second / _CYCLE_SECONDS
        return {
            "joint_currents": self._currents(phase, chance, stopped=stopped),
            "joint_temperatures": self._temperatures(second, chance),
            "joint_speeds": tuple(
                0.0 if stopped else round(0.8 * math.cos(phase + joint), 4)
                for joint in range(JOINTS)
            ),
            **dict.fromkeys(_SCALARS),
            "tool_current": None
            if silent < _SILENT_SENSORS + _SILENT_TOOL
            else round(0.05 if grip_lost else 0.3 + chance.gauss(0, 0.02), 4),
            "cycle": cycle,
            "protective_stop": stopped,
            "grip_lost": grip_lost,
        }

    def _currents(
        self, phase: float, chance: Random, *, stopped: bool
    ) -> tuple[float, ...]:
        """Draw more when worn; on a collision some joint draws far too much."""
        load = 1 + 0.35 * self.wear
        hit = (
            chance.randrange(JOINTS) if stopped and chance.random() < self.wear else -1
        )
        return tuple(
            round(
                amperes
                * (load * math.sin(phase + joint) + (3.5 if joint == hit else 0))
                + chance.gauss(0, 0.05),
                4,
            )
            for joint, amperes in enumerate(_AMPERES)
        )

    def _temperatures(self, second: int, chance: Random) -> tuple[float, ...]:
        """Warm up from ambient, the outer joints and worn arms further."""
        warmed = 1 - math.exp(-second / _WARM_UP_SECONDS)
        return tuple(
            round(
                _AMBIENT
                + (15 + joint + 12 * self.wear) * warmed
                + chance.gauss(0, 0.1),
                2,
            )
            for joint in range(JOINTS)
        )
