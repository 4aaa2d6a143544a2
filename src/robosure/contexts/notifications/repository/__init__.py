"""The ports of notifications: rows over SQL, words from templates."""

from robosure.contexts.notifications.repository.notices import (
    JinjaTemplates,
    SqlDeliveries,
    SqlMessages,
    SqlRecipients,
)
from robosure.contexts.notifications.repository.webhooks import (
    SqlRobotsFollowed,
    SqlWebhookDeliveries,
    SqlWebhookEndpoints,
)

__all__ = [
    "JinjaTemplates",
    "SqlDeliveries",
    "SqlMessages",
    "SqlRecipients",
    "SqlRobotsFollowed",
    "SqlWebhookDeliveries",
    "SqlWebhookEndpoints",
]
