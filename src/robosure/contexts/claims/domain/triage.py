"""Triage: how grave a claim is, and what about it deserves a second look."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final

from robosure.kernel.money import Money
from robosure.kernel.time import Term, local_day

LATE_AFTER: Final = timedelta(days=30)
"""A notice later than this after the incident is flagged."""

EARLY_WITHIN: Final = timedelta(days=14)
"""An incident on one of so many first days of the term is flagged."""

_MINOR_BELOW: Final = Fraction(5, 100)
_STANDARD_BELOW: Final = Fraction(25, 100)


class Severity(StrEnum):
    """How grave a claim is, the least first."""

    MINOR = "minor"
    STANDARD = "standard"
    MAJOR = "major"
    COMPLEX = "complex"


class Flag(StrEnum):
    """Something about a claim that an adjuster should look at."""

    REPORTED_LATE = "reported_late"
    SOON_AFTER_INCEPTION = "soon_after_inception"
    NO_TELEMETRY = "no_telemetry"
    NO_PROTECTIVE_STOP = "no_protective_stop"


def severity_of(estimated_loss: Money, *, limit: Money, injury: bool) -> Severity:
    """Grade a claim by its estimated loss as a share of the limit, and by injury.

    Below 5 % of the limit it is minor, below 25 % standard, above that major. It is
    complex when a person was injured or the loss reaches the limit.
    """
    if injury or estimated_loss >= limit:
        return Severity.COMPLEX
    share = estimated_loss.exact / limit.exact
    if share < _MINOR_BELOW:
        return Severity.MINOR
    return Severity.STANDARD if share < _STANDARD_BELOW else Severity.MAJOR


def flags_of_notice(
    *, incident_at: datetime, reported_at: datetime, term: Term
) -> tuple[Flag, ...]:
    """Say what about the time of a notice deserves a second look."""
    flags: list[Flag] = []
    if reported_at - incident_at > LATE_AFTER:
        flags.append(Flag.REPORTED_LATE)
    if local_day(incident_at, term.time_zone) < term.inception + EARLY_WITHIN:
        flags.append(Flag.SOON_AFTER_INCEPTION)
    return tuple(flags)


def flags_of_telemetry(
    *, samples: int, protective_stop_samples: int
) -> tuple[Flag, ...]:
    """Say what about the telemetry around an incident deserves a second look."""
    if samples == 0:
        return (Flag.NO_TELEMETRY,)
    return () if protective_stop_samples else (Flag.NO_PROTECTIVE_STOP,)
