"""The audit trail: what an entry says, how they are chained, and tampering shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from robosure.kernel.ids import uuid7
from robosure.platform import audit
from robosure.platform.audit import audit_entries
from robosure.platform.audit.chain import GENESIS, digest, link
from robosure.platform.audit.verifying import Breach, Broken, ChainReport, verify
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database import Database
from robosure.platform.metrics import exposition
from tests.integration.platform.testing.cart import Cart
from tests.support import ApiClient, FixedClock

_INSURER = UUID("01983a5e-7c10-7b4e-9d52-6f0e5a2c1b01")


async def entries(db: Database) -> list[Any]:
    statement = select(audit_entries).order_by(audit_entries.c.sequence)
    async with db.read() as session:
        return list((await session.execute(statement)).all())


async def act(web: ApiClient, *names: str) -> None:
    """Have the insurer's people add carts, one request for each."""
    async with web.as_("admin", organisation=_INSURER) as client:
        for name in names:
            answer = await client.post("/carts", json={"name": name})
            assert answer.status_code == 201


async def report(db: Database, **options: Any) -> ChainReport:
    (found,) = (await verify(db, organisation_id=_INSURER, **options)).chains
    return found


# --- what an entry says ---------------------------------------------------------------


async def test_an_entry_says_who_did_what_before_and_after_and_from_where(
    web: ApiClient, db: Database, clock: FixedClock
) -> None:
    principal = web.principal("admin", organisation=_INSURER)
    user_agent = "canary " * 100
    async with web.as_(
        "admin", organisation=_INSURER, subject=principal.subject
    ) as client:
        client.headers.update({"X-Request-ID": "req-1", "User-Agent": user_agent})
        made = (await client.post("/carts", json={"name": "a", "amount": 3})).json()
        await client.put(f"/carts/{made['id']}/amount", json={"amount": 5})
    made_entry, changed = await entries(db)
    assert made_entry.changes == [
        {
            "object_type": "cart",
            "object_id": made["id"],
            "before": None,
            "after": {"id": made["id"], "name": "a", "amount": 3},
        }
    ]
    assert changed.changes == [
        {
            "object_type": "cart",
            "object_id": made["id"],
            "before": {"amount": 3},
            "after": {"amount": 5},
        }
    ]
    for entry in (made_entry, changed):
        assert (entry.object_type, entry.object_id) == ("cart", made["id"])
        assert entry.objects == ["cart", f"cart:{made['id']}"]
        assert (entry.actor, entry.actor_kind) == (principal.subject, "user")
        assert entry.organisation_id == entry.actor_organisation_id == _INSURER
        assert (entry.at, entry.correlation_id) == (clock.now(), "req-1")
        assert entry.address == "127.0.0.1"
        assert entry.user_agent == user_agent[:200]


async def test_what_changes_twice_in_a_transaction_is_told_from_first_to_last(
    db: Database, clock: FixedClock
) -> None:
    cart = Cart("a", 1)
    async with db.write() as session:
        session.add(cart)
    async with db.write() as session:
        loaded = await session.get(Cart, cart.id)
        assert loaded is not None
        for amount in (2, 3):
            loaded.amount = amount
            await session.flush()
        audit.record(session, principal=None, action="x", subject={}, clock=clock)
    entry = next(each for each in await entries(db) if each.action == "x")
    assert [(c["before"], c["after"]) for c in entry.changes] == [
        ({"amount": 1}, {"amount": 3})
    ]
    assert (entry.actor_kind, entry.actor_name) == ("anonymous", "anonymous")


