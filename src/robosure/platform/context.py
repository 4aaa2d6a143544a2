"""What a context shows of itself; the composition root sees nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter

from robosure.platform.database.session import Database, WriteSession
from robosure.platform.jobs import Job
from robosure.platform.messages import Message
from robosure.platform.privacy import PersonalData
from robosure.platform.security.authority import Authorities
from robosure.platform.security.principal import Authenticator
from robosure.platform.settings import Settings
from robosure.platform.streams import BatchHandler, Consumer, Effects, Incoming
from robosure.platform.streams.projections import Projection, StoredEvents

Seed = Callable[[Database, Settings], Awaitable[None]]


@dataclass(frozen=True)
class Context:
    """A service: its routes, reactions, jobs and permissions.

    Attributes:
        router: paths below ``/api/v1``.
        consumers: reactions to other contexts' facts.
        batch_handlers: reactions to new telemetry, inside its transaction.
        takes_in: types of events that it takes in from outside.
        permissions: per permission, the roles that hold it.
        descriptions: per permission, what it lets one do.
        processor: makes what ingested batches go through, given every batch handler;
            one context provides it.
        seed: writes what every installation starts with; may run again.
        authenticator: knows API keys and sessions; one context provides it.
        authorities: makes, for a transaction, what knows who may approve how much; one
            context provides it.
        projections: its tables that can be rebuilt by replaying facts and events.
        stored_events: the log of events from outside; one context provides it.
        personal_data: what it keeps about people, to be handed out and erased.
    """

    name: str
    router: APIRouter | None = None
    consumers: Sequence[Consumer[Any]] = ()
    batch_handlers: Sequence[BatchHandler] = ()
    takes_in: Sequence[Message] = ()
    jobs: Sequence[Job] = ()
    permissions: Mapping[str, Collection[str]] = field(default_factory=dict[str, Any])
    descriptions: Mapping[str, str] = field(default_factory=dict[str, str])
    processor: Callable[[Sequence[BatchHandler]], Effects[Incoming]] | None = None
    seed: Seed | None = None
    authenticator: Authenticator | None = None
    authorities: Callable[[WriteSession], Authorities] | None = None
    projections: Sequence[Projection] = ()
    stored_events: StoredEvents | None = None
    personal_data: PersonalData | None = None
