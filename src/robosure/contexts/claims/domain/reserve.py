"""Reserves: what a claim is expected to cost still, and what it has cost.

Case reserve plus paid is incurred. Every change is a dated entry; none is edited, so
what was reserved on any day can be read off the entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money, total


class ReserveChange(StrEnum):
    """Why a reserve changed."""

    OPENED = "opened"
    SET = "set"
    RELEASED = "released"
    PAID = "paid"


@dataclass(eq=False, kw_only=True)
class ReserveEntry:
    """One change; never edited.

    Attributes:
        case: what was added to the case reserve; negative where it was released.
        paid: what was paid out.
    """

    id: UUID = field(default_factory=uuid7)
    at: datetime
    change: ReserveChange
    case: Money
    paid: Money


@dataclass(frozen=True)
class Reserve:
    """Where a claim stands."""

    case: Money
    paid: Money

    @classmethod
    def of(cls, entries: Iterable[ReserveEntry], currency: str) -> Reserve:
        """Sum the entries."""
        known = list(entries)
        return cls(
            case=total((entry.case for entry in known), currency),
            paid=total((entry.paid for entry in known), currency),
        )

    @property
    def incurred(self) -> Money:
        """Case reserve plus paid."""
        return self.case + self.paid
