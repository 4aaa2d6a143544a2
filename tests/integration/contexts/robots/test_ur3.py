"""A real robot's file, replayed: each sample stored once, however it is sent."""

from __future__ import annotations

import random

import httpx
import pytest

from robosure.contexts.robots.service import seed
from robosure.platform.runtime import Runtime
from tests.real_data import ur3_file
from tests.support import ApiClient, Delivery

ROWS = 7_409
AT_ONCE = 250


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """The file's lines, the header first."""
    return ur3_file().read_bytes().splitlines(keepends=True)


async def send(client: httpx.AsyncClient, robot: str, rows: list[bytes]) -> None:
    sent = await client.post(
        f"/robots/{robot}/telemetry",
        params={"profile": "ur3-cobotops"},
        content=b"".join(rows),
        headers={"Content-Type": "text/csv"},
    )
    assert sent.status_code == 202, sent.text
    assert sent.json()["refused"] == []


async def test_the_ur3_file_is_stored_once_however_it_is_replayed(
    *,
    api: ApiClient,
    runtime: Runtime,
    deliver: Delivery,
    robot: str,
    lines: list[bytes],
) -> None:
    # given the file in batches, every twentieth sent twice
    await seed(runtime.database, runtime.settings)
    admin = api.as_("admin")
    header, *rows = lines
    twice = 0
    for number, first in enumerate(range(0, ROWS, AT_ONCE), start=1):
        batch = rows[first : first + AT_ONCE]
        await send(admin, robot, [header, *batch])
        if number % 20 == 0:
            await send(admin, robot, [header, *batch])
            twice += len(batch)
    await deliver()

    # then each row is an event, and what was sent twice is counted
    async def counts() -> dict[str, object]:
        answer = await admin.get("/event-counts", params={"subject": robot})
        document: dict[str, object] = answer.json()
        return document

    expected = {
        "subject": robot,
        "stored": ROWS,
        "repeated": twice,
        "failed": 0,
        "first_at": "2022-10-26T08:17:21.847000Z",
        "last_at": "2022-10-26T15:36:06.580000Z",
    }
    assert await counts() == expected

    # when it is replayed shuffled and in other batches, then nothing is new
    random.Random(5).shuffle(rows)
    for first in range(0, ROWS, 1_000):
        await send(admin, robot, [header, *rows[first : first + 1_000]])
    await deliver()
    assert await counts() == {**expected, "repeated": twice + ROWS}
