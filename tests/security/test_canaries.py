"""No secret, nobody's particulars and no forged line leave by a way at the side.

Marked passwords, tokens, card numbers, names, addresses and line breaks go through
every route, as values that it takes and as values that it refuses, and again while the
database fails beneath it. They are looked for in the log, in metrics, in traces, in
problem documents and in headers; and what is secret or personal, in the audit trail.

They may be in an answer that succeeds, for that is the thing that was asked for, in the
columns and facts that are there to hold them, and in the audit trail's ``user_agent``,
which is kept as it was sent and shown to auditors alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import select, text

from robosure.platform import metrics
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database, metadata
from robosure.platform.http.access import api_routes
from tests.security.canaries import (
    ALL,
    EVERYTHING,
    PASSWORD,
    SECRET_OR_PERSONAL,
    TOKEN,
    Watch,
    found_in,
    headers,
    in_path,
    marked,
    spoilt,
    watched,
)
from tests.security.matrix.estate import filled
from tests.security.matrix.realm import Realm
from tests.security.matrix.rows import MATRIX, Row

_WRITING: Final = {"POST", "PUT", "PATCH", "DELETE"}
_BASE: Final = "http://robosure.test"


@pytest.fixture
def watch(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is written from here on, by a world that is built."""
    with watched(monkeypatch) as watching:
        yield watching


class Birds:
    """Sends canaries to the routes of an application."""

    def __init__(self, realm: Realm, watch: Watch) -> None:
        self._realm = realm
        self._watch = watch
        self._document = realm.world.api.app.openapi()
        self._sent = 0

    async def taken(self, row: Row, *, tag: str = "") -> httpx.Response:
        """Send what the route takes, marked; something new, unless it has a tag."""
        self._sent += 1
        tag = tag or f"n{self._sent}"
        ids = {**self._realm.ids(row, "insurer", own=True), "root": _BASE, "once": "x"}
        sent = filled(row.sends, ids)
        body = self._realm.body(row)
        if "data" in sent:
            sent["data"] = marked(sent["data"], unlike="form")
        elif body is not None and "content" not in sent and "files" not in sent:
            sent["json"] = marked(filled(body, ids), unlike=tag)
        if "files" in sent:
            sent["files"] = {"file": (f"{EVERYTHING}.pdf", *sent["files"]["file"][1:])}
        sent["headers"] = {**headers(), **sent.get("headers", {})}
        return await self._ask(row.method, filled(row.address, ids), **sent)

    async def refused(self, row: Row) -> list[httpx.Response]:
        """Send what the route cannot take, wherever something can be put."""
        template = row.route.split()[1]
        spoilt_path = "/".join(
            in_path() if part.startswith("{") else part for part in template.split("/")
        )
        ids = {**self._realm.ids(row, "insurer", own=True), "root": _BASE, "once": "x"}
        address = filled(row.address, ids)
        document = self._operation(row)
        query = dict.fromkeys((*document, "token", "unknown"), EVERYTHING)
        body = self._realm.body(row)
        answers = [
            await self._ask(row.method, address, params=query, headers=headers())
        ]
        if "{" in template:
            spoilt_url = f"{_BASE}{spoilt_path}"
            answers.append(await self._ask(row.method, spoilt_url, headers=headers()))
        if row.method in _WRITING:
            spoilt_body = {**spoilt(body or {}), EVERYTHING: EVERYTHING}
            conditions = {"If-Match": f'"{TOKEN}"', "Idempotency-Key": EVERYTHING}
            answers += [
                await self._ask(row.method, address, json=spoilt_body),
                await self._ask(row.method, address, json=EVERYTHING),
                await self._ask(
                    row.method, address, data=spoilt_body, headers=conditions
                ),
                await self._ask(
                    row.method,
                    address,
                    content=f'{{"password": "{PASSWORD}", "name": "{EVERYTHING}',
                    headers={"Content-Type": "application/json", **conditions},
                ),
                await self._ask(
                    row.method,
                    address,
                    content=EVERYTHING.encode(),
                    headers={"Content-Type": f"text/{TOKEN}"},
                ),
            ]
        return answers

    async def unproven(self, row: Row) -> list[httpx.Response]:
        """Ask with proofs that prove nothing."""
        address = f"{_BASE}{row.route.split()[1]}"
        proofs = (
            {"Authorization": f"Bearer {TOKEN}"},
            {"Authorization": f"Basic {TOKEN}"},
            {"X-API-Key": TOKEN},
        )
        return [
            await self._ask(row.method, address, signed_in=False, headers=proof)
            for proof in proofs
        ]

    def _operation(self, row: Row) -> list[str]:
        method, path = row.route.split()
        operation = self._document["paths"].get(path, {}).get(method.lower(), {})
        parameters = operation.get("parameters", [])
        return [each["name"] for each in parameters if each["in"] == "query"]

    async def _ask(
        self, method: str, address: str, *, signed_in: bool = True, **sent: Any
    ) -> httpx.Response:
        world = self._realm.world
        async with world.admin if signed_in else world.api.anonymous() as client:
            answer = await client.request(method, address, **sent)
        self._watch.answers.append(answer)
        return answer


@pytest.fixture
def birds(realm: Realm, watch: Watch) -> Birds:
    """Canaries, ready to be sent."""
    return Birds(realm, watch)


def test_every_route_is_sent_canaries(realm: Realm) -> None:
    assert {row.route for row in MATRIX} == {
        name for name, _ in api_routes(realm.world.api.app)
    }


