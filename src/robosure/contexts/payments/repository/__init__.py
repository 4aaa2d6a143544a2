"""The ports of payments: rows over SQL, and the sandbox processor."""

from robosure.contexts.payments.repository.rows import SqlLedger, SqlMovements
from robosure.contexts.payments.repository.sandbox_processor import SandboxProcessor

__all__ = ["SandboxProcessor", "SqlLedger", "SqlMovements"]
