"""What notifications decides: notices to people, and webhooks to their systems.

``notice`` is an e-mail or a message in the app. ``endpoint`` says where webhooks go and
how they are signed (``signing``), ``health`` whether to go on sending there, and
``webhook`` is one fact on its way.
"""

from robosure.contexts.notifications.domain.endpoint import (
    DisablingReason,
    EndpointStatus,
    EventType,
    SigningSecret,
    WebhookEndpoint,
)
from robosure.contexts.notifications.domain.health import EndpointHealth
from robosure.contexts.notifications.domain.notice import (
    PATIENCE,
    REPEAT_AFTER,
    Channel,
    Content,
    Delivery,
    DeliveryStatus,
    Occasion,
    Recipient,
    Template,
)
from robosure.contexts.notifications.domain.webhook import (
    Attempt,
    Outcome,
    Result,
    WebhookDelivery,
    WebhookStatus,
)

__all__ = [
    "PATIENCE",
    "REPEAT_AFTER",
    "Attempt",
    "Channel",
    "Content",
    "Delivery",
    "DeliveryStatus",
    "DisablingReason",
    "EndpointHealth",
    "EndpointStatus",
    "EventType",
    "Occasion",
    "Outcome",
    "Recipient",
    "Result",
    "SigningSecret",
    "Template",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookStatus",
]
