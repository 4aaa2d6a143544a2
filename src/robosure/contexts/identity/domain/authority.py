"""Authority limits: up to what amount a role or a person may approve.

Four eyes: one person proposes a limit, and another one approves it, whom it does not
concern. What was decided stays as it is; another limit takes its place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.authority import Authority, Decision
from robosure.kernel.errors import Forbidden, Invalid, InvalidState
from robosure.kernel.money import Money

_STANDARD: Final = {
    Decision.SETTLEMENT: {"adjuster": "10000.00", "admin": "1000000.00"},
}
_STANDARD_CURRENCIES: Final = ("CHF", "EUR", "GBP", "USD")
_STANDARD_REASON: Final = "What every insurer starts with."


class LimitStatus(StrEnum):
    """Where a limit is in its life."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    ENDED = "ended"


@dataclass(eq=False, kw_only=True)
class AuthorityLimit(Aggregate):
    """The most that holders of a role, or one person, may approve in a currency.

    Attributes:
        organisation_id: the insurer's.
        role: whose holders it is for; None where it is for one person.
        user_id: that person, whose limit goes before those of their roles.
        amount: nothing takes the authority away.
        reason: the proposer's.
        proposed_by: None where the insurer started with it.
        ended_at: when another took its place, or its role went.
    """

    organisation_id: UUID
    decision: Decision
    role: str | None
    user_id: UUID | None
    amount: Money
    reason: str
    status: LimitStatus = LimitStatus.PROPOSED
    proposed_by: UUID | None
    proposed_at: datetime
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    ended_at: datetime | None = None

    @classmethod
    def propose(
        cls,
        *,
        organisation_id: UUID,
        decision: Decision,
        role: str | None,
        user_id: UUID | None,
        amount: Money,
        reason: str,
        by: UUID,
        at: datetime,
    ) -> Self:
        """Propose a limit, which takes effect once somebody else approves it.

        Raises:
            Invalid: ``limit_needs_one_holder``, a role or a person; or
                ``negative_amount``.
        """
        if (role is None) == (user_id is None):
            raise Invalid("limit_needs_one_holder")
        if amount.minor < 0:
            raise Invalid("negative_amount", amount=amount)
        return cls(
            organisation_id=organisation_id,
            decision=decision,
            role=role,
            user_id=user_id,
            amount=amount,
            reason=reason,
            proposed_by=by,
            proposed_at=at,
        )

    @classmethod
    def standard(cls, organisation_id: UUID, *, at: datetime) -> list[Self]:
        """Return the limits that an insurer starts with."""
        return [
            cls(
                organisation_id=organisation_id,
                decision=decision,
                role=role,
                user_id=None,
                amount=Money.of(amount, currency),
                reason=_STANDARD_REASON,
                status=LimitStatus.APPROVED,
                proposed_by=None,
                proposed_at=at,
                decided_at=at,
            )
            for decision, amounts in _STANDARD.items()
            for role, amount in amounts.items()
            for currency in _STANDARD_CURRENCIES
        ]

    def approve(self, *, by: UUID, roles: Collection[str], at: datetime) -> None:
        """Put it in force, as somebody whom it does not concern.

        Args:
            by: not the proposer.
            roles: that they hold.
            at: now.

        Raises:
            InvalidState: ``limit_decided``.
            Forbidden: ``proposer_cannot_approve``; or ``own_limit``, they, or a role of
                theirs, could approve more or less by it.
        """
        self._expect_proposed()
        if by == self.proposed_by:
            raise Forbidden("proposer_cannot_approve", limit_id=self.id)
        self._expect_others(by, roles)
        self._decide(LimitStatus.APPROVED, by=by, at=at)

    def reject(self, *, by: UUID, roles: Collection[str], at: datetime) -> None:
        """Refuse it, as somebody whom it does not concern; or withdraw one's own.

        Raises:
            InvalidState: ``limit_decided``.
            Forbidden: ``own_limit``.
        """
        self._expect_proposed()
        if by != self.proposed_by:
            self._expect_others(by, roles)
        self._decide(LimitStatus.REJECTED, by=by, at=at)

    def end(self, *, at: datetime) -> None:
        """Put it out of force, for another takes its place or its role goes."""
        self.status, self.ended_at = LimitStatus.ENDED, at

    def _expect_proposed(self) -> None:
        if self.status is not LimitStatus.PROPOSED:
            raise InvalidState("limit_decided", limit_id=self.id, status=self.status)

    def _expect_others(self, by: UUID, roles: Collection[str]) -> None:
        if by == self.user_id or self.role in roles:
            raise Forbidden("own_limit", limit_id=self.id)

    def _decide(self, status: LimitStatus, *, by: UUID, at: datetime) -> None:
        self.status, self.decided_by, self.decided_at = status, by, at


def authority_from(
    limits: Iterable[AuthorityLimit],
    *,
    user_id: UUID,
    roles: Collection[str],
    currency: str,
) -> Authority:
    """Work out somebody's authority.

    A limit of their own goes before those of their roles, of which the highest counts.

    Args:
        limits: in force for one kind of decision in the currency.
        user_id: whose.
        roles: that they hold.
        currency: of the limits.
    """
    own: Money | None = None
    by_role: dict[str, Money] = {}
    for limit in limits:
        if limit.role is not None:
            by_role[limit.role] = limit.amount
        elif limit.user_id == user_id:
            own = limit.amount
    held = [by_role[role].minor for role in roles if role in by_role]
    of_roles = Money(max(held, default=0), currency)
    return Authority(limit=of_roles if own is None else own, by_role=by_role)
