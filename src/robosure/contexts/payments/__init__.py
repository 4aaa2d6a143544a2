"""Payments: instalments, charges, payouts and the double-entry ledger.

Owns the schema ``payments``. Listens to ``policies.PolicyBound`` (plans instalments and
books the premium) and ``claims.PayoutRequested``. Tells ``InstalmentPaid``,
``InstalmentFailed``, ``PayoutCompleted`` and ``PayoutFailed``.
"""

from robosure.contexts.payments.consumers import consumers
from robosure.contexts.payments.jobs import charge_due, pay_due
from robosure.contexts.payments.routes import router
from robosure.platform.context import Context

context = Context(
    name="payments",
    router=router,
    consumers=consumers,
    jobs=[charge_due, pay_due],
    permissions={
        "payments:read": {
            "admin",
            "underwriter",
            "adjuster",
            "compliance",
            "support",
            "policyholder",
        },
        "payments:collect": {"admin", "support"},
        "ledger:read": {"admin", "compliance"},
    },
    descriptions={
        "payments:read": "See instalments and payouts.",
        "payments:collect": "Have a failed instalment collected again.",
        "ledger:read": "See the ledger.",
    },
)
