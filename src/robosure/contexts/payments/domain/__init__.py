"""What payments decides: instalment plans, movements of money, the ledger."""

from robosure.contexts.payments.domain.instalment import Instalment
from robosure.contexts.payments.domain.ledger import (
    Entry,
    Transaction,
    TransactionKind,
    premium_written,
)
from robosure.contexts.payments.domain.movement import (
    PATIENCE,
    Movement,
    Operation,
    Order,
    Outcome,
    Status,
)
from robosure.contexts.payments.domain.payout import Payout

__all__ = [
    "PATIENCE",
    "Entry",
    "Instalment",
    "Movement",
    "Operation",
    "Order",
    "Outcome",
    "Payout",
    "Status",
    "Transaction",
    "TransactionKind",
    "premium_written",
]
