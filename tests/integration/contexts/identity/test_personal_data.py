"""Personal data per person: all is handed out, and erased where the law allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from robosure.contexts.claims.jobs import forget_old_contacts
from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.notifications.jobs import forget_old_recipients
from robosure.platform.audit.verifying import verify
from robosure.platform.database import Database
from robosure.platform.runtime import Runtime
from tests.journey import PASSWORD, World, answered, nothing_changes, rows, sign_in
from tests.support import ApiClient, Delivery, FixedClock, code_of

_GRACE: Final = {
    "email": "grace.hopper@example.com",
    "name": "Grace Brewster Hopper",
    "password": PASSWORD,
    "roles": ["adjuster"],
    "skills": ["cobot"],
}
_AT: Final = datetime(2026, 3, 2, 11, tzinfo=UTC)


@pytest.fixture
async def world(api: ApiClient, deliver: Delivery, runtime: Runtime) -> World:
    return await World.build(api, deliver, runtime)


async def grace(world: World) -> UUID:
    """Take Grace in, let her sign in, and make her the contact of a paid claim."""
    user = answered(await world.admin.post("/users", json=_GRACE), 201)
    await world.deliver()
    async with world.api.anonymous() as client:
        await sign_in(client, _GRACE["email"], PASSWORD)  # type: ignore[arg-type]
    (robot,) = await world.robots()
    policy = await world.policy([robot])
    contact = {"name": _GRACE["name"], "email": _GRACE["email"], "phone": "+49 30 1"}
    report = await world.report(policy["number"], robot, at=_AT, contact=contact)
    claim = answered(report, 201)["id"]
    await world.deliver()
    assessment = {
        "coverage_code": "physical-damage",
        "basis": "replacement_cost",
        "loss_value": {"minor": 900_000, "currency": "EUR"},
    }
    path = f"/claims/{claim}"
    answered(await world.adjuster.post(f"{path}/assessment", json=assessment))
    answered(await world.admin.post(f"{path}/approve"))
    await world.deliver()
    return UUID(user["id"])


def herself(world: World, user_id: UUID) -> httpx.AsyncClient:
    return world.api.as_("adjuster", organisation=world.insurer_id, subject=user_id)


def erase(world: World, user_id: UUID) -> Any:
    return world.admin.post(f"/users/{user_id}/erasure")


async def mentions(database: Database, *words: str) -> dict[str, int]:
    """Return how many rows of each table hold one of the words."""
    found: dict[str, int] = {}
    async with database.read() as session:
        for table in await rows(database):
            query = text(
                f"SELECT count(*) FROM {table} t WHERE t::text ILIKE ANY (:words)"
            )
            like = [f"%{word}%" for word in words]
            count: int = (await session.execute(query, {"words": like})).scalar_one()
            if count:
                found[table] = count
    return found


async def named(database: Database) -> dict[str, int]:
    """Return how many rows of each table name Grace."""
    return await mentions(database, "grace.hopper", "Brewster")


async def test_all_that_is_kept_about_somebody_is_handed_out(
    world: World, database: Database
) -> None:
    # given somebody who is in it everywhere
    user_id = await grace(world)
    # when she asks, and who manages users does, and compliance
    compliance = world.api.as_("compliance", organisation=world.insurer_id)
    own = answered(await herself(world, user_id).get("/auth/me/personal-data"))
    path = f"/users/{user_id}/personal-data"
    told = answered(await world.admin.get(path))
    assert answered(await compliance.get(path))["user_id"] == str(user_id)
    # then they are told of every table that names her
    found = {
        f"{context}.{each['category']}": len(each["records"])
        for context, parts in own["contexts"].items()
        for each in parts
        if each["records"]
    }
    assert found == {
        "identity.account": 1,
        "identity.sessions": 1,
        "claims.adjuster": 1,
        "claims.contact_of_claims": 1,
        "platform.facts": 1,
        "platform.audit_trail": found["platform.audit_trail"],
    }
    assert set(await named(database)) == {
        "identity.users",
        "claims.adjusters",
        "claims.claims",
        "platform.outbox",
        "platform.audit_entries",
    }
    account = told["contexts"]["identity"][0]["records"][0]
    assert account["name"] == _GRACE["name"]
    assert "password_hash" not in account
    # and that they asked is in the audit trail
    entries = answered(
        await world.admin.get("/audit-entries", params={"actor": str(user_id)})
    )
    assert entries["items"][0]["action"] == "GET /api/v1/auth/me/personal-data"


@pytest.mark.parametrize("theirs", [True, False])
async def test_an_address_opens_nothing_of_another_organisation(
    world: World, theirs: bool
) -> None:
    # given an operator's claim and letters at an address
    robot, *_ = await world.robots()
    policy = await world.policy([robot])
    address = "operator@example.com"
    contact = {"name": "The fleet", "email": address.title()}
    answered(await world.report(policy["number"], robot, at=_AT, contact=contact), 201)
    await world.deliver()
    # and somebody who is said to have it, there or at a competitor
    organisation = world.operator_id
    if not theirs:
        rival = {"kind": "operator", "name": "Rival", "email": "r@example.com"}
        made = await world.admin.post("/organisations", json={**rival, "country": "DE"})
        organisation = UUID(answered(made, 201)["id"])
    person = {
        "organisation_id": str(organisation),
        "email": address,
        "name": "Eve",
        "password": PASSWORD,
        "roles": ["policyholder"],
    }
    user = answered(await world.admin.post("/users", json=person), 201)["id"]
    # when they ask what is kept about them, and are erased
    async with world.api.anonymous() as client:
        await sign_in(client, address, PASSWORD)
        told = answered(await client.get("/auth/me/personal-data"))["contexts"]
    outcome = answered(await erase(world, user))
    # then it is theirs only in their own organisation
    found = {
        f"{context}.{each['category']}"
        for context in ("claims", "notifications")
        for each in told[context]
        if each["records"]
    }
    expected = {"claims.contact_of_claims", "notifications.messages"}
    assert found == (expected if theirs else set())
    kept = {each["category"] for each in outcome["kept"]}
    assert kept & expected == found


async def test_who_is_erased_is_gone_where_nothing_has_to_be_kept(
    world: World, database: Database
) -> None:
    # given
    user_id = await grace(world)
    ledger = await rows(database, "payments.ledger_entries")
    # when
    outcome = answered(await erase(world, user_id))
    await world.deliver()
    # then her name is nowhere but in the claim's file and the trail, and it is said why
    assert await named(database) == {"claims.claims": 1, "platform.audit_entries": 1}
    assert [(k["category"], k["records"], k["until"]) for k in outcome["kept"]] == [
        ("claims.contact_of_claims", 1, "2036-12-31"),
        *audited(outcome),
    ]
    assert "HGB section 257" in outcome["kept"][0]["reason"]
    assert outcome["erased"]["identity.account"] == 1
    assert outcome["erased"]["identity.sessions"] == 1
    assert outcome["erased"]["claims.adjuster"] == 1
    assert outcome["erased"]["platform.facts"] == 1
    # and a pseudonym is in its place
    user = answered(await world.admin.get(f"/users/{user_id}"))
    assert (user["name"], user["active"], user["skills"]) == (
        "Erased person",
        False,
        [],
    )
    assert user["email"] == f"erased-{user_id}@erased.invalid"
    # and neither ledger nor audit trail has a scratch
    assert await rows(database, "payments.ledger_entries") == ledger
    assert ledger["payments.ledger_entries"][0] > 0
    assert (await verify(database)).whole


def audited(outcome: Any) -> list[tuple[str, int, str]]:
    return [
        (k["category"], k["records"], k["until"])
        for k in outcome["kept"]
        if k["category"] == "platform.audit_trail"
    ]


async def test_timelines_name_an_adjuster_who_was_erased_no_longer(
    world: World, database: Database
) -> None:
    # given a claim whose timeline names its adjuster
    robot, *_ = await world.robots()
    policy = await world.policy([robot])
    report = await world.report(policy["number"], robot, at=_AT)
    path = f"/claims/{answered(report, 201)['id']}/timeline"

    async def shown() -> list[Any]:
        items = answered(await world.holder.get(path))["items"]
        return [e["details"] for e in items if e["what"] == "assigned"]

    assert await shown() == [{"adjuster": "The adjuster"}]
    # when they are erased
    outcome = answered(await erase(world, world.people["adjuster"]))
    await world.deliver()
    # then it does so no longer, which is told
    assert await shown() == [{"adjuster": "Erased person"}]
    assert outcome["erased"]["claims.timeline"] == 1
    assert "claims.timeline" not in await mentions(database, "The adjuster")


async def test_facts_about_somebody_are_found_without_reading_all(
    database: Database,
) -> None:
    facts = (
        "EXPLAIN SELECT position FROM platform.outbox "
        "WHERE type LIKE 'identity.User%' AND payload ->> 'user_id' = 'x'"
    )
    async with database.read() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = (await session.scalars(text(facts))).all()
    assert "ix_outbox_of_people" in "".join(plan)


async def test_who_did_something_stays_in_the_audit_trail_and_is_told_so(
    world: World, database: Database
) -> None:
    # given an underwriter who has sold a policy
    await world.policy(await world.robots())
    underwriter = world.people["underwriter"]
    # when she is erased
    outcome = answered(await erase(world, underwriter))
    # then what she did is kept, until ten years after the end of its year
    ((category, records, until),) = audited(outcome)
    assert (category, until) == ("platform.audit_trail", "2036-12-31")
    assert records >= 2
    assert (await verify(database)).whole


async def test_who_is_erased_is_signed_out_and_cannot_sign_in(world: World) -> None:
    user_id = await grace(world)
    async with world.api.anonymous() as client:
        await sign_in(client, _GRACE["email"], PASSWORD)  # type: ignore[arg-type]
        answered(await client.get("/auth/me"))
        answered(await erase(world, user_id))
        assert (await client.get("/auth/me")).status_code == 401
    for email in (_GRACE["email"], f"erased-{user_id}@erased.invalid"):
        body = {"email": email, "password": PASSWORD}
        async with world.api.anonymous() as client:
            refused = await client.post("/auth/sign-in", json=body)
        assert refused.status_code == 401


async def test_erasing_again_tells_the_same_and_changes_nothing_but_the_trail(
    world: World, database: Database
) -> None:
    user_id = await grace(world)
    first = answered(await erase(world, user_id))
    before = await rows(database, "identity.users", "platform.outbox")
    assert answered(await erase(world, user_id)) == first
    assert await rows(database, "identity.users", "platform.outbox") == before


async def test_who_was_erased_is_not_brought_back(
    world: World, database: Database
) -> None:
    user_id = await grace(world)
    answered(await erase(world, user_id))
    change = {"active": True, "name": "Grace"}
    async with nothing_changes(database):
        refused = await world.admin.patch(f"/users/{user_id}", json=change)
        assert code_of(refused) == "user_erased"


async def test_nobody_erases_the_last_admin(world: World, database: Database) -> None:
    # given the only admin of the insurer
    admin = world.people["admin"]
    somebody = world.api.as_("admin", organisation=world.insurer_id)
    async with nothing_changes(database):
        for client in (world.admin, somebody):
            refused = await client.post(f"/users/{admin}/erasure")
            assert (refused.status_code, code_of(refused)) == (409, "last_admin")
    # when there is another one
    other = {**_GRACE, "roles": ["admin"], "skills": []}
    answered(await world.admin.post("/users", json=other), 201)
    # then they may go
    answered(await erase(world, admin))


async def test_an_admin_who_was_erased_does_not_come_back_with_the_first_password(
    world: World, runtime: Runtime
) -> None:
    # given
    other = {**_GRACE, "roles": ["admin"], "skills": []}
    answered(await world.admin.post("/users", json=other), 201)
    answered(await erase(world, world.people["admin"]))
    # when the installation starts anew
    await seed(runtime.database, runtime.settings)
    # then
    settings = runtime.settings
    assert settings.admin_password is not None
    password = settings.admin_password.get_secret_value()
    body = {"email": settings.admin_email, "password": password}
    async with world.api.anonymous() as client:
        assert (await client.post("/auth/sign-in", json=body)).status_code == 401


async def test_contacts_and_recipients_go_when_their_time_is_over(
    world: World, database: Database, clock: FixedClock
) -> None:
    # given a claim decided in 2026, whose contact was erased, and mail about it
    user_id = await grace(world)
    answered(await erase(world, user_id))
    to_operator = "notifications.deliveries"
    assert to_operator in await mentions(database, "operator@example.com")
    # when the last day comes that they have to be kept
    clock.set(datetime(2032, 12, 31, 12, tzinfo=UTC))
    await world.deliver(forget_old_recipients)
    assert to_operator in await mentions(database, "operator@example.com")
    clock.set(datetime(2036, 12, 31, 12, tzinfo=UTC))
    await world.deliver(forget_old_contacts, forget_old_recipients)
    # then the contact is still there, and the mail's address is gone
    assert "claims.claims" in await named(database)
    assert to_operator not in await mentions(database, "operator@example.com")
    # and on the next day, nobody is named any more
    clock.advance(timedelta(days=1))
    await world.deliver(forget_old_contacts)
    assert await named(database) == {"platform.audit_entries": 1}


async def test_a_dead_letter_about_somebody_is_rewritten_as_well(
    world: World, database: Database
) -> None:
    # given a fact that a consumer could not take, and one that is no JSON
    user_id = await grace(world)
    async with database.write() as session:
        await session.execute(text(_LETTERS), {"user_id": str(user_id)})
    assert "platform.dead_letters" in await mentions(database, "Brewster")
    # when
    outcome = answered(await erase(world, user_id))
    # then the fact can still be taken, and names nobody
    assert outcome["erased"]["platform.dead_letters"] == 1
    assert set(await named(database)) == {"claims.claims", "platform.audit_entries"}


_LETTERS: Final = """
    INSERT INTO platform.dead_letters (
      id, consumer, stream, event_id, type, content, error, traceback_digest, attempts,
      occurred_at, first_failed_at, failed_at, status, retries, edited)
    SELECT gen_random_uuid(), 'claims', 'identity', kind, kind, content, 'E', 'd', 1,
      now(), now(), now(), 'waiting', 0, false
    FROM (VALUES
      ('unreadable', 'no json'),
      ('identity.UserRegistered', CAST(jsonb_build_object('payload',
        jsonb_build_object('user_id', CAST(:user_id AS text),
          'name', 'Grace Brewster Hopper')) AS text))
    ) letters (kind, content)
"""