async def test_what_sql_did_is_told_if_it_is_noted_without_secrets_and_bounded(
    db: Database, clock: FixedClock
) -> None:
    # given
    one = uuid7()
    async with db.write() as session:
        # when
        audit.note(
            session,
            "cart",
            one,
            before={"amount": 1},
            after={"amount": 2, "password": "canary", "to": "ada@example.org"},
        )
        audit.note(
            session,
            "cart",
            one,
            before={"amount": 2, "told": {"name": "Ada", "left": 0.5}},
            after={"amount": 3, "told": {"name": "Eve", "left": "x" * 4_000}},
            personal={"name"},
        )
        audit.record(session, principal=None, action="x", subject={}, clock=clock)
    # then
    (entry,) = await entries(db)
    (change,) = entry.changes
    assert change["before"] == {"amount": 1, "told": {"name": "A***", "left": "0.5"}}
    long = change["after"].pop("told")
    assert (set(long), long["bytes"]) == ({"bytes", "sha256"}, 4_025)
    assert change["after"] == {"amount": 3, "password": "***", "to": "a***@example.org"}
    assert (entry.subject, entry.object_type, entry.object_id) == (
        {},
        "cart",
        str(one),
    )
    assert (await verify(db)).whole


async def test_of_more_than_a_hundred_that_were_noted_the_first_are_named(
    db: Database, clock: FixedClock
) -> None:
    carts = [uuid7() for _ in range(101)]
    for noted in (carts[:100], carts):
        async with db.write() as session:
            for cart in noted:
                audit.note(session, "cart", cart, before={}, after={"amount": 1})
            audit.record(session, principal=None, action="x", subject={}, clock=clock)
    assert [
        (entry.subject, [each["object_id"] for each in entry.changes])
        for entry in await entries(db)
    ] == [
        ({}, [str(each) for each in carts[:100]]),
        ({"changed": "101"}, [str(each) for each in carts[:100]]),
    ]


async def test_what_the_platform_does_by_itself_is_told_with_its_cause(
    db: Database,
) -> None:
    async with db.write() as session:
        for number in (1, 2):
            with correlated(Correlation(f"req-{number}", task=f"job {number}")):
                session.add(Cart(f"cart {number}"))
                await session.flush()
    told = [
        (e.actor, e.actor_kind, e.action, e.correlation_id, e.changes[0]["after"])
        for e in await entries(db)
    ]
    assert [each[:4] for each in told] == [
        (None, "platform", "job 1", "req-1"),
        (None, "platform", "job 2", "req-2"),
    ]
    assert [each[4]["name"] for each in told] == ["cart 1", "cart 2"]


async def test_a_refused_attempt_is_logged_and_counted_and_no_entry(
    web: ApiClient, db: Database
) -> None:
    async with web.as_("support") as client:
        with capture_logs() as lines:
            refused = await client.post("/carts", json={"name": "a"})
    assert refused.status_code == 403
    (line,) = [x for x in lines if x["event"] == "platform.security.access_refused"]
    assert (line["code"], line["method"]) == ("permission_required", "POST")
    assert (line["endpoint"], line["client"]) == ("/api/v1/carts", "127.0.0.1")
    assert line["actor"] is not None
    counted = 'security_refusals_total{code="permission_required",writes="true"}'
    assert counted in exposition().decode()
    assert await entries(db) == []


# --- the chain ------------------------------------------------------------------------


async def test_each_entry_carries_the_hash_of_the_one_before(
    web: ApiClient, db: Database
) -> None:
    await act(web, "a", "b", "c")
    previous = GENESIS
    for place, entry in enumerate(await entries(db), 1):
        assert (entry.sequence, entry.previous_hash) == (place, previous)
        assert entry.hash == link(previous, place, digest(entry._mapping))
        previous = entry.hash
    assert await report(db) == ChainReport(_INSURER, 3, 0, previous.hex(), None)


async def test_a_rolled_back_transaction_and_a_repeat_leave_no_gap(
    web: ApiClient, db: Database
) -> None:
    await act(web, "a")
    async with web.as_("admin", organisation=_INSURER) as client:
        refused = await client.post("/carts", json={"name": "invalid"})
        assert refused.status_code == 422
        for _ in range(2):
            key = {"Idempotency-Key": "k"}
            await client.post("/carts", json={"name": "b"}, headers=key)
    found = await report(db)
    assert (found.entries, found.broken) == (2, None)


