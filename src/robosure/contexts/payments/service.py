"""Use cases of payments.

:class:`PaymentService` works inside the caller's transaction. :class:`Cashier` is what
jobs run: it asks the processor between two transactions of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import ValidationError

from robosure.contexts.claims.events import PayoutRequested
from robosure.contexts.payments.domain import (
    Instalment,
    Operation,
    Order,
    Outcome,
    Payout,
    premium_written,
)
from robosure.contexts.payments.ports import Ledger, Movements, PaymentProcessor
from robosure.contexts.payments.repository import SqlLedger, SqlMovements
from robosure.contexts.payments.schemas import ProcessorNotification
from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.errors import Invalid, NotFound, Unauthenticated, Unavailable
from robosure.kernel.time import Clock
from robosure.platform.database import Database, WriteSession
from robosure.platform.logging import LoggerMixin
from robosure.platform.metrics import counter

MOVEMENTS: Final = counter(
    "payments_movements_total",
    "Answers of the payment processor that were recorded.",
    ["operation", "status"],
)


class PaymentService(LoggerMixin):
    """Plans and records; the caller's transaction holds all of it or none."""

    def __init__(
        self,
        *,
        instalments: Movements[Instalment],
        payouts: Movements[Payout],
        ledger: Ledger,
    ) -> None:
        self._instalments = instalments
        self._payouts = payouts
        self._ledger = ledger

    @classmethod
    def on(cls, session: WriteSession) -> PaymentService:
        """Build over one transaction."""
        return cls(
            instalments=SqlMovements(session, Instalment),
            payouts=SqlMovements(session, Payout),
            ledger=SqlLedger(session),
        )

    async def plan(self, bound: PolicyBound, *, at: datetime) -> list[Instalment]:
        """Plan a policy's instalments and book its premium.

        Raises:
            Invalid: the policy's figures do not add up.
            AlreadyExists: it was done before.
        """
        planned = Instalment.plan(bound)
        self._instalments.add_all(planned)
        await self._ledger.post(premium_written(bound, at=at))
        self.logger.info(
            "payments.service.plan_completed",
            policy=bound.number,
            instalments=len(planned),
            total=str(bound.total),
        )
        return planned

    def request_payout(self, requested: PayoutRequested, *, at: datetime) -> Payout:
        """Take a settlement that is to be paid.

        Raises:
            Invalid: the amount is not positive.
        """
        payout = Payout.request(requested, at=at)
        self._payouts.add_all([payout])
        self.logger.info(
            "payments.service.request_payout_completed",
            claim=payout.claim_number,
            amount=str(payout.amount),
        )
        return payout

    async def retry(
        self,
        instalment_id: UUID,
        *,
        insurer_id: UUID,
        payment_method: str | None,
        at: datetime,
    ) -> Instalment:
        """Make a failed instalment due at once.

        Raises:
            NotFound: the insurer has no such instalment.
            InvalidState: it has not failed.
        """
        instalment = await self._instalments.get_for_update(instalment_id)
        if instalment.insurer_id != insurer_id:
            raise NotFound("instalment_not_found", id=instalment_id)
        instalment.retry(at=at, payment_method=payment_method)
        return instalment

    async def next_order(
        self, operation: Operation, *, among: Collection[UUID], at: datetime
    ) -> Order | None:
        """Take the next due movement and say that the processor is being asked."""
        movements = self._movements(operation)
        movement = await movements.next_due(at=at, among=among)
        return None if movement is None else movement.ask(at=at)

    async def record_outcome(
        self, operation: Operation, outcome: Outcome, *, at: datetime
    ) -> None:
        """Record what came of an order; once, however often it arrives.

        Raises:
            NotFound: there was no such order.
            InvalidState: it contradicts what was recorded before.
        """
        movements = self._movements(operation)
        movement = await movements.get_for_update(outcome.movement_id)
        before = movement.status
        transaction = movement.record_outcome(outcome, at=at)
        if transaction is not None:
            await self._ledger.post(transaction)
        if movement.status is not before:
            MOVEMENTS.labels(operation, movement.status).inc()
            self.logger.info(
                "payments.service.record_outcome_completed",
                operation=operation,
                reference=outcome.reference,
                status=movement.status,
                reason=outcome.declined,
            )

    async def take_notification(
        self, body: bytes, *, signature: str, secret: str, at: datetime
    ) -> None:
        """Record an outcome that the processor sends by itself.

        Args:
            body: as it arrived, for that is what is signed.
            signature: HMAC-SHA256 of the body with the shared secret, in hex.
            secret: the one shared with the processor.
            at: now.

        Raises:
            Unauthenticated: the processor did not sign this.
            Invalid: the body is not a notification.
            NotFound: there was no such order.
            InvalidState: it contradicts what was recorded before.
        """
        expected = hmac.new(secret.encode(), body, "sha256").hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Unauthenticated("invalid_signature")
        try:
            notification = ProcessorNotification.model_validate_json(body)
        except ValidationError as error:
            reason = str(error.errors(include_url=False, include_input=False))
            raise Invalid("invalid_notification", reason=reason) from error
        outcome = Outcome(notification.reference, notification.declined)
        await self.record_outcome(Operation(notification.operation), outcome, at=at)

    def _movements(
        self, operation: Operation
    ) -> Movements[Instalment] | Movements[Payout]:
        if operation is Operation.CHARGE:
            return self._instalments
        return self._payouts


class Cashier(LoggerMixin):
    """Moves the money that is due, one movement after the other.

    Between the transaction that says the processor is being asked and the one that
    records its answer there is none, so nothing is locked while it thinks. A process
    that dies there leaves a movement that is asked about again under its reference.
    """

    def __init__(
        self, database: Database, processor: PaymentProcessor, clock: Clock
    ) -> None:
        self._database = database
        self._processor = processor
        self._clock = clock

    async def move_due(
        self, operation: Operation, *, among: Collection[UUID] = ()
    ) -> None:
        """Carry out what is due: of these movements, or of all if none are named."""
        while (order := await self._take(operation, among)) is not None:
            try:
                outcome = await self._ask(order)
            except Unavailable as error:
                self.logger.warning(
                    "payments.cashier.move_postponed",
                    reference=order.reference,
                    reason=str(error),
                )
            else:
                await self._record(operation, outcome)

    async def _take(
        self, operation: Operation, among: Collection[UUID]
    ) -> Order | None:
        async with self._database.write() as session:
            return await PaymentService.on(session).next_order(
                operation, among=among, at=self._clock.now()
            )

    async def _ask(self, order: Order) -> Outcome:
        if order.asked_before:
            known = await self._processor.find(order.reference)
            if known is not None:
                return known
        ask = (
            self._processor.charge
            if order.operation is Operation.CHARGE
            else self._processor.payout
        )
        return await ask(order.reference, amount=order.amount, method=order.method)

    async def _record(self, operation: Operation, outcome: Outcome) -> None:
        async with self._database.write() as session:
            await PaymentService.on(session).record_outcome(
                operation, outcome, at=self._clock.now()
            )
