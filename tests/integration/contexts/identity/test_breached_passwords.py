"""Passwords found in breaches are refused, as a server of the range API tells."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from robosure.contexts.identity.jobs import send_password_letters
from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.tables import organisations
from robosure.kernel.errors import Invalid
from robosure.platform.client import HttpClient
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from robosure.platform.security import BreachedPasswords, Passwords
from robosure.platform.settings import Settings
from tests.integration.contexts.identity.letters import (
    forget_letters,
    letters_in,
    token_in,
)
from tests.integration.contexts.identity.people import (
    ADA,
    ADMIN,
    PASSWORD,
    Person,
    a_colleague,
    attempted,
    signed_in,
)
from tests.support import ApiClient, code_of

BREACHED = "staple at the edge of it"
OTHER = "a horse that counts to nine"


@dataclass
class Range:
    """Speaks the range API, as Have I Been Pwned does, with padding.

    Attributes:
        answer: what it answers instead; None to say nothing at all.
        asked: each request that came, as it came.
    """

    breached: tuple[str, ...] = (BREACHED,)
    answer: bytes | None = b""
    asked: list[str] = field(default_factory=list[str])
    url: str = ""

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request)
        if self.answer is None:
            await reader.read()  # until whoever asks gives up
        else:
            writer.write(self.answer or self._found(request))
        writer.close()

    def _found(self, request: str) -> bytes:
        prefix = request.split()[1].removeprefix("/range/")
        digests = [digest_of(each) for each in self.breached]
        lines = [f"{each[5:]}:42" for each in digests if each.startswith(prefix)]
        lines.append(f"{digest_of(OTHER)[5:]}:0")  # padding was found no times
        body = "\r\n".join(lines)
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def digest_of(password: str) -> str:
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


@pytest.fixture
async def known() -> AsyncIterator[Range]:
    served = Range()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/range"
    async with server:
        yield served


@pytest.fixture
async def admin(
    api: ApiClient, database: Database, settings: Settings, known: Range
) -> AsyncIterator[Person]:
    await seed(database, settings)
    before = api.edge
    async with HttpClient(settings) as http:
        asked = BreachedPasswords.of(asking(settings, known), http)
        api.app.state.edge = replace(before, passwords=Passwords(asked))
        yield await signed_in(api)
    api.app.state.edge = before


def asking(settings: Settings, known: Range, **changes: Any) -> Settings:
    said = {
        "check_breached_passwords": True,
        "breached_passwords_url": known.url,
        "outgoing_attempts": 1,
        **changes,
    }
    return settings.model_copy(update=said)


async def test_a_breached_password_is_refused_wherever_one_is_chosen(
    admin: Person, runtime: Runtime, known: Range
) -> None:
    # given somebody who has forgotten theirs
    forget_letters(runtime)
    await a_colleague(admin)
    await admin.client.post("/auth/password-reset", json={"email": ADA})
    await send_password_letters.perform(runtime)
    token = token_in(letters_in(runtime)[-1])

    # when a password is chosen at registration, by a change and by a letter
    async def answers(password: str) -> list[tuple[int, str | None]]:
        user = {"email": "b@robosure.example", "name": "B", "roles": ["support"]}
        change = {"current_password": PASSWORD, "new_password": password}
        choice = {"token": token, "new_password": password}
        responses = [
            await admin.client.post("/users", json=user | {"password": password}),
            await admin.api.anonymous().post(
                "/auth/password-reset/confirm", json=choice
            ),
            await admin.client.post("/auth/password", json=change),
        ]
        return [
            (each.status_code, None if each.is_success else code_of(each))
            for each in responses
        ]

    # then one that was in a breach is refused each time, and another is not
    assert await answers(BREACHED) == [(422, "password_breached")] * 3
    assert await answers(OTHER) == [(201, None), (204, None), (204, None)]
    assert (await attempted(admin.api, password=OTHER)).is_success
    assert known.asked


async def test_five_digits_leave_and_nothing_of_whose_it_is(
    admin: Person, known: Range
) -> None:
    # when
    body = {"current_password": PASSWORD, "new_password": BREACHED}
    headers = {"X-Request-ID": "a-request-of-ours"}
    refused = await admin.client.post("/auth/password", json=body, headers=headers)
    # then
    assert code_of(refused) == "password_breached"
    assert BREACHED not in refused.text
    (asked,) = known.asked
    line, *sent = asked.split("\r\n")
    assert line == f"GET /range/{digest_of(BREACHED)[:5]} HTTP/1.1"
    assert "add-padding: true" in [each.lower() for each in sent]
    for secret in (BREACHED, digest_of(BREACHED)[5:], ADMIN, "a-request-of-ours"):
        assert secret.lower() not in asked.lower()


async def test_a_weak_password_is_refused_before_anybody_is_asked(
    admin: Person, known: Range
) -> None:
    body = {"current_password": PASSWORD, "new_password": "Password-1234"}
    refused = await admin.client.post("/auth/password", json=body)
    assert code_of(refused) == "password_too_common"
    assert known.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 What\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<p>A portal</p>",
        b"nothing of HTTP",
    ],
    ids=["silent", "away", "not found", "something else", "garbled"],
)
async def test_who_does_not_answer_keeps_nobody_from_choosing(
    settings: Settings, known: Range, answer: bytes | None
) -> None:
    # given
    known.answer = answer
    patient = asking(settings, known, breached_passwords_seconds=0.3)
    async with HttpClient(patient) as http:
        asked = BreachedPasswords.of(patient, http)
        assert asked is not None
        # when
        with capture_logs() as lines:
            breached = await asked.has(BREACHED)
    # then it is taken, and said
    assert not breached
    assert known.asked
    (line,) = [each for each in lines if "unanswered" in each["event"]]
    assert line["event"] == "platform.security.breached_passwords_unanswered"
    assert BREACHED not in str(lines)


async def test_a_list_that_is_away_is_left_alone_for_a_while(
    settings: Settings, known: Range
) -> None:
    # given one that does not answer in time, as often as the breaker bears
    known.answer = None
    patient = asking(
        settings, known, breached_passwords_seconds=0.1, breaker_failures=2
    )
    async with HttpClient(patient) as http:
        asked = BreachedPasswords.of(patient, http)
        assert asked is not None
        # when
        for _ in range(4):
            assert not await asked.has(BREACHED)
    # then it is asked no more, and nobody waits
    assert len(known.asked) == 2


async def test_the_first_admins_password_is_looked_for_too(
    database: Database, settings: Settings, known: Range
) -> None:
    known.breached = (PASSWORD,)
    with pytest.raises(Invalid, match="password breached"):
        await seed(database, asking(settings, known))
    async with database.read() as session:
        assert (await session.execute(select(organisations))).all() == []


async def test_nobody_is_asked_where_it_is_turned_off(
    settings: Settings, known: Range
) -> None:
    silent = asking(settings, known, check_breached_passwords=False)
    async with HttpClient(silent) as http:
        assert BreachedPasswords.of(silent, http) is None
