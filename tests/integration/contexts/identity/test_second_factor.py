"""A second factor at sign-in, and what is sensitive asks for it again."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyotp
import pytest
from redis.asyncio import Redis
from sqlalchemy import select, update

from robosure.contexts.identity.domain import Reading
from robosure.contexts.identity.service.missed_codes import MissedCodes
from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.tables import second_factors, sessions
from robosure.kernel.ids import uuid7
from robosure.platform.audit import audit_entries
from robosure.platform.database import Database
from robosure.platform.settings import Settings
from tests.integration.contexts.identity.people import (
    ADA,
    PASSWORD,
    Person,
    a_colleague,
    attempted,
    signed_in,
)
from tests.journey import answered
from tests.support import ApiClient, FixedClock, code_of

A_KEY = {"name": "Cell 4", "scopes": ["events:write"]}


@pytest.fixture
async def admin(api: ApiClient, database: Database, settings: Settings) -> Person:
    await seed(database, settings)
    return await signed_in(api)


class App:
    """An authenticator app, whose codes are those of the test's clock."""

    def __init__(self, secret: str, clock: FixedClock) -> None:
        self._totp = pyotp.TOTP(secret)
        self._clock = clock
        self.behind = timedelta(0)

    def code(self) -> str:
        """Return a code that was not asked for before: half a minute later."""
        self._clock.advance(timedelta(seconds=30))
        return self._totp.at(self._clock.now() - self.behind)


async def begun(person: Person, password: str = PASSWORD) -> httpx.Response:
    body = {"password": password}
    return await person.client.post("/auth/second-factor", json=body)


async def enrolled(person: Person, clock: FixedClock) -> tuple[App, list[str]]:
    shown = answered(await begun(person), 201)
    app = App(shown["secret"], clock)
    answer = await person.client.post(
        "/auth/second-factor/confirm", json={"code": app.code()}
    )
    assert answer.headers["cache-control"] == "no-store"
    confirmed = answered(answer, 200)
    codes: list[str] = confirmed.pop("recovery_codes")
    person.pair = confirmed
    return app, codes


async def test_who_has_a_second_factor_signs_in_with_it(
    admin: Person, clock: FixedClock
) -> None:
    # given
    app, codes = await enrolled(admin, clock)
    status = answered(await admin.client.get("/auth/second-factor"))
    assert status["confirmed_at"] is not None
    assert status["recovery_codes_left"] == len(codes) == 10
    # when it is left out, then only who knows the password is told
    assert code_of(await attempted(admin.api)) == "second_factor_required"
    wrong = await attempted(admin.api, password="a wrong password")
    assert code_of(wrong) == "invalid_credentials"
    assert code_of(await attempted(admin.api, code="000000")) == "wrong_second_factor"
    # and with it they get in
    person = await signed_in(admin.api, code=app.code())
    assert (await person.me()).is_success


async def test_a_secret_that_is_not_confirmed_asks_for_nothing(admin: Person) -> None:
    # given two that were shown
    first = answered(await begun(admin), 201)
    second = answered(await begun(admin), 201)
    assert first["secret"] != second["secret"]
    assert f"secret={second['secret']}" in second["uri"]
    # then
    assert (await attempted(admin.api)).is_success
    status = answered(await admin.client.get("/auth/second-factor"))
    assert status == {"confirmed_at": None, "recovery_codes_left": 0}
    # and a wrong code confirms nothing
    path = "/auth/second-factor/confirm"
    answer = await admin.client.post(path, json={"code": "000000"})
    assert (answer.status_code, code_of(answer)) == (401, "wrong_second_factor")


async def test_a_code_opens_once(admin: Person, clock: FixedClock) -> None:
    # given
    app, _ = await enrolled(admin, clock)
    code = app.code()
    # when many use it at once
    answers = await asyncio.gather(*(attempted(admin.api, code=code) for _ in range(4)))
    # then it opens for one
    assert sorted(each.status_code for each in answers) == [200, 401, 401, 401]


