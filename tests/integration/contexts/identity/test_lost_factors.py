"""Who lost their second factor is identified anew before they set up another one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pyotp
import pytest
from sqlalchemy import select

from robosure.contexts.identity.service.seeding import seed
from robosure.platform.audit import audit_entries
from robosure.platform.runtime import Runtime
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
from tests.journey import answered
from tests.support import ApiClient, Delivery, FixedClock, code_of

OWN = "staple at the edge of it"


@dataclass
class House:
    """An administrator, and Ada, who has lost her second factor."""

    admin: Person
    ada: Person
    ada_id: str
    codes: list[str]
    runtime: Runtime
    deliver: Delivery

    async def lose(self) -> httpx.Response:
        """Say that Ada's is lost."""
        return await self.admin.client.delete(f"/users/{self.ada_id}/second-factor")

    async def letter(self) -> str:
        """Sign in by Ada's password alone, and return the token that is sent."""
        refused = await attempted(self.admin.api, ADA)
        assert (refused.status_code, code_of(refused)) == (401, "second_factor_lost")
        await self.deliver()
        newest = letters_in(self.runtime)[-1]
        assert newest["To"] == ADA
        return token_in(newest)


@pytest.fixture
async def house(
    api: ApiClient, runtime: Runtime, deliver: Delivery, clock: FixedClock
) -> House:
    forget_letters(runtime)
    await seed(runtime.database, runtime.settings)
    admin = await signed_in(api)
    ada_id = await a_colleague(admin)
    ada = await signed_in(api, ADA)
    codes = await enrolled(ada, clock)
    return House(admin, ada, ada_id, codes, runtime, deliver)


async def enrolled(person: Person, clock: FixedClock) -> list[str]:
    """Set up a second factor, and go on by what that answers."""
    begun = await person.client.post("/auth/second-factor", json={"password": PASSWORD})
    clock.advance(timedelta(seconds=30))
    code = pyotp.TOTP(answered(begun, 201)["secret"]).at(clock.now())
    confirmed = await person.client.post(
        "/auth/second-factor/confirm", json={"code": code}
    )
    person.pair = answered(confirmed)
    codes: list[str] = person.pair.pop("recovery_codes")
    return codes


async def test_who_lost_theirs_signs_in_by_password_and_letter_and_sets_up_another(
    house: House, clock: FixedClock
) -> None:
    api = house.admin.api
    # when an administrator takes it off
    assert (await house.lose()).status_code == 204
    # then she is signed out, and the password alone opens nothing
    assert code_of(await house.ada.me()) == "session_over"
    assert code_of(await attempted(api, ADA)) == "second_factor_lost"
    by_recovery = await attempted(api, ADA, code=house.codes[0])
    assert code_of(by_recovery) == "wrong_second_factor"
    # but with what is sent to her address
    ada = await signed_in(api, ADA, code=await house.letter())
    # and that is good for another second factor, and for nothing else
    refused = await ada.client.get("/auth/sessions")
    assert (refused.status_code, code_of(refused)) == (
        403,
        "second_factor_setup_required",
    )
    await enrolled(ada, clock)
    assert (await ada.client.get("/auth/sessions")).is_success
    assert code_of(await attempted(api, ADA)) == "second_factor_required"


async def test_both_are_told_by_mail_and_the_trail_knows(house: House) -> None:
    # when
    await house.lose()
    await house.deliver()
    # then
    told = letters_in(house.runtime)
    assert {each["To"] for each in told} == {ADA, ADMIN}
    for each in told:
        assert each["Subject"] == "A second factor was taken off"
        assert f"Ada ({ADA})" in each.get_content()
        assert "rbp_" not in each.get_content()
    async with house.runtime.database.read() as session:
        entry = select(audit_entries.c.subject).where(
            audit_entries.c.action == "DELETE /api/v1/users/{user_id}/second-factor"
        )
        subjects = (await session.scalars(entry)).all()
    assert [each["user_id"] for each in subjects] == [house.ada_id]


async def test_who_does_not_know_the_password_is_sent_nothing(house: House) -> None:
    # given
    await house.lose()
    await house.deliver()
    before = len(letters_in(house.runtime))
    # when
    refused = await attempted(house.admin.api, ADA, "a wrong password")
    await house.deliver()
    # then
    assert code_of(refused) == "invalid_credentials"
    assert len(letters_in(house.runtime)) == before


async def test_a_letter_opens_once_and_for_ten_minutes_and_the_last_one_alone(
    house: House, clock: FixedClock
) -> None:
    api = house.admin.api
    await house.lose()
    # given one that was followed by another
    first = await house.letter()
    second = await house.letter()
    assert code_of(await attempted(api, ADA, code=first)) == "wrong_second_factor"
    # when many use that at once
    answers = await asyncio.gather(
        *(attempted(api, ADA, code=second) for _ in range(3))
    )
    # then it opens for one
    assert sorted(each.status_code for each in answers) == [200, 401, 401]
    # and another is over after ten minutes
    clock.advance(timedelta(minutes=10))
    third = await house.letter()
    clock.advance(timedelta(minutes=10))
    assert code_of(await attempted(api, ADA, code=third)) == "wrong_second_factor"


async def test_a_letter_opens_nothing_else(house: House) -> None:
    # given
    await house.lose()
    token = await house.letter()
    anonymous = house.admin.api.anonymous()
    # when it is taken for one that chooses a password
    body = {"token": token, "new_password": OWN}
    answer = await anonymous.post("/auth/password-reset/confirm", json=body)
    assert code_of(answer) == "invalid_password_token"
    # or for somebody else's
    admins = await attempted(house.admin.api, ADMIN, "a wrong password", code=token)
    assert code_of(admins) == "invalid_credentials"
    # then it is good still, also after a letter for another password
    await anonymous.post("/auth/password-reset", json={"email": ADA})
    await house.deliver()
    reset = token_in(letters_in(house.runtime)[-1])
    as_code = await attempted(house.admin.api, ADA, code=reset)
    assert code_of(as_code) == "wrong_second_factor"
    assert (await attempted(house.admin.api, ADA, code=token)).is_success


async def test_one_that_is_lost_stays_so_until_another_is_confirmed(
    house: House, clock: FixedClock
) -> None:
    api = house.admin.api
    await house.lose()
    # given somebody who begins another, and goes away
    ada = await signed_in(api, ADA, code=await house.letter())
    body = {"password": PASSWORD}
    assert (await ada.client.post("/auth/second-factor", json=body)).is_success
    # then the password alone opens nothing still
    assert code_of(await attempted(api, ADA)) == "second_factor_lost"
    # and an administrator may say so again
    assert (await house.lose()).status_code == 204
    assert code_of(await ada.me()) == "session_over"


async def test_who_has_none_loses_none(house: House) -> None:
    user_id = await a_colleague(house.admin, "b@robosure.example")
    answer = await house.admin.client.delete(f"/users/{user_id}/second-factor")
    assert (answer.status_code, code_of(answer)) == (404, "second_factor_not_found")
