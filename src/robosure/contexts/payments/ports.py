"""What payments needs from outside: its rows, and somebody who moves money."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from robosure.contexts.payments.domain import Movement, Outcome, Transaction
from robosure.kernel.money import Money

M = TypeVar("M", bound=Movement)


class PaymentProcessor(Protocol):
    """Moves money between the insurer and the holders of its policies.

    It performs a reference once, however often it is asked; asked again, it answers
    what came of the first time.
    """

    async def charge(self, reference: str, *, amount: Money, method: str) -> Outcome:
        """Collect from a holder.

        Raises:
            Unavailable: no answer; whether money moved is not known.
        """
        ...

    async def payout(self, reference: str, *, amount: Money, method: str) -> Outcome:
        """Pay a holder.

        Raises:
            Unavailable: no answer; whether money moved is not known.
        """
        ...

    async def find(self, reference: str) -> Outcome | None:
        """Return what came of a reference; None if it was never performed.

        Raises:
            Unavailable: no answer.
        """
        ...


class Movements(Protocol[M]):
    """The instalments, or the payouts."""

    def add_all(self, movements: Iterable[M]) -> None:
        """Keep new ones."""
        ...

    async def get_for_update(self, movement_id: UUID) -> M:
        """Return one, locked.

        Raises:
            NotFound: there is none.
        """
        ...

    async def next_due(self, *, at: datetime, among: Collection[UUID]) -> M | None:
        """Return one with something to do, locked; skip what others hold.

        Args:
            at: now.
            among: only these; any if empty.
        """
        ...


class Ledger(Protocol):
    """The books; they can only be added to."""

    async def post(self, transaction: Transaction) -> None:
        """Add a transaction.

        Raises:
            AlreadyExists: its source had its effect on the books before.
        """
        ...