async def test_a_code_opens_for_thirty_seconds(
    admin: Person, clock: FixedClock
) -> None:
    # given a code at the beginning of its step
    app, _ = await enrolled(admin, clock)
    code = app.code()
    begins = datetime.fromtimestamp(clock.now().timestamp() // 30 * 30, UTC)
    # when it is a moment too late, or too early
    clock.set(begins + timedelta(seconds=30))
    late = await attempted(admin.api, code=code)
    clock.set(begins - timedelta(microseconds=1))
    early = await attempted(admin.api, code=code)
    # then it opens nothing, and in between it does
    assert code_of(late) == code_of(early) == "wrong_second_factor"
    clock.set(begins + timedelta(seconds=29, microseconds=999_999))
    assert (await attempted(admin.api, code=code)).is_success


async def test_a_telephone_that_is_slow_is_learned_at_its_second_code(
    admin: Person, clock: FixedClock
) -> None:
    # given one whose clock is a minute behind
    app, _ = await enrolled(admin, clock)
    app.behind = timedelta(minutes=1)
    clock.advance(timedelta(minutes=2))
    # when the first code is refused, as one that comes late is
    late = app.code()
    assert code_of(await attempted(admin.api, code=late)) == "wrong_second_factor"
    assert code_of(await attempted(admin.api, code=late)) == "wrong_second_factor"
    # then the next one opens, and those after it at once
    for _ in range(2):
        assert (await attempted(admin.api, code=app.code())).is_success
    # and when its clock is put right, that is learned too
    app.behind = timedelta(0)
    clock.advance(timedelta(minutes=2))
    right = app.code()
    assert code_of(await attempted(admin.api, code=right)) == "wrong_second_factor"
    assert (await attempted(admin.api, code=app.code())).is_success


async def test_while_redis_is_away_no_clock_is_learned_and_nobody_is_hindered() -> None:
    # given a Redis that is not there
    async with Redis(port=1) as redis:
        missed, user_id = MissedCodes(redis), uuid7()
        # then nothing is remembered, and nothing fails
        await missed.remember(user_id, Reading(1, -1))
        assert await missed.last_of(user_id) is None


async def test_a_late_hand_is_not_taken_for_a_slow_telephone(
    admin: Person, clock: FixedClock
) -> None:
    # given somebody who types a code when it is over
    app, _ = await enrolled(admin, clock)
    code = app.code()
    clock.advance(timedelta(seconds=30))
    assert code_of(await attempted(admin.api, code=code)) == "wrong_second_factor"
    # when they are in time, and late again
    assert (await attempted(admin.api, code=app.code())).is_success
    code = app.code()
    clock.advance(timedelta(seconds=30))
    again = await attempted(admin.api, code=code)
    # then nothing was learned
    assert code_of(again) == "wrong_second_factor"
    assert (await attempted(admin.api, code=app.code())).is_success


async def test_a_recovery_code_opens_once(admin: Person, clock: FixedClock) -> None:
    _, codes = await enrolled(admin, clock)
    person = await signed_in(admin.api, code=codes[0])
    again = await attempted(admin.api, code=codes[0])
    assert code_of(again) == "wrong_second_factor"
    status = answered(await person.client.get("/auth/second-factor"))
    assert status["recovery_codes_left"] == 9


async def test_new_recovery_codes_end_the_old_ones(
    admin: Person, clock: FixedClock
) -> None:
    app, old = await enrolled(admin, clock)
    path = "/auth/second-factor/recovery-codes"
    body = {"code": app.code()}
    new = answered(await admin.client.post(path, json=body), 201)["recovery_codes"]
    assert not set(new) & set(old)
    refused = await attempted(admin.api, code=old[0])
    assert code_of(refused) == "wrong_second_factor"
    assert (await attempted(admin.api, code=new[0])).is_success


async def test_guessing_codes_is_slowed_down(admin: Person, clock: FixedClock) -> None:
    await enrolled(admin, clock)
    guesses = [
        code_of(await attempted(admin.api, code=f"{n:06}")) for n in range(100, 107)
    ]
    assert guesses == ["wrong_second_factor"] * 6 + ["sign_in_delayed"]
    # when an open session guesses instead
    proofs = [
        code_of(await admin.client.post("/auth/proof", json={"code": f"{n:06}"}))
        for n in range(100, 107)
    ]
    assert proofs == ["wrong_second_factor"] * 6 + ["sign_in_delayed"]


async def test_what_is_sensitive_asks_again_after_five_minutes(
    admin: Person, clock: FixedClock
) -> None:
    # given
    app, _ = await enrolled(admin, clock)
    assert (await admin.client.post("/api-keys", json=A_KEY)).status_code == 201
    clock.advance(timedelta(minutes=5))
    # when
    refused = await admin.client.post("/api-keys", json=A_KEY)
    # then the answer says what would help (RFC 9470)
    assert refused.status_code == 401
    assert code_of(refused) == "insufficient_user_authentication"
    assert refused.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", max_age=300'
    )
    # and neither refreshing nor the password does
    admin.pair = answered(await admin.refresh())
    again = await admin.client.post("/api-keys", json=A_KEY)
    assert code_of(again) == "insufficient_user_authentication"
    lazy = await admin.client.post("/auth/proof", json={"password": PASSWORD})
    assert code_of(lazy) == "second_factor_required"
    # but the second factor
    proof = await admin.client.post("/auth/proof", json={"code": app.code()})
    assert proof.headers["cache-control"] == "no-store"
    admin.pair |= answered(proof, 200)
    assert (await admin.client.post("/api-keys", json=A_KEY)).status_code == 201
    # also with a token that is refreshed meanwhile
    admin.pair = answered(await admin.refresh())
    assert (await admin.client.post("/api-keys", json=A_KEY)).status_code == 201


