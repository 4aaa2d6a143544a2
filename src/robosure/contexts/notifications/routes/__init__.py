"""Notifications over HTTP."""

from __future__ import annotations

from typing import Final

from robosure.contexts.notifications.routes import notices, webhooks
from robosure.platform.http import ApiRouter

router: Final = ApiRouter()
router.include_router(notices.router)
router.include_router(webhooks.router)
