"""Whatever happens, in whatever order: the books balance and nothing moves twice."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from robosure.contexts.payments.domain import (
    PATIENCE,
    Instalment,
    Movement,
    Order,
    Outcome,
    Payout,
    Status,
    Transaction,
    premium_written,
)
from robosure.kernel.errors import InvalidState
from robosure.kernel.money import Money
from tests.unit.contexts.payments.factories import (
    NOON,
    payout_requested,
    policy_bound,
)

currencies = st.sampled_from(["EUR", "USD", "JPY"])
amounts = st.builds(Money, st.integers(1, 10**9), currencies)


class Books(RuleBasedStateMachine):
    """Sells, charges, fails, retries and pays out at random."""

    movements = Bundle("movements")
    answers = Bundle("answers")

    @initialize()
    def open_them(self) -> None:
        self.now: datetime = NOON
        self.transactions: list[Transaction] = []
        self.moved: Counter[str] = Counter()
        self.everything: list[Movement] = []

    @rule(
        target=movements,
        total=amounts,
        tax_share=st.integers(0, 100),
        count=st.integers(1, 12),
    )
    def sell(self, total: Money, tax_share: int, count: int) -> Movement:
        tax = Money(total.minor * tax_share // 101, total.currency)
        bound = policy_bound(
            total=total, tax=tax, instalments=count, bound_on=self.now.date()
        )
        self.transactions.append(premium_written(bound, at=self.now))
        plan = Instalment.plan(bound)
        assert sum(i.amount.minor for i in plan) == total.minor
        self.everything.extend(plan)
        return plan[0]

    @rule(target=movements, amount=amounts)
    def settle(self, amount: Money) -> Movement:
        payout = Payout.request(payout_requested(amount=amount), at=self.now)
        self.everything.append(payout)
        return payout

    @rule(target=answers, movement=movements, refused=st.booleans())
    def ask(self, movement: Movement, refused: bool) -> tuple[Movement, Order, Outcome]:
        """The processor decides a reference once, however often it is asked."""
        self.now += timedelta(days=6)
        try:
            order = movement.ask(at=self.now)
        except InvalidState:
            attempt = max(movement.attempts, 1)
            order = Order(
                operation=movement.operation,
                reference=f"{movement.id}:{attempt}",
                amount=movement.amount,
                method="tok",
                asked_before=True,
            )
        known = self.decided.setdefault(order.reference, refused)
        return movement, order, Outcome(order.reference, "declined" if known else None)

    @property
    def decided(self) -> dict[str, bool]:
        decided: dict[str, bool] = self.__dict__.setdefault("_decided", {})
        return decided

    @rule(answer=answers)
    def hear(self, answer: tuple[Movement, Order, Outcome]) -> None:
        """Answers arrive late, twice and in any order."""
        movement, order, outcome = answer
        if movement.attempts == 0:
            return
        transaction = movement.record_outcome(outcome, at=self.now)
        if transaction is not None:
            self.transactions.append(transaction)
            self.moved[str(movement.id)] += order.amount.minor

    @rule(movement=movements)
    def retry(self, movement: Movement) -> None:
        if isinstance(movement, Instalment) and movement.status is Status.FAILED:
            movement.retry(at=self.now)

    @rule()
    def wait(self) -> None:
        self.now += PATIENCE

    @invariant()
    def every_transaction_and_the_total_are_zero(self) -> None:
        total: Counter[str] = Counter()
        for transaction in getattr(self, "transactions", ()):
            sums: Counter[str] = Counter()
            for entry in transaction.entries:
                sums[entry.amount.currency] += entry.amount.minor
            assert not any(sums.values())
            total.update(sums)
        assert not any(total.values())

    @invariant()
    def what_is_paid_moved_once(self) -> None:
        for movement in getattr(self, "everything", ()):
            paid = movement.status is Status.PAID
            expected = movement.amount.minor if paid else 0
            assert self.moved[str(movement.id)] == expected


TestBooks = Books.TestCase
