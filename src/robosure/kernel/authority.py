"""Authority: up to what amount somebody may approve, and who may approve more.

Several contexts let money go, and one keeps who may let go how much. This is what
they say to each other about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from robosure.kernel.errors import Forbidden
from robosure.kernel.money import Money


class Decision(StrEnum):
    """What is approved."""

    SETTLEMENT = "settlement"


@dataclass(frozen=True)
class Authority:
    """What somebody may approve of one kind, in one currency.

    Attributes:
        limit: the most they may approve; nothing where nobody said more.
        by_role: the most that holders of each role may.
    """

    limit: Money
    by_role: Mapping[str, Money]

    def check(self, amount: Money) -> None:
        """Let pass what they may approve.

        Raises:
            Forbidden: ``above_authority``, with the roles that may approve as much,
                those who may least first.
        """
        if amount <= self.limit:
            return
        enough = [(limit.minor, role) for role, limit in self.by_role.items()]
        roles = [role for minor, role in sorted(enough) if minor >= amount.minor]
        raise Forbidden(
            "above_authority",
            amount=amount,
            allowed=self.limit,
            allowed_minor=self.limit.minor,
            currency=self.limit.currency,
            roles=roles,
        )
