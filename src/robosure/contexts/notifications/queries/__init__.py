"""The read side of notifications: what was told, where, and what came of it."""

from robosure.contexts.notifications.queries.notices import NotificationQueries
from robosure.contexts.notifications.queries.webhooks import WebhookQueries, event_types

__all__ = ["NotificationQueries", "WebhookQueries", "event_types"]
