"""What telemetry says a robot was exposed to, as a whole and by window."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Final, Self

from pydantic import Field
from pydantic.config import JsonDict

from robosure.contexts.risk.domain import (
    CURRENT,
    TEMPERATURE,
    Distribution,
    Exposure,
    Flag,
    Limits,
    Window,
)
from robosure.contexts.risk.domain.readings import NO_READINGS, Scale
from robosure.contexts.risk.schemas.examples import example
from robosure.platform.http import OutputModel

_STOPS: Final[JsonDict] = {"samples": 278, "episodes": 108}


class FlagOut(OutputModel):
    """How often something was the case."""

    model_config = example(_STOPS)

    samples: int = Field(description="Samples in which it was.")
    episodes: int = Field(
        description="Runs of consecutive such samples; one that does not say whether "
        "it was is passed over."
    )

    @classmethod
    def of(cls, flag: Flag) -> Self:
        """Show a flag."""
        return cls(samples=flag.samples, episodes=flag.episodes)


class ReadingsOut(OutputModel):
    """Readings of one joint, against the limit of the robot's model.

    Quantiles are upper edges of bins: 0.1 A or 1 degree Celsius wide.
    """

    model_config = example(
        {
            "readings": 7355,
            "limit": "6.0",
            "above_limit": 2,
            "p50": "0.2",
            "p95": "1.4",
            "max": "6.807",
        }
    )

    readings: int
    limit: Decimal | None = Field(description="Null where the maker gives none.")
    above_limit: int | None = Field(description="Readings above it.")
    p50: Decimal | None = Field(description="Half the readings are at most this.")
    p95: Decimal | None = Field(description="95 % of the readings are at most this.")
    max: Decimal | None

    @classmethod
    def of(cls, found: Distribution, scale: Scale, limit: Decimal | None) -> Self:
        """Show a distribution."""
        median, high = found.quantile(50), found.quantile(95)
        above = None if limit is None else found.above(scale.bin_of(limit))
        return cls(
            readings=found.readings,
            limit=limit,
            above_limit=above,
            p50=None if median is None else scale.edge(median),
            p95=None if high is None else scale.edge(high),
            max=None if found.highest is None else Decimal(found.highest) / 1000,
        )


class JointOut(OutputModel):
    """What one joint was exposed to."""

    joint: int = Field(description="0 is the base.")
    current: ReadingsOut = Field(description="Magnitudes, in amperes.")
    temperature: ReadingsOut = Field(description="Degrees Celsius.")


class ExposureOut(OutputModel):
    """What the robot's telemetry says."""

    samples: int
    incomplete_samples: int = Field(description="With at least one reading missing.")
    operating_seconds: float = Field(
        description="Sum of the steps from sample to sample of at most 60 seconds."
    )
    first_sample_at: datetime | None
    last_sample_at: datetime | None
    protective_stop: FlagOut
    grip_loss: FlagOut
    joints: list[JointOut]

    @classmethod
    def of(cls, exposure: Exposure, limits: Limits) -> Self:
        """Show an exposure against a model's limits."""
        per_joint = zip_longest(exposure.joint_currents, exposure.joint_temperatures)
        allowed = dict(enumerate(limits.joint_currents))
        return cls(
            samples=exposure.samples,
            incomplete_samples=exposure.incomplete,
            operating_seconds=exposure.operating_us / 1_000_000,
            first_sample_at=exposure.first_at,
            last_sample_at=exposure.last_at,
            protective_stop=FlagOut.of(exposure.protective_stop),
            grip_loss=FlagOut.of(exposure.grip_loss),
            joints=[
                JointOut(
                    joint=joint,
                    current=ReadingsOut.of(
                        current or NO_READINGS, CURRENT, allowed.get(joint)
                    ),
                    temperature=ReadingsOut.of(
                        temperature or NO_READINGS,
                        TEMPERATURE,
                        limits.joint_temperature,
                    ),
                )
                for joint, (current, temperature) in enumerate(per_joint)
            ],
        )


class WindowOut(OutputModel):
    """Ten minutes of a robot."""

    model_config = example(
        {
            "starts_at": "2022-10-26T08:30:00Z",
            "ends_at": "2022-10-26T08:40:00Z",
            "samples": 594,
            "incomplete_samples": 3,
            "operating_seconds": 598.9,
            "first_sample_at": "2022-10-26T08:30:00.402Z",
            "last_sample_at": "2022-10-26T08:39:59.310Z",
            "protective_stop": {"samples": 31, "episodes": 12},
            "grip_loss": {"samples": 9, "episodes": 4},
        }
    )

    starts_at: datetime
    ends_at: datetime
    samples: int
    incomplete_samples: int
    operating_seconds: float
    first_sample_at: datetime | None
    last_sample_at: datetime | None
    protective_stop: FlagOut
    grip_loss: FlagOut

    @classmethod
    def of(cls, window: Window) -> Self:
        """Show a window."""
        exposure = window.exposure
        return cls(
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            samples=exposure.samples,
            incomplete_samples=exposure.incomplete,
            operating_seconds=exposure.operating_us / 1_000_000,
            first_sample_at=exposure.first_at,
            last_sample_at=exposure.last_at,
            protective_stop=FlagOut.of(exposure.protective_stop),
            grip_loss=FlagOut.of(exposure.grip_loss),
        )


class WindowsOut(OutputModel):
    """The windows of a span in which there was telemetry, in order of time."""

    items: list[WindowOut]
