"""Idempotency-Key over several processes of the API, and over their violent deaths.

The effect here is a row of which there could be any number: nothing but the key keeps
a second one out.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import httpx
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from sqlalchemy import func, select

from robosure.kernel.ids import uuid7
from robosure.kernel.time import SystemClock
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database
from robosure.platform.http.idempotency import idempotency_keys
from robosure.platform.security import Principal, Tokens
from robosure.platform.settings import Settings
from tests.e2e.environment import neutral_environment
from tests.integration.platform.testing import api
from tests.integration.platform.testing.cart import effects
from tests.support import code_of

_ROOT: Final = Path(__file__).parents[3]
_AT_ONCE: Final = 50
_PROCESSES: Final = 3
_SOON: Final = 0.05
"""Seconds until a refused request is sent again; ``Retry-After`` is a whole one."""


@dataclass
class Apis:
    """Processes of the API, and what they said of themselves.

    Attributes:
        born: process ids, by slot; a dead one's successor has its slot and port.
        standing: slots that stand still.
    """

    process: asyncio.subprocess.Process
    tokens: Tokens
    ports: dict[int, int] = field(default_factory=dict[int, int])
    born: dict[int, int] = field(default_factory=dict[int, int])
    standing: set[int] = field(default_factory=set[int])

    async def hear(self) -> None:
        """Wait for the next thing to be said."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            line = await self.process.stdout.readline()
        what, slot, number = orjson.loads(line)
        match what:
            case "listening":
                self.ports[slot] = number
            case "born":
                self.born[slot] = number
            case _:
                self.standing.add(slot)

    async def kill(self, slot: int) -> None:
        """Kill a process where it stands, and wait for its successor."""
        os.kill(self.born.pop(slot), signal.SIGKILL)
        self.standing.discard(slot)
        while slot not in self.born:
            await self.hear()

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[list[httpx.AsyncClient]]:
        """Give one who asks a way to ask each of the processes, or its successor."""
        token = self.tokens.issue(_principal(), now=SystemClock().now())
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    httpx.AsyncClient(
                        base_url=f"http://127.0.0.1:{port}/api/v1",
                        headers={"Authorization": f"Bearer {token}"},
                        limits=httpx.Limits(max_connections=None),
                        timeout=60,
                    )
                )
                for port in self.ports.values()
            ]


def _a_signing_key(path: Path) -> Path:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    path.write_bytes(pem)
    return path


@pytest.fixture(scope="module")
async def apis(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Apis]:
    """Processes of the API, ended for good after the last test."""
    key = _a_signing_key(tmp_path_factory.mktemp("keys") / "key.pem")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", api.__name__, str(_PROCESSES),
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        env={
            **neutral_environment(),
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "ROBOSURE_SIGNING_KEY_FILES": str(key),
            "ENVIRONMENT": "test",
        },
    )  # fmt: skip
    signing = settings.model_copy(update={"signing_key_files": (key,)})
    started = Apis(process, Tokens.from_settings(signing))
    try:
        while len(started.born) < _PROCESSES:
            await started.hear()
        yield started
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _principal() -> Principal:
    return Principal(
        subject=uuid7(),
        kind="user",
        name="a test underwriter",
        organisation_id=uuid7(),
        organisation_kind="insurer",
        roles=frozenset({"underwriter"}),
        permissions=frozenset({"carts:write"}),
    )


async def _ask(
    client: httpx.AsyncClient, intent: str, **headers: str
) -> httpx.Response:
    return await client.post(
        "/tallies",
        json={"name": intent},
        headers={"Idempotency-Key": intent, **headers},
    )


async def _insist(
    clients: Sequence[httpx.AsyncClient], intent: str
) -> tuple[httpx.Response, Counter[str]]:
    """Ask one after the other until there is an answer; count what came before."""
    before: Counter[str] = Counter()
    async with asyncio.timeout(60):
        while True:
            for client in clients:
                try:
                    answer = await _ask(client, intent)
                except httpx.TransportError:
                    before["lost"] += 1
                else:
                    if answer.status_code == 201:
                        return answer, before
                    before[code_of(answer)] += 1
                    assert answer.status_code == 409, answer.text
                    assert answer.headers["Retry-After"] == "1"
                await asyncio.sleep(_SOON)


async def _counted(db: Database) -> dict[str, Any]:
    """Return how often each intent took effect, and what was written beside."""
    async with db.read() as session:
        by_intent = select(effects.c.what, func.count()).group_by(effects.c.what)
        found: dict[str, Any] = {
            row[0]: row[1] for row in await session.execute(by_intent)
        }
        for table in (idempotency_keys, audit_entries):
            rows = await session.execute(select(func.count()).select_from(table))
            found[table.name] = rows.scalar_one()
    return found


