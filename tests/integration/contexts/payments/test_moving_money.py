"""Money moves once, whatever the processor does and whoever dies when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from robosure.contexts.payments.domain import (
    PATIENCE,
    Operation,
    Order,
    Outcome,
    Status,
    TransactionKind,
)
from robosure.contexts.payments.jobs import _cashier
from robosure.contexts.payments.service import Cashier, PaymentService
from robosure.contexts.payments.tables import (
    instalments,
    ledger_entries,
    ledger_transactions,
    payouts,
    sandbox_operations,
)
from robosure.kernel.errors import InvalidState
from robosure.kernel.money import Money
from robosure.platform.outbox import outbox
from robosure.platform.runtime import Runtime
from tests.integration.contexts.payments.conftest import Rows, Start
from tests.support import FixedClock
from tests.unit.contexts.payments.factories import NOON, eur

Run = Callable[..., Awaitable[None]]


async def collected(rows: Rows) -> list[int]:
    """Return what each collection brought in, in minor units."""
    of = {t.id for t in await rows(ledger_transactions)
          if t.kind is TransactionKind.PREMIUM_COLLECTED}  # fmt: skip
    return [
        entry.amount_minor
        for entry in await rows(ledger_entries)
        if entry.transaction_id in of and entry.account == "assets:cash"
    ]


async def told(rows: Rows) -> list[str]:
    return [row.type for row in await rows(outbox)]


async def test_a_due_instalment_is_charged_once(
    planned: Start, charge: Run, rows: Rows
) -> None:
    # given twelve instalments, of which the first is due
    await planned(total=eur("1234.57"), instalments=12)
    # when the sweep runs twice
    await charge()
    await charge()
    # then the first is paid and booked, once, and the others wait
    statuses = [row.status for row in await rows(instalments)]
    assert statuses == [Status.PAID] + [Status.SCHEDULED] * 11
    assert await collected(rows) == [10289]
    assert await told(rows) == ["payments.InstalmentPaid"]


async def test_every_instalment_is_collected_when_its_day_comes(
    planned: Start, charge: Run, rows: Rows, clock: FixedClock
) -> None:
    await planned(total=eur("1000.00"), instalments=3)
    for _ in range(13):
        await charge()
        clock.advance(timedelta(days=31))
    assert await collected(rows) == [33334, 33333, 33333]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_nobody_knows", "unknown_payment_method"),
    ],
)
async def test_a_declined_charge_moves_nothing_and_is_tried_again(
    *,
    planned: Start,
    charge: Run,
    rows: Rows,
    clock: FixedClock,
    method: str,
    reason: str,
) -> None:
    # given a card that is declined
    await planned(payment_method=method)
    # when it is charged at once, and on every day of the month after
    for _ in range(31):
        await charge()
        clock.advance(timedelta(days=1))
    # then there were four attempts under four references, and no money
    (row,) = await rows(instalments)
    assert (row.status, row.attempts) == (Status.FAILED, 4)
    assert (row.failure_reason, row.next_attempt_at) == (reason, None)
    assert [op.reference for op in await rows(sandbox_operations)] == [
        f"{row.id}:{attempt}" for attempt in (1, 2, 3, 4)
    ]
    assert await collected(rows) == []
    assert await told(rows) == ["payments.InstalmentFailed"] * 4


@pytest.mark.parametrize("method", ["tok_timeout", "tok_timeout_before"])
async def test_a_charge_whose_answer_is_lost_is_asked_again_and_made_once(
    planned: Start, charge: Run, rows: Rows, clock: FixedClock, method: str
) -> None:
    # given a processor that falls silent, before or after it took the money
    await planned(payment_method=method)
    await charge()
    (row,) = await rows(instalments)
    assert row.status is Status.CHARGING
    assert await collected(rows) == []
    # when it is asked too early, and again a minute later
    await charge()
    assert (await rows(instalments))[0].status is Status.CHARGING
    clock.advance(PATIENCE)
    await charge()
    # then it is paid, under the one reference
    (row,) = await rows(instalments)
    assert (row.status, row.attempts) == (Status.PAID, 1)
    assert len(await rows(sandbox_operations)) == 1
    assert await collected(rows) == [112000]


async def test_a_processor_that_answers_twice_is_heard_once(
    planned: Start, charge: Run, rows: Rows
) -> None:
    await planned(payment_method="tok_twice")
    await charge()
    assert (await rows(instalments))[0].status is Status.PAID
    assert await collected(rows) == [112000]
    assert await told(rows) == ["payments.InstalmentPaid"]


async def test_a_crash_before_the_processor_was_asked_is_made_good(
    planned: Start, charge: Run, rows: Rows, runtime: Runtime, clock: FixedClock
) -> None:
    # given a process that died right after it said it would ask
    await planned()
    async with runtime.database.write() as session:
        service = PaymentService.on(session)
        assert await service.next_order(Operation.CHARGE, among=(), at=NOON)
    # when a minute has passed
    clock.advance(PATIENCE)
    await charge()
    # then the money has moved once
    assert (await rows(instalments))[0].attempts == 1
    assert await collected(rows) == [112000]


class Mortal:
    """A processor whose caller dies as soon as it has performed."""

    def __init__(self, cashier: Cashier) -> None:
        self._processor = cashier._processor

    async def charge(self, reference: str, *, amount: Money, method: str) -> Outcome:
        await self._processor.charge(reference, amount=amount, method=method)
        raise asyncio.CancelledError

    async def payout(self, reference: str, *, amount: Money, method: str) -> Outcome:
        await self._processor.payout(reference, amount=amount, method=method)
        raise asyncio.CancelledError

    async def find(self, reference: str) -> Outcome | None:
        return await self._processor.find(reference)


@pytest.mark.parametrize("operation", list(Operation))
async def test_a_crash_after_the_processor_performed_is_made_good(
    *,
    planned: Start,
    requested: Start,
    charge: Run,
    pay: Run,
    rows: Rows,
    runtime: Runtime,
    clock: FixedClock,
    operation: Operation,
) -> None:
    # given a process that died between the processor's answer and recording it
    await planned()
    await requested()
    doomed = Cashier(runtime.database, Mortal(_cashier(runtime)), clock)
    with pytest.raises(asyncio.CancelledError):
        await doomed.move_due(operation)
    # when the others go on a minute later
    clock.advance(PATIENCE)
    await charge()
    await pay()
    # then everything moved once
    assert [
        op.reference.partition(":")[2] for op in await rows(sandbox_operations)
    ] == [
        "1",
        "1",
    ]
    assert sorted(t.kind for t in await rows(ledger_transactions)) == [
        TransactionKind.CLAIM_PAID,
        TransactionKind.PREMIUM_COLLECTED,
        TransactionKind.PREMIUM_WRITTEN,
    ]


async def test_workers_that_race_for_an_instalment_charge_it_once(
    planned: Start, charge: Run, rows: Rows
) -> None:
    # given one due instalment
    instalment_id = await planned()
    # when eight workers want it at the same time
    await asyncio.gather(*(charge(instalment_id) for _ in range(4)))
    await asyncio.gather(*(charge() for _ in range(4)))
    # then it is charged once
    assert [op.reference for op in await rows(sandbox_operations)] == [
        f"{instalment_id}:1"
    ]
    assert await collected(rows) == [112000]


async def test_workers_share_out_what_is_due(
    planned: Start, charge: Run, rows: Rows
) -> None:
    for _ in range(12):
        await planned()
    await asyncio.gather(*(charge() for _ in range(4)))
    assert {row.status for row in await rows(instalments)} == {Status.PAID}
    assert await collected(rows) == [112000] * 12


async def test_a_slow_answer_and_a_second_asker_have_one_effect(
    planned: Start, charge: Run, rows: Rows, runtime: Runtime, clock: FixedClock
) -> None:
    # given a worker that has been waiting for the answer for more than a minute
    await planned()
    async with runtime.database.write() as session:
        service = PaymentService.on(session)
        order = await service.next_order(Operation.CHARGE, among=(), at=NOON)
    assert order is not None
    # when another one asks meanwhile, and then the slow answer arrives
    clock.advance(PATIENCE)
    await charge()
    async with runtime.database.write() as session:
        await PaymentService.on(session).record_outcome(
            Operation.CHARGE, Outcome(order.reference), at=clock.now()
        )
    # then the second recording changed nothing
    assert await collected(rows) == [112000]
    assert await told(rows) == ["payments.InstalmentPaid"]


async def asked(runtime: Runtime, operation: Operation) -> Order:
    async with runtime.database.write() as session:
        order = await PaymentService.on(session).next_order(
            operation, among=(), at=NOON
        )
    assert order is not None
    return order


@pytest.mark.parametrize("operation", list(Operation))
async def test_an_outcome_delivered_many_times_at_once_is_booked_once(
    planned: Start,
    requested: Start,
    rows: Rows,
    runtime: Runtime,
    operation: Operation,
) -> None:
    # given a movement that is under way
    await planned()
    await requested()
    order = await asked(runtime, operation)

    async def record() -> None:
        async with runtime.database.write() as session:
            await PaymentService.on(session).record_outcome(
                operation, Outcome(order.reference), at=NOON
            )

    # when its outcome arrives eight times at once
    await asyncio.gather(*(record() for _ in range(8)))
    # then it is booked and told once
    assert len(await rows(ledger_transactions)) == 2
    assert len(await told(rows)) == 1


async def test_an_outcome_that_contradicts_another_changes_nothing(
    planned: Start, charge: Run, rows: Rows, runtime: Runtime
) -> None:
    # given a paid instalment
    instalment_id = await planned()
    await charge()
    before = await rows(instalments), await rows(ledger_entries)
    # when the processor says of the same reference that it was declined
    with pytest.raises(InvalidState, match="contradicting outcome"):
        async with runtime.database.write() as session:
            await PaymentService.on(session).record_outcome(
                Operation.CHARGE, Outcome(f"{instalment_id}:1", "stolen"), at=NOON
            )
    # then nothing has changed
    assert (await rows(instalments), await rows(ledger_entries)) == before


async def test_a_settlement_is_paid_once(
    requested: Start, pay: Run, rows: Rows
) -> None:
    payout_id = await requested(amount=eur("750.00"))
    await asyncio.gather(*(pay(payout_id) for _ in range(4)))
    (payout,) = await rows(payouts)
    assert payout.status is Status.PAID
    entries = [(e.account, e.amount_minor) for e in await rows(ledger_entries)]
    assert entries == [("expenses:claims_paid", 75000), ("assets:cash", -75000)]
    assert await told(rows) == ["payments.PayoutCompleted"]


async def test_a_declined_payout_waits_for_a_person(
    requested: Start, pay: Run, rows: Rows, clock: FixedClock
) -> None:
    await requested(payment_method="tok_payout_declined")
    await pay()
    clock.advance(timedelta(days=30))
    await pay()
    (payout,) = await rows(payouts)
    assert (payout.status, payout.attempts) == (Status.FAILED, 1)
    assert payout.failure_reason == "payout_declined"
    assert await rows(ledger_transactions) == []
    assert await told(rows) == ["payments.PayoutFailed"]