async def test_what_is_taken_in_goes_nowhere_else(
    realm: Realm, birds: Birds, watch: Watch
) -> None:
    # when each route is sent what it takes, and all that follows of it is done
    answers = {row.route: await birds.taken(row) for row in MATRIX}
    await realm.world.deliver()
    # then most of it was taken, with the canaries in it
    statuses = [answer.status_code for answer in answers.values()]
    assert sum(status < HTTPStatus.BAD_REQUEST for status in statuses) > len(MATRIX) / 2
    assert max(statuses) < HTTPStatus.INTERNAL_SERVER_ERROR
    for taking in ("/users", "/organisations", "/api-keys"):
        assert answers[f"POST /api/v1{taking}"].status_code == HTTPStatus.CREATED
    # and nobody who runs the platform comes to see any of them
    await none_escaped(realm, watch)


async def test_what_is_there_already_is_not_named_to_who_takes_it_again(
    realm: Realm, birds: Birds, watch: Watch
) -> None:
    # when what has to be unique is sent twice
    makers = [row for row in MATRIX if row.route.endswith(("/users", "/organisations"))]
    for row in makers * 2:
        await birds.taken(row, tag="twice")
    # then it is refused
    statuses = [each.status_code for each in watch.answers]
    assert statuses.count(HTTPStatus.CONFLICT) == 2
    # and whose it is does not show
    await none_escaped(realm, watch)


async def test_a_consumer_that_fails_tells_nothing_of_what_it_failed_with(
    realm: Realm, birds: Birds, watch: Watch
) -> None:
    # given new people, whom those who listen cannot write down
    for row in MATRIX:
        if row.route.endswith(("POST /api/v1/users", "POST /api/v1/organisations")):
            await birds.taken(row)
    listening = ("claims.adjusters", "notifications.recipients")
    # when they are told
    async with no_row_is_taken(realm.runtime.database, listening):
        await realm.world.deliver()
    # then the failure is logged and traced, without the row that could not be written
    assert "violates check constraint" in watch.log.getvalue()
    failed = [s for s in watch.spans.get_finished_spans() if not s.status.is_ok]
    assert {dict(s.attributes or {})["error.type"] for s in failed} == {
        "IntegrityError"
    }
    await none_escaped(realm, watch)


async def test_what_is_refused_is_not_repeated(
    realm: Realm, birds: Birds, watch: Watch
) -> None:
    # when each route is sent what it cannot take, and proofs that prove nothing
    for row in MATRIX:
        answers = [*await birds.refused(row), *await birds.unproven(row)]
        # then it says so
        assert all(each.status_code < 500 for each in answers), row.route
    # and why, in words of its own
    refusals = sum(answer.is_client_error for answer in watch.answers)
    assert refusals > 2 * len(MATRIX)
    await none_escaped(realm, watch)


async def test_what_breaks_tells_nothing_of_whom_it_broke_for(
    realm: Realm, birds: Birds, watch: Watch
) -> None:
    # given a database that refuses every new row, and shows it where it says why
    async with no_row_is_taken(realm.runtime.database):
        # when each route is sent what it takes
        writing = [row for row in MATRIX if row.method in _WRITING]
        broken = [await birds.taken(row) for row in writing]
    assert sum(each.is_server_error for each in broken) > len(writing) / 4
    # and one where nothing is to be found any more
    async with no_table_is_found(realm.runtime.database):
        lost = [await birds.taken(row) for row in MATRIX]
    assert sum(each.is_server_error for each in lost) > len(MATRIX) / 2
    # then what is told of it names no value
    await none_escaped(realm, watch)


async def none_escaped(realm: Realm, watch: Watch) -> None:
    """Assert that no canary is where it must not be, and that no line was forged."""
    assert watch.lines()
    assert watch.spans.get_finished_spans()
    shown = [metrics.exposition().decode(), str(metrics.summary())]
    escaped = {**watch.escaped(), "metrics": found_in(shown, ALL)}
    escaped["audit"] = found_in(
        await audited(realm.runtime.database), SECRET_OR_PERSONAL
    )
    assert not any(escaped.values()), report(escaped)
    assert not watch.forged()


def report(escaped: dict[str, list[str]]) -> str:
    """Say where they are, the first few of each."""
    return "\n".join(
        f"{where} ({len(found)}): {each}"
        for where, found in escaped.items()
        for each in found[:12]
    )


async def audited(database: Database) -> list[str]:
    """Return the audit trail's entries, but for the programs that asked."""
    shown = [c for c in audit_entries.columns if c.name != "user_agent"]
    async with database.read() as session:
        return [repr(tuple(row)) for row in await session.execute(select(*shown))]


@asynccontextmanager
async def no_row_is_taken(
    database: Database, tables: Sequence[str] = ()
) -> AsyncIterator[None]:
    """Have PostgreSQL refuse new rows, which it then quotes in full."""
    tables = tables or [f"{each.schema}.{each.name}" for each in metadata.sorted_tables]
    add = "ALTER TABLE {} ADD CONSTRAINT broken CHECK (false) NOT VALID"
    await run(database, [add.format(each) for each in tables])
    try:
        yield
    finally:
        drop = "ALTER TABLE {} DROP CONSTRAINT broken"
        await run(database, [drop.format(each) for each in tables])


@asynccontextmanager
async def no_table_is_found(database: Database) -> AsyncIterator[None]:
    """Take every table away, for a while."""
    schemas = sorted({str(each.schema) for each in metadata.sorted_tables})
    move = "ALTER SCHEMA {} RENAME TO {}"
    await run(database, [move.format(each, f"{each}_away") for each in schemas])
    try:
        yield
    finally:
        await run(database, [move.format(f"{each}_away", each) for each in schemas])


async def run(database: Database, statements: list[str]) -> None:
    """Run statements as the owner of the tables, all or none."""
    async with database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
