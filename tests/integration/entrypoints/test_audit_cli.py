"""``robosure audit verify``: the verdict, in words and as JSON, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from robosure.entrypoints.cli import app
from robosure.platform import audit
from robosure.platform.audit.chain import GENESIS
from robosure.platform.database import Database
from robosure.platform.security import Principal
from robosure.platform.settings import get_settings
from tests.support import FixedClock

_INSURER = UUID("01983a5e-7c10-7b4e-9d52-6f0e5a2c1b01")


@pytest.fixture(autouse=True)
def _settings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


async def act(database: Database, times: int) -> None:
    principal = Principal(
        subject=_INSURER,
        kind="user",
        name="Ada",
        organisation_id=_INSURER,
        organisation_kind="insurer",
        roles=frozenset(),
        permissions=frozenset(),
    )
    for number in range(times):
        async with database.write() as session:
            audit.record(
                session,
                principal=principal,
                action=f"act {number}",
                subject={},
                clock=FixedClock(),
            )


async def verify(*arguments: str) -> Result:
    call = ["audit", "verify", *arguments]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, call))


async def test_a_whole_trail_ends_well_and_its_head_is_what_to_expect(
    database: Database,
) -> None:
    await act(database, 3)
    result = await verify("--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    (chain,) = report["chains"]
    assert report["whole"] is True
    assert (chain["organisation_id"], chain["entries"]) == (str(_INSURER), 3)
    # and later, what was printed is still there
    await act(database, 1)
    again = await verify("--expect", chain["head"], "--organisation", str(_INSURER))
    assert (again.exit_code, "broken" in again.output) == (0, False)


async def test_the_first_broken_entry_is_named_and_the_exit_status_is_one(
    database: Database,
) -> None:
    await act(database, 3)
    async with database.engine.begin() as connection:
        unguarded = "SET LOCAL session_replication_role = replica"
        await connection.execute(text(unguarded))
        cut = "DELETE FROM platform.audit_entries WHERE sequence = 2"
        await connection.execute(text(cut))
    result = await verify()
    assert result.exit_code == 1
    assert result.stderr == f"chain of {_INSURER}: entry 2 is missing\n"
    report = json.loads((await verify("--json")).stdout)
    assert report["whole"] is False
    assert report["chains"][0]["broken"] == {
        "breach": "missing",
        "sequence": 2,
        "entry_id": None,
    }


async def test_a_hash_that_is_in_no_chain_is_named(database: Database) -> None:
    await act(database, 1)
    kept = "ab" * 32
    result = await verify("--expect", kept)
    assert result.exit_code == 1
    assert result.stderr == f"the hash {kept} is in no chain that was verified\n"


async def test_an_organisation_without_entries_has_an_empty_chain(
    database: Database,
) -> None:
    result = await verify("--json", "--organisation", str(_INSURER))
    assert result.exit_code == 0
    (chain,) = json.loads(result.stdout)["chains"]
    assert (chain["entries"], chain["head"]) == (0, GENESIS.hex())


async def test_what_is_no_hash_is_refused_in_one_line(database: Database) -> None:
    result = await verify("--expect", "abc")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "robosure: not a hash of 64 hexadecimal digits: abc\n"