async def test_fifty_writers_of_an_organisation_neither_deadlock_nor_fork_its_chain(
    web: ApiClient, db: Database
) -> None:
    names = [[f"{writer} {n}" for n in "abc"] for writer in range(50)]
    await asyncio.gather(*(act(web, *each) for each in names))
    found = await report(db)
    assert (found.entries, found.broken) == (150, None)


async def test_transactions_that_end_several_chains_take_them_in_one_order(
    db: Database, clock: FixedClock
) -> None:
    owners = [uuid7() for _ in range(3)]

    async def one(turn: int) -> None:
        async with db.write() as session:
            chosen = owners if turn % 2 else owners[::-1]
            for owner in chosen:
                cart = Cart(f"{turn} {owner}")
                cart.organisation_id = owner  # type: ignore[attr-defined]  # whose it is
                session.add(cart)

    await asyncio.gather(*(one(turn) for turn in range(20)))
    found = await verify(db)
    assert [(each.entries, each.broken) for each in found.chains] == [(20, None)] * 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE platform.audit_entries SET action = 'x'",
        "DELETE FROM platform.audit_entries",
        "TRUNCATE platform.audit_entries",
        "UPDATE platform.audit_heads SET count = 1",
        "DELETE FROM platform.audit_heads",
        "TRUNCATE platform.audit_heads",
    ],
)
async def test_nobody_changes_or_deletes_what_stands_there(
    web: ApiClient, db: Database, statement: str
) -> None:
    await act(web, "a", "b")
    before = await entries(db)
    with pytest.raises(DBAPIError, match="only ever added to"):
        async with db.write() as session:
            await session.execute(text(statement))
    assert await entries(db) == before
    assert (await report(db)).broken is None


# --- tampering ------------------------------------------------------------------------

Tamper = Callable[..., Awaitable[None]]


@pytest.fixture
def tamper(db: Database) -> Tamper:
    """Changes the trail as the database's owner can: past triggers and the index."""

    async def change(*statements: str) -> None:
        async with db.engine.begin() as connection:
            await connection.execute(
                text("SET LOCAL session_replication_role = replica")
            )
            for statement in statements:
                await connection.execute(text(statement))

    return change


_ENTRIES = "platform.audit_entries"
_SHIFT_UP = (
    f"UPDATE {_ENTRIES} SET sequence = -sequence - 1 WHERE sequence >= 3",
    f"UPDATE {_ENTRIES} SET sequence = -sequence WHERE sequence < 0",
)
_FOLLOW = (
    f"UPDATE {_ENTRIES} SET previous_hash = "
    f"(SELECT hash FROM {_ENTRIES} WHERE sequence = 2) WHERE sequence = 3"
)
_COPY = (
    f"INSERT INTO {_ENTRIES} SELECT (jsonb_populate_record(e, jsonb_build_object("
    "'id', uuidv7(), 'sequence', {0}))).* "
    f"FROM {_ENTRIES} e WHERE sequence = {{1}}"
)
_TAMPERED: dict[str, tuple[tuple[str, ...], Breach, int]] = {
    "altered": (
        (f"UPDATE {_ENTRIES} SET actor_name = 'someone else' WHERE sequence = 2",),
        Breach.ALTERED,
        2,
    ),
    "a hash altered": (
        (f"UPDATE {_ENTRIES} SET hash = sha256('x') WHERE sequence = 2",),
        Breach.ALTERED,
        2,
    ),
    "taken out of the chain": (
        (f"UPDATE {_ENTRIES} SET sequence = NULL WHERE sequence = 2",),
        Breach.MISSING,
        2,
    ),
    "deleted": ((f"DELETE FROM {_ENTRIES} WHERE sequence = 3",), Breach.MISSING, 3),
    "deleted, and the rest moved up": (
        (
            f"DELETE FROM {_ENTRIES} WHERE sequence = 3",
            f"UPDATE {_ENTRIES} SET sequence = 3 WHERE sequence = 4",
            f"UPDATE {_ENTRIES} SET sequence = 4 WHERE sequence = 5",
        ),
        Breach.MISSING,
        3,
    ),
    "inserted, with the hash of the one before": (
        (
            *_SHIFT_UP,
            _COPY.format(3, 2),
            _FOLLOW,
        ),
        Breach.ALTERED,
        3,
    ),
    "swapped": (
        (
            f"UPDATE {_ENTRIES} SET sequence = -1 WHERE sequence = 2",
            f"UPDATE {_ENTRIES} SET sequence = 2 WHERE sequence = 3",
            f"UPDATE {_ENTRIES} SET sequence = 3 WHERE sequence = -1",
        ),
        Breach.REORDERED,
        2,
    ),
    "cut at the tail": (
        (f"DELETE FROM {_ENTRIES} WHERE sequence >= 4",),
        Breach.TAIL_CUT,
        4,
    ),
    "the head moved back": (
        ("UPDATE platform.audit_heads SET count = 4",),
        Breach.INSERTED,
        5,
    ),
    "the head altered": (
        ("UPDATE platform.audit_heads SET hash = sha256('x')",),
        Breach.HEAD_ALTERED,
        5,
    ),
    "the head deleted": (("DELETE FROM platform.audit_heads",), Breach.HEAD_ALTERED, 5),
}


