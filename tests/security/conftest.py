"""Security is proven on the same real servers as everything above unit."""

from __future__ import annotations

from tests.integration.conftest import (
    api,
    application,
    clock,
    database,
    database_url,
    deferred,
    deliver,
    opened_runtime,
    redis,
    redis_url,
    runtime,
    settings,
    worker_number,
)

__all__ = [
    "api",
    "application",
    "clock",
    "database",
    "database_url",
    "deferred",
    "deliver",
    "opened_runtime",
    "redis",
    "redis_url",
    "runtime",
    "settings",
    "worker_number",
]