async def test_who_has_no_second_factor_proves_it_by_the_password(
    admin: Person, clock: FixedClock
) -> None:
    # given
    clock.advance(timedelta(minutes=5))
    refused = await begun(admin)
    assert code_of(refused) == "insufficient_user_authentication"
    wrong = await admin.client.post("/auth/proof", json={"password": "a wrong one"})
    assert (wrong.status_code, code_of(wrong)) == (403, "wrong_password")
    # when
    proof = await admin.client.post("/auth/proof", json={"password": PASSWORD})
    admin.pair |= answered(proof, 200)
    # then
    assert (await begun(admin)).status_code == 201


SENSITIVE: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/api-keys", A_KEY),
    (
        "POST",
        "/users",
        {"email": "b@robosure.example", "name": "B", "password": PASSWORD,
         "roles": ["support"]},
    ),
    ("PATCH", "/users/{user}", {"roles": ["risk_analyst"]}),
    ("PATCH", "/users/{user}", {"active": False}),
    ("DELETE", "/users/{user}/second-factor", None),
    ("POST", "/auth/second-factor", {}),
    ("POST", "/auth/second-factor/removal", {"code": "000000"}),
    ("POST", "/auth/second-factor/recovery-codes", {"code": "000000"}),
    ("POST", "/claims/{user}/approve", {}),
    ("POST", "/claims/{user}/payout", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), SENSITIVE)
async def test_everything_sensitive_asks_again(
    admin: Person,
    clock: FixedClock,
    method: str,
    path: str,
    body: dict[str, Any] | None,
) -> None:
    # given
    user_id = await a_colleague(admin)
    clock.advance(timedelta(minutes=5))
    # when
    answer = await admin.client.request(method, path.format(user=user_id), json=body)
    # then
    assert answer.status_code == 401
    assert code_of(answer) == "insufficient_user_authentication"


async def test_another_name_is_not_sensitive(admin: Person, clock: FixedClock) -> None:
    user_id = await a_colleague(admin)
    clock.advance(timedelta(minutes=5))
    body = {"name": "Ada Lovelace", "skills": ["collision"]}
    assert (await admin.client.patch(f"/users/{user_id}", json=body)).is_success


