"""The double-entry ledger: what every movement of money means in the books.

A debit is positive and a credit negative, so a transaction is right when it sums to
zero in each of its currencies. Transactions are only ever added; a mistake is undone
by another transaction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.errors import Invalid
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money

CASH: Final = "assets:cash"
WRITTEN_PREMIUM: Final = "income:written_premium"
PREMIUM_TAX: Final = "liabilities:premium_tax"
CLAIMS_PAID: Final = "expenses:claims_paid"


def premium_receivable(policy_number: str) -> str:
    """Return the account of what the holder of that policy still owes."""
    return f"assets:premium_receivable:{policy_number}"


class TransactionKind(StrEnum):
    """Why the books changed."""

    PREMIUM_WRITTEN = "premium_written"
    PREMIUM_COLLECTED = "premium_collected"
    CLAIM_PAID = "claim_paid"


@dataclass(frozen=True)
class Entry:
    """One side of a transaction: a debit is positive, a credit negative."""

    account: str
    amount: Money


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """A change of the books, which sums to zero in every currency.

    Attributes:
        source: what this is the effect of, such as ``charge:{instalment_id}``. It is
            unique, so nothing has two effects on the books.
        reference: the policy's or claim's number, for people.
    """

    kind: TransactionKind
    source: str
    insurer_id: UUID
    holder_id: UUID
    reference: str
    occurred_at: datetime
    entries: tuple[Entry, ...]
    policy_id: UUID | None = None
    claim_id: UUID | None = None
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        """Refuse what does not balance.

        Raises:
            Invalid: there are no entries, one is of nothing, or the debits and
                credits of a currency differ.
        """
        if not self.entries or not all(entry.amount for entry in self.entries):
            raise Invalid("empty_ledger_entry", source=self.source)
        sums: defaultdict[str, int] = defaultdict(int)
        for entry in self.entries:
            sums[entry.amount.currency] += entry.amount.minor
        if any(sums.values()):
            raise Invalid("unbalanced_transaction", source=self.source, sums=dict(sums))


def premium_written(bound: PolicyBound, *, at: datetime) -> Transaction:
    """Book the sale of cover: the holder owes the total; premium and tax are due on it.

    Raises:
        Invalid: premium and tax do not make up the total, or all of them are nothing.
    """
    sides = (
        Entry(premium_receivable(bound.number), bound.total),
        Entry(WRITTEN_PREMIUM, -bound.premium),
        Entry(PREMIUM_TAX, -bound.tax),
    )
    return Transaction(
        kind=TransactionKind.PREMIUM_WRITTEN,
        source=f"policy:{bound.policy_id}",
        insurer_id=bound.insurer_id,
        holder_id=bound.holder_id,
        policy_id=bound.policy_id,
        reference=bound.number,
        occurred_at=at,
        entries=tuple(side for side in sides if side.amount),
    )
