"""The timeline of a claim: what happened, when, and who did it; never edited."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.kernel.ids import uuid7


class Happening(StrEnum):
    """What an entry tells of."""

    REPORTED = "reported"
    TRIAGED = "triaged"
    FLAGGED = "flagged"
    ASSIGNED = "assigned"
    ASSIGNMENT_WAITING = "assignment_waiting"
    EVIDENCE_REQUESTED = "evidence_requested"
    EVIDENCE_ATTACHED = "evidence_attached"
    ATTACHMENT_ADDED = "attachment_added"
    RESERVE_CHANGED = "reserve_changed"
    ASSESSED = "assessed"
    APPROVED = "approved"
    DECLINED = "declined"
    PAYOUT_REQUESTED = "payout_requested"
    PAYOUT_FAILED = "payout_failed"
    PAID = "paid"
    CLOSED = "closed"


INTERNAL: Final = frozenset(
    {
        Happening.TRIAGED,
        Happening.FLAGGED,
        Happening.RESERVE_CHANGED,
        Happening.ASSESSED,
    }
)
"""What only the insurer sees: it would tell the holder what the insurer expects."""


@dataclass(eq=False, kw_only=True)
class TimelineEntry:
    """One thing that happened to a claim; never edited.

    Attributes:
        actor: the person or API key; None where the platform did it by itself.
        details: in words and figures for people; whom they mention, by id alone.
    """

    id: UUID = field(default_factory=uuid7)
    at: datetime
    what: Happening
    actor: UUID | None
    details: dict[str, str]