async def test_an_api_key_cannot_prove_who_it_is(admin: Person) -> None:
    # given a key that may make keys
    body = {"name": "of a system", "scopes": ["api-keys:manage"]}
    key = answered(await admin.client.post("/api-keys", json=body), 201)["key"]
    system = admin.api.anonymous()
    system.headers["X-API-Key"] = key
    assert (await system.get("/api-keys")).is_success
    # when
    answer = await system.post("/api-keys", json=A_KEY)
    # then
    assert (answer.status_code, code_of(answer)) == (403, "person_required")
    for path in ("/auth/proof", "/auth/second-factor"):
        assert code_of(await system.post(path, json={})) == "person_required"


async def test_an_installation_may_want_a_second_factor_for_what_is_sensitive(
    admin: Person, clock: FixedClock
) -> None:
    # given a session that began otherwise, as by single sign-on
    with admin.api.with_settings(require_second_factor=True):
        refused = await admin.client.post("/api-keys", json=A_KEY)
        assert refused.status_code == 403
        assert code_of(refused) == "second_factor_required"
        # when they set one up, which takes none
        await enrolled(admin, clock)
        # then
        assert (await admin.client.post("/api-keys", json=A_KEY)).status_code == 201


async def test_where_two_factors_are_wanted_a_password_sets_up_the_second_alone(
    api: ApiClient, database: Database, settings: Settings, clock: FixedClock
) -> None:
    await seed(database, settings)
    with api.with_settings(require_second_factor=True):
        # given somebody who has none
        admin = await signed_in(api)
        # when they do anything else, whichever way they keep signed in
        admin.pair = answered(await admin.refresh())
        proof = await admin.client.post("/auth/proof", json={"password": PASSWORD})
        admin.pair = answered(proof)
        refused = [
            await admin.client.get("/users"),
            await admin.client.post("/api-keys", json=A_KEY),
            await admin.client.get("/auth/sessions"),
            await admin.client.post("/auth/password", json={}),
            await admin.client.post("/events", json=[]),
        ]
        # then it is refused
        assert [(each.status_code, code_of(each)) for each in refused] == [
            (403, "second_factor_setup_required")
        ] * len(refused)
        # but not to look who one is, and to set one up
        assert answered(await admin.me())["name"] == "Administrator"
        assert (await admin.client.get("/auth/second-factor")).is_success
        app, _ = await enrolled(admin, clock)
        # and then everything goes, by the tokens of that
        assert (await admin.client.post("/api-keys", json=A_KEY)).status_code == 201
        admin.pair = answered(await admin.refresh())
        assert (await admin.client.get("/users")).is_success
        # also after the next sign-in, which asks for it
        assert code_of(await attempted(api)) == "second_factor_required"
        admin = await signed_in(api, code=app.code())
        assert (await admin.client.get("/users")).is_success


async def test_who_may_only_set_up_a_second_factor_may_sign_out(
    api: ApiClient, database: Database, settings: Settings
) -> None:
    await seed(database, settings)
    with api.with_settings(require_second_factor=True):
        admin = await signed_in(api)
        assert (await admin.client.post("/auth/sign-out")).status_code == 204


async def test_who_removes_theirs_where_it_is_wanted_sets_up_another(
    api: ApiClient, database: Database, settings: Settings, clock: FixedClock
) -> None:
    await seed(database, settings)
    with api.with_settings(require_second_factor=True):
        admin = await signed_in(api)
        app, _ = await enrolled(admin, clock)
        body = {"code": app.code()}
        removed = await admin.client.post("/auth/second-factor/removal", json=body)
        assert removed.status_code == 204
        # when they prove who they are by what is left
        proof = await admin.client.post("/auth/proof", json={"password": PASSWORD})
        admin.pair = answered(proof)
        # then that is too little
        refused = await admin.client.get("/users")
        assert code_of(refused) == "second_factor_setup_required"
        await enrolled(admin, clock)
        assert (await admin.client.get("/users")).is_success


