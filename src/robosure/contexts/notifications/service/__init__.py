"""Use cases of notifications: telling people, and telling their systems."""

from robosure.contexts.notifications.service.endpoints import WebhookEndpointService
from robosure.contexts.notifications.service.notices import NotificationService, Postman
from robosure.contexts.notifications.service.webhooks import (
    WebhookSender,
    WebhookService,
)

__all__ = [
    "NotificationService",
    "Postman",
    "WebhookEndpointService",
    "WebhookSender",
    "WebhookService",
]
