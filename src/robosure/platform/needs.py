"""Which process needs which secret: files and vaults are asked for no other.

A secret that is not listed here is read by every process; a test wants each to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Process(StrEnum):
    """What a process is there for."""

    API = "api"
    WORKER = "worker"
    JOBS = "jobs"
    BEAT = "beat"
    MIGRATE = "migrate"
    SEED = "seed"


_SERVING: Final = frozenset({Process.API, Process.WORKER, Process.JOBS})

NEEDS: Final[Mapping[str, frozenset[Process]]] = {
    "admin_password": frozenset({Process.SEED}),
    "database_url": _SERVING | {Process.SEED, Process.MIGRATE},
    "encryption_key": frozenset({Process.API, Process.JOBS}),
    "event_bus": _SERVING,
    "migration_database_url": frozenset({Process.MIGRATE}),
    "otlp_endpoint": _SERVING,
    "processor_secret": frozenset({Process.API, Process.JOBS}),
    "redis_url": _SERVING | {Process.BEAT},
    "smtp_password": frozenset({Process.JOBS}),
}
"""By the name of the setting; to migrate takes the application's login only where there
is no other."""


def is_needed(setting: str, process: Process | None) -> bool:
    """Whether a process needs a setting; one that does not say what it is needs all."""
    needed = NEEDS.get(setting)
    return process is None or needed is None or process in needed
