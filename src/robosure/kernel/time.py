"""Time: always UTC and timezone-aware, always asked of a clock that is passed in.

Cover runs from date to date in the policy's own time zone (:class:`Term`), so the
kernel also knows what a local day is.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from robosure.kernel.errors import Invalid


class Clock(Protocol):
    """Where the present comes from."""

    def now(self) -> datetime:
        """Return the present as an aware datetime in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present in UTC."""
        return datetime.now(UTC)


def utc(moment: datetime) -> datetime:
    """Convert an aware datetime to UTC.

    Raises:
        Invalid: the datetime is naive; nobody can say when it is.
    """
    if moment.tzinfo is None:
        raise Invalid("naive_datetime", moment=moment.isoformat())
    return moment.astimezone(UTC)


def zone(name: str) -> ZoneInfo:
    """Return an IANA time zone.

    Raises:
        Invalid: no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        # OSError: the name of a directory of zones ("Europe"), or one too long.
        raise Invalid("unknown_time_zone", time_zone=name) from error


def local_day(moment: datetime, time_zone: str) -> date:
    """Return which calendar day the moment falls on in that zone."""
    return utc(moment).astimezone(zone(time_zone)).date()


def start_of_day(day: date, time_zone: str) -> datetime:
    """Return the instant, in UTC, at which the day begins in that zone."""
    return datetime.combine(day, time(), tzinfo=zone(time_zone)).astimezone(UTC)


@dataclass(frozen=True)
class Term:
    """A span of cover, from inception to expiry, by the days of one time zone.

    Attributes:
        inception: first day with cover.
        expiry: first day without; cover ends at the midnight that begins it.
        time_zone: IANA name of the zone whose midnights count.
    """

    inception: date
    expiry: date
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        """Refuse an empty term or an unknown zone."""
        zone(self.time_zone)
        if self.expiry <= self.inception:
            raise Invalid(
                "expiry_not_after_inception",
                inception=self.inception.isoformat(),
                expiry=self.expiry.isoformat(),
            )

    @classmethod
    def annual(cls, inception: date, time_zone: str = "UTC") -> Term:
        """Return a year from inception; 29 February expires on 1 March."""
        year = inception.year + 1
        try:
            expiry = inception.replace(year=year)
        except ValueError:
            expiry = date(year, 3, 1)
        return cls(inception, expiry, time_zone)

    @property
    def days(self) -> int:
        """Days in the term."""
        return (self.expiry - self.inception).days

    @property
    def starts_at(self) -> datetime:
        """First instant with cover, in UTC."""
        return start_of_day(self.inception, self.time_zone)

    @property
    def ends_at(self) -> datetime:
        """First instant without cover, in UTC."""
        return start_of_day(self.expiry, self.time_zone)

    def remaining_from(self, day: date) -> int:
        """Days left from that day on, none of them negative."""
        return max(0, min(self.days, (self.expiry - day).days))

    def covers_day(self, day: date) -> bool:
        """Whether the day is within the term."""
        return self.inception <= day < self.expiry

    def covers(self, moment: datetime) -> bool:
        """Whether the moment falls on a day of the term, in the term's zone."""
        return self.covers_day(local_day(moment, self.time_zone))


def add_months(day: date, months: int) -> date:
    """Return the same day months later, or that month's last day if it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    _, last = monthrange(year, month + 1)
    return date(year, month + 1, min(day.day, last))
