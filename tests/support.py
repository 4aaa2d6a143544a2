"""What tests above unit are written with: a clock to set, a client, delivery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from fastapi import FastAPI

from robosure.entrypoints.worker import Streams
from robosure.kernel.ids import uuid7
from robosure.platform.context import Context
from robosure.platform.http.access import act_as, authenticate
from robosure.platform.http.edge import Edge
from robosure.platform.jobs import Job
from robosure.platform.runtime import Runtime
from robosure.platform.security import Principal
from robosure.platform.streams import Reader
from robosure.platform.streams.appending import key_of


class FixedClock:
    """Stands still until it is told otherwise."""

    def __init__(self, moment: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def set(self, moment: datetime) -> None:
        self.moment = moment

    def advance(self, by: timedelta) -> None:
        self.moment += by


@dataclass
class Deferred:
    """Jobs that were deferred, waiting to be run by the test."""

    jobs: list[tuple[Job, tuple[str, ...]]] = field(default_factory=list)

    async def send(self, job: Job, ids: tuple[str, ...]) -> None:
        self.jobs.append((job, ids))


class WaitingStreams(Streams):
    """The worker's streams, which first asks once for whom anything waits.

    Otherwise each reader asks for itself, three times a partition: most of what a test
    that tells a fact would do.
    """

    def __init__(self, runtime: Runtime, contexts: Sequence[Context]) -> None:
        super().__init__(runtime, contexts)
        self._redis = runtime.redis
        partitions = runtime.settings.event_partitions
        self._lanes = [
            (reader, key_of(reader.effects.stream, partition))
            for reader in self.readers
            for partition in range(partitions)
        ]

    async def waiting(self) -> Sequence[Reader]:
        """Return the readers whose group was not given all, or did not finish all."""
        keys = [key for _, key in self._lanes]
        groups = [reader.effects.group for reader, _ in self._lanes]
        asked: Any = self._redis.eval(_WAITING, len(keys), *keys, *groups)
        busy = {self._lanes[at - 1][0] for at in await asked}
        return [reader for reader in self.readers if reader in busy]


# Of each key and group: is there an entry that the group was not given or not finished?
_WAITING: Final = """
local waiting = {}
for at, key in ipairs(KEYS) do
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if last then
    local finished = false
    for _, group in ipairs(redis.call('XINFO', 'GROUPS', key)) do
      local is = {}
      for i = 1, #group, 2 do is[group[i]] = group[i + 1] end
      if is['name'] == ARGV[at] then
        finished = is['pending'] == 0 and is['last-delivered-id'] == last[1]
      end
    end
    if not finished then waiting[#waiting + 1] = at end
  end
end
return waiting
"""


class Delivery:
    """Runs the relay, every consumer and deferred jobs until nothing is left."""

    def __init__(self, runtime: Runtime, streams: Streams, deferred: Deferred) -> None:
        self._runtime = runtime
        self._streams = streams
        self._deferred = deferred

    async def __call__(self, *jobs: Job) -> None:
        """Deliver; then run these periodic jobs, and deliver what follows of them."""
        await self._settle()
        for job in jobs:
            await job.perform(self._runtime)
            await self._settle()

    async def _settle(self) -> None:
        await self._streams.drain()
        while self._deferred.jobs:
            waiting, self._deferred.jobs = self._deferred.jobs, []
            for job, ids in waiting:
                await job.perform(self._runtime, *ids)
            await self._streams.drain()


class ApiClient:
    """Clients of the whole application, over ASGI."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)

    @property
    def edge(self) -> Edge:
        edge: Edge = self.app.state.edge
        return edge

    def anonymous(self) -> httpx.AsyncClient:
        """Someone who is not signed in."""
        return self._client({})

    @contextmanager
    def taking_all_for(self, principal: Principal) -> Iterator[None]:
        """Take everybody who asks for that one."""

        async def authenticated() -> Principal:
            act_as(principal)
            return principal

        self.app.dependency_overrides[authenticate] = authenticated
        try:
            yield
        finally:
            self.app.dependency_overrides.clear()

    @contextmanager
    def with_settings(self, **changes: Any) -> Iterator[None]:
        """Serve by other settings."""
        before = self.edge
        settings = before.runtime.settings.model_copy(update=changes)
        runtime = replace(before.runtime, settings=settings)
        self.app.state.edge = replace(before, runtime=runtime, _kept={})
        try:
            yield
        finally:
            self.app.state.edge = before

    def as_(
        self,
        role: str,
        *,
        organisation: UUID | None = None,
        kind: str = "insurer",
        subject: UUID | None = None,
        roles: Sequence[str] = (),
        **headers: str,
    ) -> httpx.AsyncClient:
        """Someone with a role, in that organisation or a new one."""
        principal = self.principal(
            role, organisation=organisation, kind=kind, subject=subject, roles=roles
        )
        now = self.edge.runtime.clock.now()
        token = self.edge.tokens.issue(principal, now=now)
        return self._client({"Authorization": f"Bearer {token}", **headers})

    def principal(
        self,
        role: str,
        *,
        organisation: UUID | None = None,
        kind: str = "insurer",
        subject: UUID | None = None,
        roles: Sequence[str] = (),
    ) -> Principal:
        """Return the principal that ``as_`` signs in."""
        held = frozenset({role, *roles})
        return Principal(
            subject=subject or uuid7(),
            kind="user",
            name=f"a test {role}",
            organisation_id=organisation or uuid7(),
            organisation_kind=kind,
            roles=held,
            permissions=self.edge.roles.permissions_of(held),
            authenticated_at=self.edge.runtime.clock.now(),
            factors=frozenset({"pwd"}),
        )

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=self._transport,
            base_url="http://robosure.test/api/v1",
            headers=headers,
        )


def code_of(response: httpx.Response) -> str:
    """Return a problem document's code, having checked that it is one."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    return str(document["code"])
