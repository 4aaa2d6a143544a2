"""Staying signed in with refresh tokens, and everything that ends it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from robosure.contexts.identity.domain import Ending, Factor
from robosure.contexts.identity.jobs import forget_sessions
from robosure.contexts.identity.repository import (
    SqlCustomRoles,
    SqlOrganisations,
    SqlSessions,
    SqlUsers,
)
from robosure.contexts.identity.service.roles import Roles
from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.service.sessions import Client, SessionService
from robosure.contexts.identity.tables import sessions, users
from robosure.kernel.errors import Unauthenticated
from robosure.platform.database import Database, WriteSession
from robosure.platform.runtime import Runtime
from robosure.platform.security import EndedSessions, RoleCatalogue
from robosure.platform.settings import Settings
from tests.integration.contexts.identity.people import (
    ADA,
    ADMIN,
    PASSWORD,
    Person,
    a_colleague,
    attempted,
    refreshed,
    signed_in,
)
from tests.journey import answered
from tests.support import ApiClient, FixedClock, code_of

OTHER_PASSWORD = "staple at the edge of it"


@pytest.fixture
async def admin(api: ApiClient, database: Database, settings: Settings) -> Person:
    await seed(database, settings)
    return await signed_in(api)


async def test_a_refresh_token_gets_the_next_pair(
    admin: Person, clock: FixedClock
) -> None:
    # given an access token that is over
    clock.advance(timedelta(minutes=10))
    assert code_of(await admin.me()) == "token_expired"
    # when
    answer = await admin.refresh()
    # then the session goes on
    pair = answered(answer, 200)
    assert answer.headers["cache-control"] == "no-store"
    assert pair["refresh_token"] != admin.pair["refresh_token"]
    assert pair["refresh_expires_in"] == 7 * 24 * 3_600 - 600
    before, admin.pair = admin.pair, pair
    me = answered(await admin.me())
    assert (me["name"], me["roles"]) == ("Administrator", ["admin"])
    # and is the same
    theirs = answered(await admin.client.get("/auth/sessions"))["items"]
    assert [(each["id"], each["current"]) for each in theirs] == [
        (me["session_id"], True)
    ]
    assert before["refresh_expires_in"] == 7 * 24 * 3_600


async def test_a_spent_token_ends_the_whole_family(
    admin: Person, clock: FixedClock, database: Database
) -> None:
    # given a thief who has copied a token, and its owner who went on
    stolen = admin.pair["refresh_token"]
    admin.pair = answered(await admin.refresh())
    clock.advance(timedelta(seconds=10))
    # when the thief uses it
    answer = await refreshed(admin.api, stolen)
    # then nobody has the session any more
    assert (answer.status_code, code_of(answer)) == (401, "refresh_token_reused")
    assert code_of(await admin.refresh()) == "session_over"
    assert code_of(await admin.me()) == "session_over"
    async with database.read() as session:
        because = await session.scalar(select(sessions.c.ended_because))
    assert because == "refresh_token_reused"


async def test_a_lost_answer_may_be_asked_for_again_for_ten_seconds(
    admin: Person, clock: FixedClock
) -> None:
    first = answered(await admin.refresh())
    clock.advance(timedelta(seconds=9))
    again = answered(await admin.refresh())
    assert again["refresh_token"] == first["refresh_token"]
    # and that one goes on
    assert (await refreshed(admin.api, again["refresh_token"])).is_success
    # but then the first of all is spent
    assert code_of(await admin.refresh()) == "refresh_token_reused"


async def test_many_that_refresh_at_once_get_the_same_token(admin: Person) -> None:
    answers = await asyncio.gather(*(admin.refresh() for _ in range(20)))
    tokens = {answered(each, 200)["refresh_token"] for each in answers}
    assert len(tokens) == 1
    assert (await refreshed(admin.api, tokens.pop())).is_success


async def test_a_session_ends_unused_and_in_the_end_anyway(
    admin: Person, clock: FixedClock, settings: Settings
) -> None:
    # given one that lies unused
    idle = timedelta(seconds=settings.session_idle_seconds)
    lifetime = timedelta(seconds=settings.session_seconds)
    clock.advance(idle)
    assert code_of(await admin.refresh()) == "session_over"
    # when another is carried on
    admin = await signed_in(admin.api)
    begun = clock.now()
    while clock.now() + idle / 2 < begun + lifetime:
        clock.advance(idle / 2)
        admin.pair = answered(await admin.refresh())
    # then it is over in the end
    clock.set(begun + lifetime)
    assert code_of(await admin.refresh()) == "session_over"


async def test_signing_out_ends_this_session_at_once_and_no_other(
    admin: Person,
) -> None:
    # given
    other = await signed_in(admin.api)
    # when
    assert (await admin.client.post("/auth/sign-out")).status_code == 204
    # then
    assert code_of(await admin.me()) == "session_over"
    assert code_of(await admin.refresh()) == "session_over"
    assert (await other.me()).is_success


async def test_a_proof_makes_new_tokens_and_ends_those_before_it(
    admin: Person, clock: FixedClock
) -> None:
    # given somebody, another session of theirs, and a copy of their tokens
    other, thief = await signed_in(admin.api), Person(admin.api, dict(admin.pair))
    # when they prove again who they are
    answer = await admin.client.post("/auth/proof", json={"password": PASSWORD})
    admin.pair = answered(answer, 200)
    # then neither token of before opens anything, and the new ones do
    assert code_of(await thief.me()) == "token_superseded"
    assert code_of(await thief.refresh()) == "token_superseded"
    assert (await admin.me()).is_success
    admin.pair = answered(await admin.refresh())
    assert (await admin.me()).is_success
    assert (await other.me()).is_success
    # and a copy that comes back later ends the session, like any that is spent
    clock.advance(timedelta(seconds=10))
    assert code_of(await thief.refresh()) == "refresh_token_reused"


async def test_of_two_proofs_at_once_with_one_token_one_counts(admin: Person) -> None:
    answers = await asyncio.gather(
        *(admin.client.post("/auth/proof", json={"password": PASSWORD}) for _ in "12")
    )
    assert sorted(each.status_code for each in answers) == [200, 401]
    (refused,) = [each for each in answers if each.status_code == 401]
    assert code_of(refused) == "token_superseded"
    (pair,) = [each.json() for each in answers if each.is_success]
    assert (await Person(admin.api, pair).me()).is_success


async def test_what_another_process_saw_proven_is_known_within_a_second(
    admin: Person, database: Database, clock: FixedClock
) -> None:
    # given a proof at another process, just now
    assert (await admin.me()).is_success
    async with database.write() as session:
        proven = {"generation": 2, "proven_generation": 2}
        await session.execute(
            update(sessions).values(authenticated_at=clock.now(), **proven)
        )
    # when
    await asyncio.sleep(1.1)
    # then
    assert code_of(await admin.me()) == "token_superseded"


async def test_one_sees_where_one_is_signed_in_and_ends_what_is_lost(
    admin: Person,
) -> None:
    # given
    phone = await signed_in(admin.api, agent="a lost telephone")
    listed = answered(await admin.client.get("/auth/sessions"))["items"]
    assert [(each["user_agent"], each["current"]) for each in listed] == [
        ("a lost telephone", False),
        ("tests", True),
    ]
    # when
    path = f"/auth/sessions/{listed[0]['id']}"
    assert (await admin.client.delete(path)).status_code == 204
    assert (await admin.client.delete(path)).status_code == 204
    # then
    assert code_of(await phone.me()) == "session_over"
    left = answered(await admin.client.get("/auth/sessions"))["items"]
    assert [each["user_agent"] for each in left] == ["tests"]


async def test_nobody_ends_or_sees_a_session_of_somebody_else(admin: Person) -> None:
    # given
    await a_colleague(admin)
    ada = await signed_in(admin.api, ADA)
    session_id = answered(await admin.me())["session_id"]
    # when
    answer = await ada.client.delete(f"/auth/sessions/{session_id}")
    # then
    assert (answer.status_code, code_of(answer)) == (404, "session_not_found")
    assert session_id not in (await ada.client.get("/auth/sessions")).text
    assert (await admin.me()).is_success


@pytest.mark.parametrize(
    "change", [{"active": False}, {"roles": ["risk_analyst"]}, None]
)
async def test_who_loses_access_is_signed_out_at_once(
    admin: Person, change: dict[str, Any] | None
) -> None:
    # given
    user_id = await a_colleague(admin)
    ada = [await signed_in(admin.api, ADA) for _ in range(2)]
    # when their roles or standing change, or an admin signs them out
    if change is None:
        answer = await admin.client.delete(f"/users/{user_id}/sessions")
    else:
        answer = await admin.client.patch(f"/users/{user_id}", json=change)
    assert answer.is_success
    # then
    for each in ada:
        assert code_of(await each.me()) == "session_over"
        assert code_of(await each.refresh()) == "session_over"
    assert (await admin.me()).is_success


async def test_another_name_ends_no_session(admin: Person) -> None:
    user_id = await a_colleague(admin)
    ada = await signed_in(admin.api, ADA)
    body = {"name": "Ada Lovelace"}
    answered(await admin.client.patch(f"/users/{user_id}", json=body))
    assert (await ada.me()).is_success
    # and the next token has it
    ada.pair = answered(await ada.refresh())
    assert answered(await ada.me())["name"] == "Ada Lovelace"


async def test_another_password_ends_every_session(admin: Person) -> None:
    # given
    other = await signed_in(admin.api)
    # when
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    answer = await admin.client.post("/auth/password", json=body)
    # then
    assert answer.status_code == 204
    for each in (admin, other):
        assert code_of(await each.me()) == "session_over"
        assert code_of(await each.refresh()) == "session_over"
    # and only the new one opens
    refused = await attempted(admin.api)
    assert code_of(refused) == "invalid_credentials"
    assert (await (await signed_in(admin.api, password=OTHER_PASSWORD)).me()).is_success


@pytest.mark.parametrize(
    ("current", "new", "status", "code"),
    [
        ("a wrong password", OTHER_PASSWORD, 403, "wrong_password"),
        (PASSWORD, "Password-1234", 422, "password_too_common"),
        (PASSWORD, "Administrator", 422, "password_too_personal"),
        (PASSWORD, "short", 422, "invalid_request"),
    ],
)
async def test_a_password_is_not_changed_without_the_old_one_or_to_a_weak_one(
    admin: Person, current: str, new: str, status: int, code: str
) -> None:
    body = {"current_password": current, "new_password": new}
    answer = await admin.client.post("/auth/password", json=body)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert (await admin.me()).is_success
    assert (await (await signed_in(admin.api)).me()).is_success


async def test_guessing_the_current_password_is_slowed_down(admin: Person) -> None:
    body = {"current_password": "a wrong password", "new_password": OTHER_PASSWORD}
    codes = [
        code_of(await admin.client.post("/auth/password", json=body)) for _ in range(7)
    ]
    assert codes == ["wrong_password"] * 6 + ["sign_in_delayed"]


async def test_a_session_that_another_process_ended_is_over_within_a_second(
    admin: Person, database: Database, clock: FixedClock
) -> None:
    # given another process that has just ended it
    assert (await admin.me()).is_success
    async with database.write() as session:
        await session.execute(
            update(sessions).values(ended_at=clock.now(), ended_because="revoked")
        )
    # when
    await asyncio.sleep(1.1)
    # then
    assert code_of(await admin.me()) == "session_over"


async def test_a_token_of_no_session_is_refused(api: ApiClient, admin: Person) -> None:
    for token in ("", "rbr_nothing", "x" * 200):
        answer = await refreshed(api, token)
        assert answer.status_code == 401, token
        assert code_of(answer) == "invalid_refresh_token"


async def test_a_session_that_is_forgotten_is_over(
    admin: Person, runtime: Runtime, clock: FixedClock, database: Database
) -> None:
    # given one that is over for thirty days, and one that is not
    await admin.client.post("/auth/sign-out")
    clock.advance(timedelta(days=29))
    kept = await signed_in(admin.api)
    clock.advance(timedelta(days=1, seconds=1))
    # when
    await forget_sessions.perform(runtime)
    # then
    async with database.read() as session:
        assert len((await session.execute(select(sessions.c.id))).all()) == 1
    assert code_of(await admin.refresh()) == "session_over"
    assert code_of(await kept.refresh()) == "session_over"


async def test_a_person_without_an_account_has_no_password_to_change(
    api: ApiClient, admin: Person
) -> None:
    body = {"current_password": PASSWORD, "new_password": OTHER_PASSWORD}
    answer = await api.as_("admin").post("/auth/password", json=body)
    assert (answer.status_code, code_of(answer)) == (403, "person_required")


async def test_the_database_holds_nothing_that_opens(
    admin: Person, database: Database
) -> None:
    async with database.read() as session:
        rows = (await session.execute(select(sessions, users).join(users))).all()
    assert rows
    assert admin.pair["refresh_token"] not in str(rows)
    assert PASSWORD not in str(rows)


@pytest.mark.parametrize("change", [{"active": False}, {"password_hash": "another"}])
async def test_a_sign_in_under_way_begins_nothing_for_who_lost_access_meanwhile(
    admin: Person, runtime: Runtime, database: Database, change: dict[str, Any]
) -> None:
    async with database.write() as session:
        # given somebody whose password was found right just now
        user = await SqlUsers(session).with_email(ADMIN)
        assert user is not None
        # when they lose access before their session begins
        async with database.write() as other:
            await other.execute(update(users).values(**change))
        # then it does not
        with pytest.raises(Unauthenticated, match="invalid credentials"):
            await service_on(session, runtime).begin(
                user, factors=[Factor.PASSWORD], client=Client("198.51.100.7", None)
            )


async def test_who_ends_all_sessions_waits_for_one_that_is_beginning(
    admin: Person, runtime: Runtime, database: Database, clock: FixedClock
) -> None:
    async def end_all(user_id: UUID) -> None:
        async with database.write() as session:
            theirs = SqlSessions(session, ended=nobody_ended())
            await theirs.end_all_of(user_id, Ending.REVOKED, at=clock.now())

    async with database.write() as session:
        user = await SqlUsers(session).with_email(ADMIN)
        assert user is not None
        await service_on(session, runtime).begin(
            user, factors=[Factor.PASSWORD], client=Client("198.51.100.7", None)
        )
        await session.flush()
        ending = asyncio.create_task(end_all(user.id))
        await asyncio.sleep(0.2)
        assert not ending.done()
    await ending
    async with database.read() as reading:
        left = select(sessions.c.id).where(sessions.c.ended_at.is_(None))
        assert (await reading.scalars(left)).all() == []


async def test_who_is_no_longer_active_carries_no_session_on(
    admin: Person, database: Database
) -> None:
    # given a session that was not ended with their access
    async with database.write() as session:
        await session.execute(update(users).values(active=False))
    # then
    assert code_of(await admin.refresh()) == "session_over"
    proof = await admin.client.post("/auth/proof", json={"password": PASSWORD})
    assert code_of(proof) == "session_over"


def nobody_ended() -> EndedSessions:
    async def look(_since: datetime) -> Mapping[UUID, float]:
        return {}

    return EndedSessions(look, kept=timedelta(minutes=10))


def service_on(session: WriteSession, runtime: Runtime) -> SessionService:
    return SessionService(
        SqlSessions(session, ended=nobody_ended()),
        users=SqlUsers(session),
        organisations=SqlOrganisations(session),
        roles=Roles(SqlCustomRoles(session), catalogue=RoleCatalogue([])),
        settings=runtime.settings,
        clock=runtime.clock,
    )
