"""The robots that send: registered for this run, or those an API key speaks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import httpx

from robosure.entrypoints.client.api import Api, Caller
from robosure.entrypoints.client.errors import ClientError
from robosure.entrypoints.client.registry import Registry
from robosure.entrypoints.client.server import Server, running_here

_AT_ONCE: Final = 8
_PAGE: Final = 100
_PAUSE_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 90.0
_SCOPES: Final = ("events:write", "events:read")
T = TypeVar("T")


@dataclass(frozen=True)
class Source:
    """Where to send, and as whom.

    Attributes:
        server: the Robosure, with its administrator, who registers robots for the run.
        api_key: of a device that already has robots; it is used for everything then.
    """

    server: Server
    api_key: str | None = None

    @classmethod
    def chosen(
        cls, url: str | None, email: str, password: str | None, api_key: str | None
    ) -> Source:
        """Take what the command line says; by default the stack that runs here.

        Raises:
            ClientError: nothing runs here, or it is not said as whom to act.
        """
        if url is None:
            return cls(running_here(), api_key)
        if password is None and api_key is None:
            raise ClientError(
                "--url needs --password of its administrator, or --api-key of a device"
            )
        return cls(Server(url, email, password or ""), api_key)


@dataclass(frozen=True)
class Counts:
    """What became of accepted events."""

    stored: int
    repeated: int
    failed: int

    @property
    def total(self) -> int:
        """How many are accounted for."""
        return self.stored + self.repeated + self.failed

    def since(self, earlier: Counts) -> Counts:
        """Return what has come since."""
        return Counts(
            self.stored - earlier.stored,
            self.repeated - earlier.repeated,
            self.failed - earlier.failed,
        )


@dataclass(frozen=True)
class Fleet:
    """Robots, and the device that speaks for them all.

    Attributes:
        before: what had become of each robot's events before this run; None where the
            device may not see that.
    """

    robots: Sequence[UUID]
    device: Caller
    api_key: str
    before: dict[UUID, Counts] | None

    async def count(self, robot: UUID) -> Counts:
        """Ask what became of a robot's events in this run."""
        now = await _counted(self.device, robot)
        return now.since(self.before[robot]) if self.before else now

    async def settled(
        self,
        expected: int,
        *,
        told: Callable[[int], None] = lambda _: None,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> Counts:
        """Wait until so many events are accounted for, or nothing moves any more.

        Args:
            expected: how many were accepted.
            told: is told how many are accounted for.
            patience_seconds: for how long nothing may move.
        """
        best, deadline = -1, 0.0
        while True:
            each = await side_by_side(self.robots, self.count)
            counts = Counts(
                sum(one.stored for one in each),
                sum(one.repeated for one in each),
                sum(one.failed for one in each),
            )
            told(counts.total)
            if counts.total > best:
                best, deadline = counts.total, time.monotonic() + patience_seconds
            if counts.total >= expected or time.monotonic() > deadline:
                return counts
            await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def gathered(
    source: Source,
    robots: int,
    *,
    told: Callable[[int], None] = lambda _: None,
    on_response: Callable[[httpx.Response], Awaitable[None]] | None = None,
) -> AsyncIterator[Fleet]:
    """Gather a fleet of so many robots.

    Args:
        source: where, and as whom.
        robots: how many; no more than its robots with an API key.
        told: is told of so many more robots that are ready.
        on_response: is told of every answer.

    Raises:
        ClientError: nobody answers, or what is needed is refused.
    """
    await source.server.require_answer()
    async with source.server.api(on_response) as api:
        if source.api_key is not None:
            yield await _of_key(api, source.api_key, robots, told)
        else:
            yield await _own(api, source.server, robots, told)


async def _own(
    api: Api, server: Server, robots: int, told: Callable[[int], None]
) -> Fleet:
    """Register an operator, a model and robots that no other run has."""
    admin = await api.sign_in(server.email, server.password)
    registry = Registry(api, admin)
    manufacturer_id = await registry.organisation("manufacturer", "Cobot Works")
    operator_id = await registry.organisation("operator", "Load Lines")
    model_id = await registry.model(manufacturer_id)
    api_key = await registry.api_key(operator_id, scopes=_SCOPES)
    device = api.with_key(api_key)

    async def register(number: int) -> UUID:
        robot_id, _ = await registry.robot(number, model_id, operator_id)
        # Eventflow hears of a robot a moment after it is registered.
        await device.get(
            "/event-counts", subject=str(robot_id), until_not="subject_not_found"
        )
        told(1)
        return robot_id

    ids = await side_by_side(range(1, robots + 1), register)
    return Fleet(ids, device, api_key, {robot: Counts(0, 0, 0) for robot in ids})


async def _of_key(
    api: Api, api_key: str, robots: int, told: Callable[[int], None]
) -> Fleet:
    """Take robots that the key speaks for."""
    device = api.with_key(api_key)
    me = await device.get("/auth/me")
    held = set(me["permissions"])
    if "events:write" not in held:
        raise ClientError("the API key may not send events: it lacks events:write")
    if me["robot_id"] is not None:
        ids = [UUID(me["robot_id"])]
    elif "robots:read" in held:
        ids = await _robots_of(device, robots)
    else:
        raise ClientError(
            "the API key names no robot and lacks robots:read to find some"
        )
    if not ids:
        raise ClientError("the API key's organisation has no robots")
    before = None
    if "events:read" in held:
        counted = await side_by_side(ids, lambda robot: _counted(device, robot))
        before = dict(zip(ids, counted, strict=True))
    told(len(ids))
    return Fleet(ids, device, api_key, before)


async def _robots_of(device: Caller, wanted: int) -> list[UUID]:
    found: list[UUID] = []
    query = {"limit": str(min(wanted, _PAGE))}
    while len(found) < wanted:
        page: dict[str, Any] = await device.get("/robots", **query)
        found += [UUID(robot["id"]) for robot in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    return found[:wanted]


async def _counted(device: Caller, robot: UUID) -> Counts:
    found = await device.get("/event-counts", subject=str(robot))
    return Counts(found["stored"], found["repeated"], found["failed"])


S = TypeVar("S")


async def side_by_side(
    items: Iterable[S], work: Callable[[S], Awaitable[T]]
) -> list[T]:
    """Do it for all, several at a time; return the results in order.

    Raises:
        Exception: the first that any raised; the others are stopped.
    """
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(item: S) -> T:
        async with room:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
