"""What opens connections is known, and is pointed where settings say."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import robosure

SOURCE: Final = Path(robosure.__path__[0])
CLIENTS: Final = {
    "aiohttp", "aiokafka", "aiosmtplib", "asyncpg", "azure", "celery", "ftplib",
    "google", "http", "httpx", "kombu", "opentelemetry.exporter", "redis", "requests",
    "smtplib", "socket", "urllib.request", "urllib3", "websockets", "xmlrpc",
}  # fmt: skip
"""What can open connections, of all that is installed or comes with Python."""
HOLDERS: Final = {
    # where settings, and the list of hosts, say
    "contexts/eventflow/service/feed.py": {"asyncpg"},
    "entrypoints/jobs.py": {"celery"},
    "platform/client.py": {"httpx", "socket"},
    "platform/collector.py": {"requests"},
    "platform/database/behalf.py": {"asyncpg"},
    "platform/database/connecting.py": {"asyncpg"},
    "platform/jobs.py": {"celery", "kombu"},
    "platform/log_export.py": {"opentelemetry.exporter"},
    "platform/mail.py": {"aiosmtplib"},
    "platform/streams/relay.py": {"asyncpg"},
    "platform/tracing.py": {"opentelemetry.exporter"},
    "platform/vaults.py": {"azure", "google"},
}
TOOLS: Final = (
    "entrypoints/client",
    "entrypoints/doctor",
    "entrypoints/load",
    "entrypoints/monitor",
)
"""Clients of the API, for who runs them: no part of what serves."""
LOCAL: Final = ("entrypoints/stack",)
"""The servers that come along, on this machine."""


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    return {
        client
        for client in CLIENTS
        if any(name == client or name.startswith(f"{client}.") for name in names)
    }


def test_nothing_else_in_the_product_opens_connections() -> None:
    # given every module of the product
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        name = path.relative_to(SOURCE).as_posix()
        # Redis and Kafka are handed on as they were opened, by their settings
        clients = _imported(path) - {"redis", "aiokafka", "http"}
        if clients and not name.startswith((*TOOLS, *LOCAL)):
            found[name] = clients
    # then those that open connections are known, each for what it is there for
    assert found == HOLDERS


def test_redis_and_kafka_are_opened_in_one_place_each() -> None:
    opened: dict[str, set[str]] = {"Redis.from_url(": set(), "Kafka.from_url(": set()}
    for path in SOURCE.rglob("*.py"):
        for call, places in opened.items():
            if call in path.read_text(encoding="utf-8"):
                places.add(path.relative_to(SOURCE).as_posix())
    assert opened == {
        "Redis.from_url(": {"platform/runtime.py"},
        "Kafka.from_url(": {"platform/streams/opening.py"},
    }
