"""Notifications: telling organisations, and their systems, what happened.

Owns the schema ``notifications`` and the templates. Tells people by e-mail and in the
app of ``policies.PolicyBound``, ``payments.InstalmentPaid``,
``payments.InstalmentFailed``, ``claims.ClaimReported``, ``claims.ClaimDecided`` and
``claims.ClaimPaid``, and keeps a copy of where organisations get their notices
(``identity.OrganisationRegistered``). Tells systems of the same by webhook, and of
``robots.RobotRegistered``, ``robots.RobotChanged`` and ``risk.RobotScored``, for which
it keeps whom a robot concerns. Publishes ``WebhookEndpointDisabled``.
"""

from robosure.contexts.notifications.consumers import consumers
from robosure.contexts.notifications.jobs import (
    deliver_due,
    forget_old_recipients,
    forget_webhooks,
    send_webhooks,
)
from robosure.contexts.notifications.repository.personal_data import (
    NotificationsPersonalData,
)
from robosure.contexts.notifications.routes import router
from robosure.platform.context import Context

context = Context(
    name="notifications",
    router=router,
    consumers=consumers,
    jobs=[deliver_due, send_webhooks, forget_webhooks, forget_old_recipients],
    personal_data=NotificationsPersonalData(),
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
            "operator_admin",
            "manufacturer_admin",
        },
        "webhooks:manage": {"admin", "operator_admin", "manufacturer_admin"},
    },
    descriptions={
        "deliveries:read": "See which notices were sent, to whom, and what came of it.",
        "messages:read": "Read one's organisation's messages.",
        "webhooks:manage": "Set up one's organisation's webhooks, and see their work.",
    },
)
