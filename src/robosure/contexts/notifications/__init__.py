"""Notifications: telling holders what happened to their policies, money and claims.

Owns the schema ``notifications`` and the templates. Listens to
``policies.PolicyBound``, ``payments.InstalmentPaid``, ``payments.InstalmentFailed``,
``claims.ClaimReported``, ``claims.ClaimDecided`` and ``claims.ClaimPaid``, and keeps a
copy of where organisations get their notices (``identity.OrganisationRegistered``).
Tells nothing.
"""

from robosure.contexts.notifications.consumers import consumers
from robosure.contexts.notifications.jobs import deliver_due
from robosure.contexts.notifications.routes import router
from robosure.platform.context import Context

context = Context(
    name="notifications",
    router=router,
    consumers=consumers,
    jobs=[deliver_due],
    permissions={
        "deliveries:read": {"admin", "support", "compliance"},
        "messages:read": {
            "admin",
            "underwriter",
            "adjuster",
            "risk_analyst",
            "compliance",
            "support",
            "policyholder",
        },
    },
)
