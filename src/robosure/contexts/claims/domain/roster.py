"""The insurer's adjusters, and who of them takes a claim."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from robosure.contexts.identity.events import UserChanged, UserRegistered

ADJUSTER_ROLE: Final = "adjuster"

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(eq=False, kw_only=True)
class Adjuster:
    """A person of the insurer's organisation who handles claims.

    Attributes:
        skills: robot classes and incident types they know; one with none is a
            generalist.
        active: whether new claims may go to them.
        last_assigned_at: when they last got a claim.
    """

    user_id: UUID
    organisation_id: UUID
    name: str
    skills: tuple[str, ...]
    active: bool
    last_assigned_at: datetime | None = None

    @classmethod
    def of(cls, user: UserRegistered | UserChanged) -> Adjuster | None:
        """Copy what matters of a user; None of one who handles no claims now."""
        active = user.active if isinstance(user, UserChanged) else True
        if not active or ADJUSTER_ROLE not in user.roles:
            return None
        return cls(
            user_id=user.user_id,
            organisation_id=user.organisation_id,
            name=user.name,
            skills=user.skills,
            active=True,
        )


@dataclass(frozen=True)
class Workload:
    """An adjuster and how many claims they have open."""

    adjuster: Adjuster
    open_claims: int


def choose_adjuster(
    workloads: Iterable[Workload], *, robot_class: str, incident_type: str
) -> Adjuster | None:
    """Choose who takes a claim, or nobody.

    Specialists of the robot's class or the type of incident come before generalists;
    other specialists do not come into question. Then the fewest open claims decide,
    then the longest time since the last assignment.
    """
    wanted = {robot_class, incident_type}
    free = [w for w in workloads if w.adjuster.active]
    specialists = [w for w in free if wanted.intersection(w.adjuster.skills)]
    generalists = [w for w in free if not w.adjuster.skills]
    best = min(specialists or generalists, key=_rank, default=None)
    return None if best is None else best.adjuster


def _rank(workload: Workload) -> tuple[int, datetime, UUID]:
    adjuster = workload.adjuster
    return (
        workload.open_claims,
        adjuster.last_assigned_at or _NEVER,
        adjuster.user_id,
    )
