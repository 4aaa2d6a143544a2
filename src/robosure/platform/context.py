"""What a context shows of itself; the composition root sees nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter

from robosure.platform.database.session import Database, WriteSession
from robosure.platform.jobs import Job
from robosure.platform.security.principal import KeyAuthenticator
from robosure.platform.settings import Settings
from robosure.platform.streams import Batch, BatchHandler, Consumer, StreamEvent


class BatchProcessor(Protocol):
    """What ingested batches go through."""

    async def process(self, session: WriteSession, batches: Sequence[Batch]) -> None:
        """Let the batches take effect."""
        ...

    async def record_failure(
        self, session: WriteSession, event: StreamEvent, batch: Batch, error: Exception
    ) -> None:
        """Keep an event that cannot take effect, with the reason."""
        ...


Seed = Callable[[Database, Settings], Awaitable[None]]


@dataclass(frozen=True)
class Context:
    """A service: its routes, reactions, jobs and permissions.

    Attributes:
        router: paths below ``/api/v1``.
        consumers: reactions to other contexts' facts.
        batch_handlers: reactions to new telemetry, inside its transaction.
        permissions: per permission, the roles that hold it.
        processor: makes what ingested batches go through, given every batch handler;
            one context provides it.
        seed: writes what every installation starts with; may run again.
        authenticator: knows API keys; one context provides it.
    """

    name: str
    router: APIRouter | None = None
    consumers: Sequence[Consumer[Any]] = ()
    batch_handlers: Sequence[BatchHandler] = ()
    jobs: Sequence[Job] = ()
    permissions: Mapping[str, Collection[str]] = field(default_factory=dict[str, Any])
    processor: Callable[[Sequence[BatchHandler]], BatchProcessor] | None = None
    seed: Seed | None = None
    authenticator: KeyAuthenticator | None = None