async def test_fifty_at_once_in_three_processes_have_one_effect_and_one_answer(
    db: Database, apis: Apis
) -> None:
    async with apis.clients() as clients:
        # given that each of the processes works
        for client in clients:
            await _insist([client], "begin")
        # when the same request comes fifty times
        first = await asyncio.gather(
            *(_ask(clients[n % _PROCESSES], "once") for n in range(_AT_ONCE))
        )
        # then it is done once, and who asks meanwhile is told when to ask again
        done = [answer for answer in first if answer.status_code == 201]
        waiting = [answer for answer in first if answer.status_code == 409]
        assert len(done) + len(waiting) == _AT_ONCE
        assert sum("Idempotency-Replayed" not in answer.headers for answer in done) == 1
        assert {code_of(answer) for answer in waiting} <= {"idempotency_key_in_flight"}
        assert {answer.headers["Retry-After"] for answer in waiting} <= {"1"}
        # and in the end all fifty have the same answer
        late = await asyncio.gather(
            *(_insist([clients[n % _PROCESSES]], "once") for n in range(len(waiting)))
        )
    answers = done + [answer for answer, _ in late]
    assert len(answers) == _AT_ONCE
    assert len({answer.content for answer in answers}) == 1
    expected = {"begin": 1, "once": 1, "idempotency_keys": 2, "audit_entries": 2}
    assert await _counted(db) == expected


@pytest.mark.parametrize(
    ("moment", "stands"),
    [
        ("before_effect", False),
        ("after_effect", False),
        ("before_record", False),
        ("after_record", False),
        ("before_commit", False),
        ("after_commit", True),
    ],
)
async def test_killed_at_any_moment_it_is_done_once_when_it_is_asked_again(
    db: Database, apis: Apis, moment: str, *, stands: bool
) -> None:
    async with apis.clients() as (one, another, _):
        # given a process that stands still in the middle of it
        asked = asyncio.create_task(_ask(one, "once", **{api.HEADER: moment}))
        while not apis.standing:
            await apis.hear()
        # when another process is asked the same meanwhile
        meanwhile = await _ask(another, "once")
        # then it does nothing: it is under way, or done already
        if stands:
            assert meanwhile.headers["Idempotency-Replayed"] == "true"
        else:
            assert code_of(meanwhile) == "idempotency_key_in_flight"
            assert meanwhile.headers["Retry-After"] == "1"
            assert await _counted(db) == {"idempotency_keys": 0, "audit_entries": 0}
        # when the process is killed, and both are asked again
        await apis.kill(0)
        with pytest.raises(httpx.TransportError):
            await asked
        answers = [
            (await _insist([client], "once"))[0]
            for client in (another, one, another, one)
        ]
    # then it was done once, and they say the same
    assert len({answer.content for answer in answers}) == 1
    first = [a for a in answers if "Idempotency-Replayed" not in a.headers]
    assert len(first) == (0 if stands else 1)
    assert await _counted(db) == {"once": 1, "idempotency_keys": 1, "audit_entries": 1}


async def test_processes_killed_at_random_lose_nothing_and_do_nothing_twice(
    db: Database, apis: Apis
) -> None:
    chance = Random(1)
    intents = [f"intent-{number}" for number in range(60)]
    async with apis.clients() as (one, another, third):
        for client in (one, another, third):
            await _insist([client], "begin")

        async def persist(intent: str) -> tuple[set[bytes], Counter[str]]:
            """Ask two processes at once, until each has answered."""
            (here, lost_here), (there, lost_there) = await asyncio.gather(
                _insist([one, another], intent), _insist([another, one], intent)
            )
            return {here.content, there.content}, lost_here + lost_there

        async def come_one_by_one() -> list[tuple[set[bytes], Counter[str]]]:
            asked: list[asyncio.Task[tuple[set[bytes], Counter[str]]]] = []
            for intent in intents:
                asked.append(asyncio.create_task(persist(intent)))
                await asyncio.sleep(0.03)
            return await asyncio.gather(*asked)

        # when processes are killed at random, while there is something to do
        working = asyncio.create_task(come_one_by_one())
        for round_ in range(6):
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            await apis.kill(round_ % 2)
        results = await working
    # then every intent took effect once, and everybody was told the same
    assert [len(contents) for contents, _ in results] == [1] * len(intents)
    found = await _counted(db)
    assert found.pop("idempotency_keys") == len(intents) + 1
    assert found.pop("audit_entries") == len(intents) + 1
    assert found == dict.fromkeys(["begin", *intents], 1)
    # and answers were lost on the way, or nothing was tried
    assert sum(before["lost"] for _, before in results) > 0
