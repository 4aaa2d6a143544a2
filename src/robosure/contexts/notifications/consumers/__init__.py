"""What notifications listens to, in two groups that do not wait for each other.

``notifications`` tells people, and remembers where their notices go. ``webhooks`` notes
what their systems are told of, and remembers whom a robot concerns.
"""

from __future__ import annotations

from typing import Any, Final

from robosure.contexts.notifications.consumers import notices, webhooks
from robosure.platform.streams import Consumer

consumers: Final[list[Consumer[Any]]] = [*notices.consumers, *webhooks.consumers]
