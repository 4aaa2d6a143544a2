"""The cover a claim is made under: this context's copy of what a policy promises."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from robosure.contexts.policies.events import CoverInForce, InsuredRobot, PolicyBound
from robosure.kernel.errors import Invalid
from robosure.kernel.time import Term


@dataclass(eq=False, kw_only=True)
class PolicyCover:
    """What a policy covers, as it was bound.

    A coverage's limit holds per occurrence and, as is usual where the form names no
    other figure, also for all occurrences of the term together: its aggregate.

    Attributes:
        payment_method: the processor's token for the holder's means of payment, to
            which settlements are paid.
    """

    policy_number: str
    policy_id: UUID
    insurer_id: UUID
    holder_id: UUID
    term: Term
    robots: tuple[InsuredRobot, ...]
    coverages: tuple[CoverInForce, ...]
    payment_method: str

    @classmethod
    def of(cls, bound: PolicyBound) -> PolicyCover:
        """Copy what a claim needs to know of a policy that was bound."""
        return cls(
            policy_number=bound.number,
            policy_id=bound.policy_id,
            insurer_id=bound.insurer_id,
            holder_id=bound.holder_id,
            term=bound.term,
            robots=bound.robots,
            coverages=bound.coverages,
            payment_method=bound.payment_method,
        )

    def concerns(self, organisation_id: UUID) -> bool:
        """Whether that organisation is a party to the policy."""
        return organisation_id in {self.insurer_id, self.holder_id}

    def check_incident_time(self, incident_at: datetime, *, now: datetime) -> None:
        """Refuse an incident that has not happened, or not on a day of the term.

        Raises:
            Invalid: ``incident_in_future`` or ``incident_outside_term``.
        """
        if incident_at > now:
            raise Invalid("incident_in_future", incident_at=incident_at.isoformat())
        if not self.term.covers(incident_at):
            raise Invalid(
                "incident_outside_term",
                incident_at=incident_at.isoformat(),
                inception=self.term.inception.isoformat(),
                expiry=self.term.expiry.isoformat(),
                time_zone=self.term.time_zone,
            )

    def robot(self, robot_id: UUID) -> InsuredRobot:
        """Return a robot under the policy.

        Raises:
            Invalid: ``robot_not_insured``.
        """
        for robot in self.robots:
            if robot.robot_id == robot_id:
                return robot
        raise Invalid("robot_not_insured", robot_id=robot_id)

    def responding_to(self, incident_type: str) -> tuple[CoverInForce, ...]:
        """Return the coverages that respond to an incident, in the policy's order.

        Raises:
            Invalid: ``incident_not_covered``, none does.
        """
        responding = tuple(
            coverage
            for coverage in self.coverages
            if incident_type in coverage.incident_types
        )
        if not responding:
            raise Invalid(
                "incident_not_covered",
                incident_type=incident_type,
                covered=sorted({t for c in self.coverages for t in c.incident_types}),
            )
        return responding

    def coverage_for(self, incident_type: str, *, code: str) -> CoverInForce:
        """Return the coverage of that code, if it responds to the incident.

        Raises:
            Invalid: ``incident_not_covered``, or ``coverage_does_not_respond``.
        """
        responding = self.responding_to(incident_type)
        for coverage in responding:
            if coverage.code == code:
                return coverage
        raise Invalid(
            "coverage_does_not_respond",
            coverage_code=code,
            incident_type=incident_type,
            responding=[coverage.code for coverage in responding],
        )
