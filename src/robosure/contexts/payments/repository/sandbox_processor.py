"""A payment processor to try things with: it moves no money and does as it is told.

The payment-method token says how it behaves:

=========================  =========================================================
``tok_ok``                 performs the operation
``tok_declined``           declines with ``card_declined``
``tok_insufficient_funds`` declines with ``insufficient_funds``
``tok_payout_declined``    performs charges, declines payouts with ``payout_declined``
``tok_timeout``            performs the operation; the first answer is lost
``tok_timeout_before``     loses the first request, and performs the operation when
                           asked again
``tok_twice``              answers, and sends the same outcome as a notification
=========================  =========================================================

Any other token is declined with ``unknown_payment_method``. Like a system outside, it
has a memory of its own, in transactions of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from robosure.contexts.payments.domain import Operation, Outcome
from robosure.contexts.payments.tables import sandbox_operations
from robosure.kernel.errors import Unavailable
from robosure.kernel.money import Money
from robosure.kernel.time import Clock
from robosure.platform.database import Database

Notify = Callable[[bytes, str], Awaitable[None]]
"""Takes a notification's body and its signature to where notifications arrive."""

_DECLINED: Final = {
    (Operation.CHARGE, "tok_declined"): "card_declined",
    (Operation.PAYOUT, "tok_declined"): "card_declined",
    (Operation.CHARGE, "tok_insufficient_funds"): "insufficient_funds",
    (Operation.PAYOUT, "tok_insufficient_funds"): "insufficient_funds",
    (Operation.PAYOUT, "tok_payout_declined"): "payout_declined",
}
_PERFORMED: Final = frozenset(
    {"tok_ok", "tok_payout_declined", "tok_timeout", "tok_timeout_before", "tok_twice"}
)


class SandboxProcessor:
    """The port, over a table."""

    def __init__(
        self, database: Database, clock: Clock, *, secret: str, notify: Notify
    ) -> None:
        self._database = database
        self._clock = clock
        self._secret = secret
        self._notify = notify

    async def charge(self, reference: str, *, amount: Money, method: str) -> Outcome:
        """Collect, as the token says."""
        return await self._perform(Operation.CHARGE, reference, amount, method)

    async def payout(self, reference: str, *, amount: Money, method: str) -> Outcome:
        """Pay, as the token says."""
        return await self._perform(Operation.PAYOUT, reference, amount, method)

    async def find(self, reference: str) -> Outcome | None:
        """Return what came of a reference."""
        performed = select(sandbox_operations.c.declined).where(
            sandbox_operations.c.reference == reference,
            sandbox_operations.c.performed_at.is_not(None),
        )
        async with self._database.read() as session:
            row = (await session.execute(performed)).one_or_none()
        return None if row is None else Outcome(reference, row.declined)

    async def _perform(
        self, operation: Operation, reference: str, amount: Money, method: str
    ) -> Outcome:
        is_first = await self._remember(operation, reference, amount, method)
        if is_first and method in {"tok_timeout", "tok_timeout_before"}:
            raise Unavailable("processor_timeout", reference=reference)
        outcome = await self._finish(reference)
        if is_first and method == "tok_twice":
            await self._send(operation, outcome)
        return outcome

    async def _remember(
        self, operation: Operation, reference: str, amount: Money, method: str
    ) -> bool:
        """Write the operation down; whether this is the first one hears of it."""
        declined = _DECLINED.get((operation, method))
        if declined is None and method not in _PERFORMED:
            declined = "unknown_payment_method"
        lost = method == "tok_timeout_before"
        writing = (
            insert(sandbox_operations)
            .values(
                reference=reference,
                operation=operation,
                amount_minor=amount.minor,
                amount_currency=amount.currency,
                declined=declined,
                performed_at=None if lost else self._clock.now(),
            )
            .on_conflict_do_nothing()
            .returning(sandbox_operations.c.reference)
        )
        async with self._database.write() as session:
            return (await session.execute(writing)).first() is not None

    async def _finish(self, reference: str) -> Outcome:
        """Perform what was only written down, once, and return what came of it."""
        performing = (
            update(sandbox_operations)
            .where(
                sandbox_operations.c.reference == reference,
                sandbox_operations.c.performed_at.is_(None),
            )
            .values(performed_at=self._clock.now())
        )
        known = select(sandbox_operations.c.declined).where(
            sandbox_operations.c.reference == reference
        )
        async with self._database.write() as session:
            await session.execute(performing)
            return Outcome(reference, (await session.execute(known)).scalar_one())

    async def _send(self, operation: Operation, outcome: Outcome) -> None:
        body = orjson.dumps(
            {
                "operation": operation,
                "reference": outcome.reference,
                "declined": outcome.declined,
            }
        )
        signature = hmac.new(self._secret.encode(), body, "sha256").hexdigest()
        await self._notify(body, signature)