@pytest.mark.parametrize("name", _TAMPERED)
async def test_tampering_is_found_and_the_first_broken_entry_named(
    web: ApiClient, db: Database, tamper: Tamper, name: str
) -> None:
    # given five entries
    await act(web, *"abcde")
    # when
    statements, breach, sequence = _TAMPERED[name]
    await tamper(*statements)
    # then
    broken = (await report(db)).broken
    assert broken is not None
    assert (broken.breach, broken.sequence) == (breach, sequence)


async def test_an_entry_made_up_with_the_right_hash_is_found_by_the_one_after_it(
    web: ApiClient, db: Database, tamper: Tamper
) -> None:
    # given five entries, and an intruder after the second that fits to it
    await act(web, *"abcde")
    await tamper(*_SHIFT_UP, _COPY.format(3, 2))
    rows = {each.sequence: each for each in await entries(db)}
    previous = rows[2].hash
    hashed = link(previous, 3, digest(rows[3]._mapping))
    await tamper(
        f"UPDATE {_ENTRIES} SET previous_hash = '\\x{previous.hex()}', "
        f"hash = '\\x{hashed.hex()}' WHERE sequence = 3"
    )
    # then the one that stood there says so
    assert (await report(db)).broken == Broken(Breach.INSERTED, 3, rows[3].id)


async def test_a_tail_cut_together_with_its_head_is_found_by_a_hash_that_was_kept(
    web: ApiClient, db: Database, tamper: Tamper
) -> None:
    # given a head that an auditor keeps
    await act(web, *"abc")
    kept = (await report(db)).head
    assert (await verify(db, expected=[kept])).not_found == []
    # when it is cut off, and the head is moved back as if it had never been there
    await tamper(
        f"DELETE FROM {_ENTRIES} WHERE sequence = 3",
        "UPDATE platform.audit_heads SET count = 2, hash = previous_hash",
    )
    # then the chain is whole by itself, and what was kept is in none
    found = await verify(db, expected=[kept.upper()])
    assert [each.broken for each in found.chains] == [None]
    assert (found.not_found, found.whole) == ([kept], False)


async def test_a_chain_that_grew_still_has_the_head_that_was_kept(
    web: ApiClient, db: Database
) -> None:
    await act(web, "a")
    kept = (await report(db)).head
    await act(web, "b")
    assert (await verify(db, expected=[kept])).whole
