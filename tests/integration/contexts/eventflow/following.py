"""Following events over a real server, as a client does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import orjson
import uvicorn

from robosure.contexts.robots.events import RobotRegistered
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.platform.database import WriteSession
from robosure.platform.events import publish
from tests.support import ApiClient


@dataclass
class Sent:
    """One server-sent event."""

    name: str
    id: str
    data: dict[str, Any]


class Reader:
    """Reads a stream: what happened, and the last id, also of what only says that."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def next(self) -> Sent:
        async with asyncio.timeout(10):
            while True:
                fields = await self._block()
                if "data" in fields:
                    return Sent(
                        fields["event"], fields["id"], orjson.loads(fields["data"])
                    )

    async def ready(self) -> None:
        """Wait until it is known from where on it tells."""
        async with asyncio.timeout(10):
            while not self.last_id:
                await self._block()

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            with suppress(StopAsyncIteration):
                while True:
                    await self._block()
        return True

    async def events(self, count: int) -> list[str]:
        return [(await self.next()).data["id"] for _ in range(count)]

    async def _block(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        while line := await anext(self._lines):
            name, _, value = line.partition(": ")
            fields[name] = value
        self.last_id = fields.get("id", self.last_id)
        return fields


@dataclass
class Live:
    """The application behind a real server."""

    api: ApiClient
    url: str
    server: uvicorn.Server

    @asynccontextmanager
    async def follow(
        self,
        role: str = "admin",
        *,
        operator: UUID | None = None,
        last_event_id: str = "",
        **asked: str,
    ) -> AsyncIterator[Reader]:
        client = self.api.as_(
            role,
            organisation=operator,
            kind="insurer" if operator is None else "operator",
        )
        headers = {"Authorization": client.headers["Authorization"]}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=10) as http,
            http.stream(
                "GET", "/api/v1/events/stream", headers=headers, params=asked
            ) as response,
        ):
            assert response.status_code == 200, await response.aread()
            assert response.headers["content-type"].startswith("text/event-stream")
            yield Reader(response)


def tell(session: WriteSession, robot: UUID) -> None:
    publish(
        session,
        RobotRegistered(
            robot_id=robot,
            serial_number="1",
            model_id=uuid7(),
            manufacturer_id=uuid7(),
            operator_id=uuid7(),
            robot_class="cobot",
            insured_value=Money(1, "EUR"),
            commissioned_on=datetime(2022, 3, 1, tzinfo=UTC).date(),
            operating_environment="factory",
        ),
    )
