"""Exposure: what a span of telemetry says, and how two adjacent spans add up.

Exposures are a monoid: ``Exposure()`` is nothing, and adding the exposures of adjacent
spans gives exactly that of the whole, intervals and episodes that cross the seam
included. So a robot's exposure is the sum of its windows in order of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise, zip_longest
from typing import Final

from robosure.contexts.risk.domain.readings import (
    CURRENT,
    NO_READINGS,
    TEMPERATURE,
    Distribution,
    Scale,
)
from robosure.contexts.risk.domain.sample import (
    MICROSECOND,
    Readings,
    Sample,
    moment_of,
)

LONGEST_STEP: Final = timedelta(seconds=60)
"""Between samples further apart than this the robot was not in operation."""
_LONGEST_STEP_US: Final = LONGEST_STEP // MICROSECOND


@dataclass(frozen=True)
class Flag:
    """How often something was the case, over samples in order.

    A sample that does not say is passed over: it neither ends an episode nor begins
    one.

    Attributes:
        known: samples that say whether it was.
        samples: samples in which it was.
        episodes: runs of consecutive such samples.
        first: what the first sample that says so said.
        last: what the last one said.
    """

    known: int = 0
    samples: int = 0
    episodes: int = 0
    first: bool | None = None
    last: bool | None = None

    @classmethod
    def of(cls, states: Iterable[bool | None]) -> Flag:
        """Count states, in order."""
        known = [state for state in states if state is not None]
        if not known:
            return cls()
        begun = sum(now and not before for before, now in pairwise(known))
        return cls(len(known), sum(known), begun + known[0], known[0], known[-1])

    def __add__(self, later: Flag) -> Flag:
        goes_on = bool(self.last and later.first)
        return Flag(
            known=self.known + later.known,
            samples=self.samples + later.samples,
            episodes=self.episodes + later.episodes - goes_on,
            first=later.first if self.first is None else self.first,
            last=self.last if later.last is None else later.last,
        )


@dataclass(frozen=True)
class Exposure:
    """What a span of telemetry says.

    Attributes:
        samples: how many there are.
        incomplete: samples in which a reading is missing.
        operating_us: microseconds in operation: the sum of the steps from sample to
            sample that are at most :data:`LONGEST_STEP`.
        first_at: time of the first sample.
        last_at: time of the last sample.
        joint_currents: magnitudes per joint, base first, in bins of ``CURRENT``.
        joint_temperatures: per joint, base first, in bins of ``TEMPERATURE``.
    """

    samples: int = 0
    incomplete: int = 0
    operating_us: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    protective_stop: Flag = field(default_factory=Flag)
    grip_loss: Flag = field(default_factory=Flag)
    joint_currents: tuple[Distribution, ...] = ()
    joint_temperatures: tuple[Distribution, ...] = ()

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Exposure:
        """Sum up samples, in whatever order and however often they are given."""
        unique = {sample[:2]: sample for sample in samples}
        ordered = [unique[moment] for moment in sorted(unique)]
        if not ordered:
            return cls()
        moments = [sample.at_us for sample in ordered]
        return cls(
            samples=len(ordered),
            incomplete=[sample.complete for sample in ordered].count(False),
            operating_us=_operating_us(moments),
            first_at=moment_of(moments[0]),
            last_at=moment_of(moments[-1]),
            protective_stop=Flag.of([sample.protective_stop for sample in ordered]),
            grip_loss=Flag.of([sample.grip_lost for sample in ordered]),
            joint_currents=_per_joint(CURRENT, [s.joint_currents for s in ordered]),
            joint_temperatures=_per_joint(
                TEMPERATURE, [s.joint_temperatures for s in ordered]
            ),
        )

    def __add__(self, later: Exposure) -> Exposure:
        """Add what follows in time.

        Raises:
            ValueError: it does not follow; the sum would be wrong.
        """
        if self.last_at is None or later.first_at is None:
            return later if self.last_at is None else self
        if later.first_at < self.last_at:
            raise ValueError("exposures add up in order of time")
        return Exposure(
            samples=self.samples + later.samples,
            incomplete=self.incomplete + later.incomplete,
            operating_us=self.operating_us
            + later.operating_us
            + _operating_us([0, (later.first_at - self.last_at) // MICROSECOND]),
            first_at=self.first_at,
            last_at=later.last_at,
            protective_stop=self.protective_stop + later.protective_stop,
            grip_loss=self.grip_loss + later.grip_loss,
            joint_currents=_added(self.joint_currents, later.joint_currents),
            joint_temperatures=_added(
                self.joint_temperatures, later.joint_temperatures
            ),
        )


def _operating_us(moments: Sequence[int]) -> int:
    steps = [now - before for before, now in pairwise(moments)]
    return sum(step for step in steps if step <= _LONGEST_STEP_US)


def _per_joint(scale: Scale, rows: Sequence[Readings]) -> tuple[Distribution, ...]:
    return tuple(scale.count(joint) for joint in zip_longest(*rows))


def _added(
    earlier: tuple[Distribution, ...], later: tuple[Distribution, ...]
) -> tuple[Distribution, ...]:
    joints = zip_longest(earlier, later, fillvalue=NO_READINGS)
    return tuple(before + after for before, after in joints)