async def test_a_second_factor_is_removed_by_its_owner(
    admin: Person, clock: FixedClock
) -> None:
    # given
    await a_colleague(admin)
    ada = await signed_in(admin.api, ADA)
    app, _ = await enrolled(ada, clock)
    assert code_of(await begun(ada)) == "second_factor_exists"
    # when she removes it
    other = await signed_in(admin.api, ADA, code=app.code())
    path = "/auth/second-factor/removal"
    removed = await ada.client.post(path, json={"code": app.code()})
    assert removed.status_code == 204
    # then it is asked for no more, and her other sessions are over
    assert (await attempted(admin.api, ADA)).is_success
    assert code_of(await other.me()) == "session_over"
    assert (await ada.me()).is_success
    missing = await ada.client.post(path, json={"code": app.code()})
    assert (missing.status_code, code_of(missing)) == (401, "wrong_second_factor")


async def test_a_copied_token_sets_up_no_second_factor(
    admin: Person, clock: FixedClock
) -> None:
    # given a token of a moment ago, of somebody who has none
    thief = Person(admin.api, dict(admin.pair))
    refused = await begun(thief, "a wrong password")
    assert (refused.status_code, code_of(refused)) == (403, "wrong_password")
    # and when they have one
    app, _ = await enrolled(admin, clock)
    thief.pair = dict(admin.pair)
    for path in ("recovery-codes", "removal"):
        answer = await thief.client.post(
            f"/auth/second-factor/{path}", json={"code": "000000"}
        )
        assert code_of(answer) == "wrong_second_factor"
    # then nothing is changed
    status = answered(await admin.client.get("/auth/second-factor"))
    assert status["recovery_codes_left"] == 10
    assert (await attempted(admin.api, code=app.code())).is_success


async def test_a_confirmed_second_factor_ends_sessions_that_began_without(
    admin: Person, clock: FixedClock
) -> None:
    other = await signed_in(admin.api)
    await enrolled(admin, clock)
    assert code_of(await other.refresh()) == "session_over"
    assert (await admin.refresh()).is_success


async def test_a_session_that_is_over_cannot_be_proven_on(
    admin: Person, clock: FixedClock, database: Database
) -> None:
    # given one whose seven days are over, and a token of its last minutes
    async with database.write() as session:
        await session.execute(update(sessions).values(expires_at=clock.now()))
    assert (await admin.me()).is_success
    # then
    answer = await admin.client.post("/auth/proof", json={"password": PASSWORD})
    assert (answer.status_code, code_of(answer)) == (401, "session_over")


async def test_nobody_removes_that_of_another_organisation(
    admin: Person, api: ApiClient, clock: FixedClock
) -> None:
    user_id = await a_colleague(admin)
    await enrolled(await signed_in(api, ADA), clock)
    stranger = api.as_("operator_admin", kind="operator")
    answer = await stranger.delete(f"/users/{user_id}/second-factor")
    assert (answer.status_code, code_of(answer)) == (404, "user_not_found")


async def test_neither_the_database_nor_the_trail_holds_what_opens(
    admin: Person, clock: FixedClock, database: Database
) -> None:
    # given
    shown = answered(await begun(admin), 201)
    app = App(shown["secret"], clock)
    code = app.code()
    body = {"code": code}
    answer = await admin.client.post("/auth/second-factor/confirm", json=body)
    codes = answered(answer, 200)["recovery_codes"]
    # then
    async with database.read() as session:
        kept = (await session.execute(select(second_factors))).all()
        trail = (await session.execute(select(audit_entries))).all()
    for secret in (shown["secret"], *codes):
        assert secret not in str(kept)
        assert secret not in str(trail)
    assert kept[0].sealed_secret not in str(trail)
    assert not any(digest in str(trail) for digest in kept[0].recovery_digests)
