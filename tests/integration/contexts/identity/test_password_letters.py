"""Choosing a password by a letter, with the mail as it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pyotp
import pytest
from sqlalchemy import func, insert, select, update

from robosure.contexts.identity.domain import AuthenticationRules
from robosure.contexts.identity.jobs import (
    forget_password_letters,
    send_password_letters,
)
from robosure.contexts.identity.service.seeding import seed
from robosure.contexts.identity.tables import (
    external_identities,
    identity_providers,
    organisations,
    password_letters,
    users,
)
from robosure.kernel.errors import Invalid, Unavailable
from robosure.kernel.ids import uuid7
from robosure.platform.audit import audit_entries
from robosure.platform.database.behalf import on_behalf_of, organisation
from robosure.platform.mail import Message
from robosure.platform.outbox import outbox
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
    """The insurer, its administrator, and the mail that leaves it."""

    api: ApiClient
    runtime: Runtime
    admin: Person
    deliver: Delivery

    async def ask(self, email: str = ADA, *, source: str = "127.0.0.1") -> int:
        """Ask for a letter."""
        transport = httpx.ASGITransport(app=self.api.app, client=(source, 1))
        base = "http://robosure.test/api/v1"
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            answer = await client.post("/auth/password-reset", json={"email": email})
        return answer.status_code

    async def choose(self, token: str, password: str = OWN) -> httpx.Response:
        """Choose a password."""
        body = {"token": token, "new_password": password}
        return await self.api.anonymous().post(
            "/auth/password-reset/confirm", json=body
        )

    async def invite(self, **changes: Any) -> dict[str, Any]:
        """Register Ada, who is to choose her own password."""
        body = {"email": ADA, "name": "Ada", "roles": ["support"], **changes}
        answer = await self.admin.client.post("/users", json=body)
        user: dict[str, Any] = answered(answer, 201)
        return user

    async def letter(self, email: str = ADA) -> str:
        """Ask for one, and return its token."""
        assert await self.ask(email) == 202
        await self.deliver()
        return token_in(self.mail()[-1])

    def mail(self) -> list[EmailMessage]:
        """Return the letters that left, in their order."""
        return letters_in(self.runtime)

    async def rows(self) -> int:
        """Count the letters that are kept."""
        async with self.runtime.database.read() as session:
            counted = select(func.count()).select_from(password_letters)
            return int(await session.scalar(counted) or 0)

    async def set(self, **values: Any) -> None:
        """Have something be so about Ada, as if it had always been."""
        async with self.runtime.database.write() as session:
            await session.execute(
                update(users).where(users.c.email == ADA).values(**values)
            )


@pytest.fixture
async def house(api: ApiClient, runtime: Runtime, deliver: Delivery) -> House:
    forget_letters(runtime)
    await seed(runtime.database, runtime.settings)
    return House(api, runtime, await signed_in(api), deliver)


async def is_refused(house: House, token: str) -> bool:
    answer = await house.choose(token)
    return (answer.status_code, code_of(answer)) == (401, "invalid_password_token")


async def test_who_has_forgotten_their_password_chooses_another_and_is_signed_out(
    house: House,
) -> None:
    # given Ada, who is signed in somewhere
    user_id = await a_colleague(house.admin)
    ada = await signed_in(house.api, ADA)
    # when she asks for a letter and follows it
    token = await house.letter("ADA@robosure.example")
    answer = await house.choose(token)
    # then she is signed in nowhere
    assert (answer.status_code, answer.content) == (204, b"")
    assert code_of(await ada.me()) == "session_over"
    assert code_of(await ada.refresh()) == "session_over"
    # and by the new password alone
    assert (await attempted(house.api, ADA)).status_code == 401
    await signed_in(house.api, ADA, OWN)
    # and the audit trail says that it was she
    async with house.runtime.database.read() as session:
        entry = select(audit_entries).where(
            audit_entries.c.action == "POST /api/v1/auth/password-reset/confirm"
        )
        entries = (await session.execute(entry)).mappings().all()
        told = (await session.execute(select(outbox))).all()
    assert [str(each["actor"]) for each in entries] == [user_id]
    assert token not in repr(entries)
    # and no fact holds the token
    assert token not in repr(told)


async def test_the_letter_names_whom_it_is_to_and_links_to_the_page(
    house: House,
) -> None:
    await a_colleague(house.admin)
    await house.ask()
    settings = house.runtime.settings.model_copy(
        update={"password_page": "https://app.example/password"}
    )
    await send_password_letters.perform(replace(house.runtime, settings=settings))
    (letter,) = house.mail()
    assert (letter["To"], letter["Subject"]) == (ADA, "Choose a new password")
    link = f"https://app.example/password#token={token_in(letter)}\n"
    assert link in letter.get_content()
    assert "Dear Ada,\n" in letter.get_content()
    assert (await house.choose(token_in(letter))).status_code == 204


async def test_nobody_learns_who_has_an_account(house: House) -> None:
    await a_colleague(house.admin)
    body = {"email": "nobody@robosure.example"}
    strangers = await house.api.anonymous().post("/auth/password-reset", json=body)
    hers = await house.api.anonymous().post("/auth/password-reset", json={"email": ADA})
    assert (strangers.status_code, strangers.content) == (202, b"")
    assert (hers.status_code, hers.content) == (202, b"")
    assert strangers.headers.keys() == hers.headers.keys()
    # what is done until then is the same, too
    async with house.runtime.database.read() as session:
        kept = select(password_letters.c.user_id, password_letters.c.digest)
        assert (await session.execute(kept)).all() == [(None, None)] * 2
    # and of the stranger nothing is kept
    await house.deliver()
    assert [each["To"] for each in house.mail()] == [ADA]
    assert await house.rows() == 1


async def test_a_token_is_kept_as_a_digest_alone(house: House) -> None:
    await a_colleague(house.admin)
    token = await house.letter()
    async with house.runtime.database.read() as session:
        row = (await session.execute(select(password_letters))).one()
    assert row.due_at is None
    assert token not in repr(row)
    assert token.encode() not in row.digest


async def test_other_organisations_do_not_see_letters(house: House) -> None:
    user = await house.invite()
    own = organisation(UUID(user["organisation_id"]), "insurer")
    with on_behalf_of(own):
        assert await house.rows() == 1
    with on_behalf_of(organisation(uuid7(), "operator")):
        assert await house.rows() == 0
    # and what nobody has looked at is the platform's alone
    await house.ask()
    with on_behalf_of(own):
        assert await house.rows() == 1


async def test_a_token_is_good_once(house: House) -> None:
    await a_colleague(house.admin)
    token = await house.letter()
    # when it is used many times at once
    answers = await asyncio.gather(
        *(house.choose(token, f"{OWN} {n}") for n in range(4))
    )
    # then one is right
    statuses = [each.status_code for each in answers]
    assert sorted(statuses) == [204, 401, 401, 401]
    await signed_in(house.api, ADA, f"{OWN} {statuses.index(204)}")
    assert await is_refused(house, token)
    assert await house.rows() == 0


async def test_a_token_is_over_after_half_an_hour(
    house: House, clock: FixedClock
) -> None:
    await a_colleague(house.admin)
    token = await house.letter()
    clock.advance(timedelta(minutes=30))
    assert await is_refused(house, token)
    await signed_in(house.api, ADA, PASSWORD)
    # and then forgotten
    await forget_password_letters.perform(house.runtime)
    assert await house.rows() == 0


async def test_a_newer_letter_ends_the_one_before(
    house: House, clock: FixedClock
) -> None:
    await a_colleague(house.admin)
    first = await house.letter()
    clock.advance(timedelta(minutes=1))
    second = await house.letter()
    assert await is_refused(house, first)
    assert (await house.choose(second)).status_code == 204


async def test_a_refused_password_leaves_the_token_and_everything_as_it_was(
    house: House,
) -> None:
    await a_colleague(house.admin)
    ada = await signed_in(house.api, ADA)
    token = await house.letter()
    for password, code in (
        ("password1234", "password_too_common"),
        ("ada@robosure.example", "password_too_personal"),
    ):
        answer = await house.choose(token, password)
        assert (answer.status_code, code_of(answer)) == (422, code)
    assert (await house.choose(token, "short")).status_code == 422
    assert (await ada.me()).status_code == 200
    assert (await house.choose(token)).status_code == 204


@pytest.mark.parametrize("token", ["", "rbp_", "rbp_" + "A" * 43, "x" * 200])
async def test_what_is_no_token_is_refused(house: House, token: str) -> None:
    await a_colleague(house.admin)
    await house.ask()  # nobody has written it yet
    assert await is_refused(house, token)


async def test_nobody_deactivated_gets_or_uses_one(house: House) -> None:
    await a_colleague(house.admin)
    token = await house.letter()
    # when Ada is deactivated
    await house.set(active=False)
    # then neither is the letter that she has any good, nor is she sent another
    assert await is_refused(house, token)
    await house.ask()
    await house.deliver()
    assert len(house.mail()) == 1


async def test_nobody_gets_one_for_whom_an_identity_provider_vouches(
    house: House,
) -> None:
    user_id = await a_colleague(house.admin)
    async with house.runtime.database.write() as session:
        provider: dict[str, Any] = {
            "id": uuid7(),
            "organisation_id": await session.scalar(select(organisations.c.id)),
            "name": "Acme",
            "kind": "oidc",
            "issuer": "https://idp.example",
            "subject_claim": "sub",
            "client_id": "robosure",
            "sealed_secret": "sealed",
            "scopes": (),
            "role_mapping": {},
            "default_roles": (),
            "enabled": True,
            "just_in_time": True,
            "authentication": AuthenticationRules(),
            "created_at": house.runtime.clock.now(),
            "version": 1,
        }
        await session.execute(insert(identity_providers).values(provider))
        identity = {
            "id": uuid7(),
            "user_id": UUID(user_id),
            "provider_id": provider["id"],
            "issuer": "https://idp.example",
            "subject": "ada",
            "linked_at": house.runtime.clock.now(),
            "version": 1,
        }
        await session.execute(insert(external_identities).values(identity))
    assert await house.ask() == 202
    await house.deliver()
    assert house.mail() == []
    assert await house.rows() == 0


async def test_it_does_not_get_around_a_second_factor(
    house: House, clock: FixedClock
) -> None:
    # given Ada's second factor
    await a_colleague(house.admin)
    ada = await signed_in(house.api, ADA)
    proof = {"password": PASSWORD}
    shown = answered(await ada.client.post("/auth/second-factor", json=proof), 201)
    code = app_code(shown["secret"], clock)
    answered(
        await ada.client.post("/auth/second-factor/confirm", json={"code": code}), 200
    )
    # when she has chosen another password
    assert (await house.choose(await house.letter())).status_code == 204
    # then she is asked for it
    answer = await attempted(house.api, ADA, OWN)
    assert (answer.status_code, code_of(answer)) == (401, "second_factor_required")
    clock.advance(timedelta(seconds=30))
    await signed_in(house.api, ADA, OWN, code=app_code(shown["secret"], clock))


async def test_another_password_ends_letters_too(house: House) -> None:
    await a_colleague(house.admin)
    ada = await signed_in(house.api, ADA)
    token = await house.letter()
    change = {"current_password": PASSWORD, "new_password": OWN}
    assert (await ada.client.post("/auth/password", json=change)).is_success
    assert await is_refused(house, token)


async def test_who_asks_again_and_again_has_to_wait_whoever_it_is_about(
    house: House,
) -> None:
    await a_colleague(house.admin)
    for email in (ADA, "nobody@robosure.example"):
        statuses = [await house.ask(email, source="198.51.100.1") for _ in range(7)]
        assert statuses == [202] * 6 + [429]
        # though not from elsewhere
        assert await house.ask(email, source="198.51.100.2") == 202
    # and nobody waits to sign in for that
    await signed_in(house.api, ADA)


class Stubborn:
    """A mail server that answers as it is told, and keeps what it has taken."""

    repeatable: ClassVar[bool] = False

    def __init__(self, answer: Callable[[], Exception] | None) -> None:
        self.answer = answer
        self.taken: list[Message] = []

    async def send(self, message: Message) -> None:
        if self.answer is not None:
            raise self.answer()
        self.taken.append(message)


async def test_what_is_not_taken_is_written_anew_by_the_sweep(
    house: House, clock: FixedClock
) -> None:
    # given a mail server that is away
    await a_colleague(house.admin)
    await house.ask()
    server = Stubborn(lambda: Unavailable("mail_not_accepted"))
    runtime = replace(house.runtime, mailer=server)
    await send_password_letters.perform(runtime)
    # when it is back
    server.answer = None
    await send_password_letters.perform(runtime)
    assert server.taken == []  # not yet
    clock.advance(timedelta(minutes=1))
    await send_password_letters.perform(runtime)
    # then the letter arrives, once
    clock.advance(timedelta(minutes=2))
    await send_password_letters.perform(runtime)
    (message,) = server.taken
    assert (await house.choose(token_in(message.text))).status_code == 204


async def test_what_comes_too_late_or_never_will_arrive_is_not_tried_again(
    house: House, clock: FixedClock
) -> None:
    await a_colleague(house.admin)
    # given one that was never taken
    await house.ask()
    server = Stubborn(lambda: Unavailable("mail_not_accepted"))
    runtime = replace(house.runtime, mailer=server)
    await send_password_letters.perform(runtime)
    clock.advance(timedelta(minutes=30))
    # and one that is refused for good
    await house.ask()
    server.answer = lambda: Invalid("mail_refused")
    await send_password_letters.perform(runtime)
    # when the server takes everything
    server.answer = None
    clock.advance(timedelta(minutes=5))
    await send_password_letters.perform(runtime)
    assert server.taken == []


async def test_a_late_try_does_not_end_a_newer_letter(
    house: House, clock: FixedClock
) -> None:
    # given a letter that waits to be tried again
    await a_colleague(house.admin)
    await house.ask()
    server = Stubborn(lambda: Unavailable("mail_not_accepted"))
    runtime = replace(house.runtime, mailer=server)
    await send_password_letters.perform(runtime)
    # when a newer one was sent
    clock.advance(timedelta(seconds=30))
    newer = await house.letter()
    clock.advance(timedelta(minutes=5))
    await house.deliver(send_password_letters)
    # then that is the one
    assert len(house.mail()) == 1
    assert (await house.choose(newer)).status_code == 204


async def test_two_workers_send_a_letter_once(house: House) -> None:
    await a_colleague(house.admin)
    await house.ask()
    await house.ask("nobody@robosure.example")
    server = Stubborn(None)
    runtime = replace(house.runtime, mailer=server)
    await asyncio.gather(*(send_password_letters.perform(runtime) for _ in range(4)))
    assert [each.to for each in server.taken] == [ADA]


async def test_who_is_invited_chooses_their_own_first_password(
    house: House, clock: FixedClock
) -> None:
    # given Ada, who was taken in without a password
    await house.invite()
    assert (await attempted(house.api, ADA, "")).status_code == 401
    await house.deliver()
    (letter,) = house.mail()
    assert (letter["To"], letter["Subject"]) == (ADA, "Choose your password")
    # when she follows the letter within three days
    clock.advance(timedelta(hours=71, minutes=59))
    answer = await house.choose(token_in(letter))
    # then she signs in by what she chose
    assert answer.status_code == 204
    ada = await signed_in(house.api, ADA, OWN)
    assert answered(await ada.me())["roles"] == ["support"]


async def test_an_invitation_is_over_after_three_days_and_a_reset_takes_its_place(
    house: House, clock: FixedClock
) -> None:
    await house.invite()
    await house.deliver()
    token = token_in(house.mail()[-1])
    clock.advance(timedelta(hours=72))
    assert await is_refused(house, token)
    assert (await house.choose(await house.letter())).status_code == 204


async def test_an_insurer_invites_people_of_its_customers(house: House) -> None:
    body = {
        "kind": "operator",
        "name": "Acme",
        "email": "office@acme.example",
        "country": "GB",
    }
    headers = {"Idempotency-Key": "acme"}
    made = answered(
        await house.admin.client.post("/organisations", json=body, headers=headers),
        201,
    )
    await house.invite(organisation_id=made["id"], roles=["policyholder"])
    await house.deliver()
    assert (await house.choose(token_in(house.mail()[-1]))).status_code == 204
    await signed_in(house.api, ADA, OWN)


async def test_who_is_given_a_password_gets_no_letter(house: House) -> None:
    await a_colleague(house.admin)
    await house.deliver()
    assert house.mail() == []
    await signed_in(house.api, ADA)


async def test_a_refused_registration_invites_nobody(house: House) -> None:
    body = {"email": ADMIN, "name": "Ada", "roles": ["support"]}
    answer = await house.admin.client.post("/users", json=body)
    assert (answer.status_code, code_of(answer)) == (409, "email_taken")
    await house.deliver()
    assert house.mail() == []
    assert await house.rows() == 0


async def test_erasure_takes_letters_away(house: House) -> None:
    # given one that was sent, and one that nobody has written yet
    user_id = await a_colleague(house.admin)
    token = await house.letter()
    await house.ask()
    # when Ada is exported
    path = f"/users/{user_id}/personal-data"
    export = answered(await house.admin.client.get(path))
    parts = export["contexts"]["identity"]
    kept = {each["category"]: each["records"] for each in parts}
    assert [each["email"] for each in kept["password_letters"]] == [ADA, ADA]
    # and erased
    answered(await house.admin.client.post(f"/users/{user_id}/erasure"), 200)
    # then none is left
    assert await house.rows() == 0
    assert await is_refused(house, token)
    await house.deliver(send_password_letters)
    assert len(house.mail()) == 1


def app_code(secret: str, clock: FixedClock) -> str:
    """Return what the authenticator app shows."""
    return pyotp.TOTP(secret).at(clock.now())
