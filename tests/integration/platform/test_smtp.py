"""Mail over SMTP, against a real server that can be told what to answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from robosure.entrypoints.stack.ports import choose_port
from robosure.kernel.errors import DomainError, Invalid, Unavailable
from robosure.platform.mail import MailUncertain, Message, SmtpMailer
from robosure.platform.settings import Settings

MESSAGE = Message(
    to="alice@example.com",
    subject="Bound",
    text="Your policy is bound.",
    html=None,
    message_id="delivery-1",
)


class Server:
    """Takes mail, unless told to answer otherwise."""

    def __init__(self) -> None:
        self.recipient_answer = "250 OK"
        self.data_answer: str | None = "250 OK"
        self.taken: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _: Any
    ) -> str:
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(  # noqa: N802 - named by aiosmtpd
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.data_answer is None:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "250 never arrives"
        if self.data_answer.startswith("250"):
            self.taken.append(envelope)
        return self.data_answer


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def mailer(server: Server) -> Iterator[SmtpMailer]:
    controller = Controller(server, hostname="127.0.0.1", port=choose_port())
    controller.start()
    yield mailer_to(controller.port)
    controller.stop()


def mailer_to(port: int) -> SmtpMailer:
    return SmtpMailer(
        Settings(
            _env_file=None,
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_security="none",
            outgoing_timeout_seconds=2,
        )
    )


async def test_a_message_is_handed_over(server: Server, mailer: SmtpMailer) -> None:
    await mailer.send(MESSAGE)
    (envelope,) = server.taken
    assert envelope.rcpt_tos == ["alice@example.com"]
    assert envelope.mail_from == "no-reply@robosure.local"
    assert isinstance(envelope.content, bytes)
    email = message_from_bytes(envelope.content, policy=policy.default)
    assert email["Message-ID"] == "<delivery-1@robosure.local>"
    assert email.get_content().strip() == "Your policy is bound."


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
async def test_a_password_that_changes_in_its_file_is_used_for_the_next_letter(
    server: Server, tmp_path: Path
) -> None:
    # given a server that wants a password, and a file with it
    good = [b"first"]

    def knows(_: Any, __: Any, ___: Any, ____: Any, given: LoginPassword) -> AuthResult:
        return AuthResult(success=given.password == good[0])

    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=choose_port(),
        authenticator=knows,
        auth_required=True,
        auth_require_tls=False,
    )
    controller.start()
    file = tmp_path / "password"
    file.write_text("first\n")
    settings = Settings(
        _env_file=None,
        smtp_host="127.0.0.1",
        smtp_port=controller.port,
        smtp_security="none",
        smtp_username="robosure",
        smtp_password_file=file,
        outgoing_timeout_seconds=5,
    )
    mailer = SmtpMailer(settings)
    try:
        await mailer.send(MESSAGE)
        # when it is another, then the old one is refused, and the new one is read
        good[0] = b"second"
        with pytest.raises(Unavailable):
            await mailer.send(MESSAGE)
        file.write_text("second\n")
        await mailer.send(MESSAGE)
        # and a letter waits while there is none
        file.unlink()
        with pytest.raises(Unavailable, match="cannot be read"):
            await mailer.send(MESSAGE)
    finally:
        controller.stop()
    assert len(server.taken) == 2


@pytest.mark.parametrize("where", ["recipient_answer", "data_answer"])
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("550 no such mailbox", Invalid("mail_refused")),
        ("451 come again", Unavailable("mail_not_accepted")),
    ],
)
async def test_a_refusal_says_whether_it_is_for_good(
    server: Server,
    mailer: SmtpMailer,
    where: str,
    answer: str,
    expected: DomainError,
) -> None:
    setattr(server, where, answer)
    with pytest.raises(type(expected)) as refused:
        await mailer.send(MESSAGE)
    assert refused.value.code == expected.code
    assert not isinstance(refused.value, MailUncertain)
    assert server.taken == []


async def test_a_server_that_falls_silent_leaves_it_uncertain(
    server: Server, mailer: SmtpMailer
) -> None:
    server.data_answer = None
    with pytest.raises(MailUncertain) as refused:
        await mailer.send(MESSAGE)
    assert refused.value.code == "mail_uncertain"


async def test_a_server_that_is_not_there_may_be_later() -> None:
    with pytest.raises(Unavailable) as refused:
        await mailer_to(choose_port()).send(MESSAGE)
    assert refused.value.code == "mail_not_accepted"
    assert not isinstance(refused.value, MailUncertain)


@pytest.mark.parametrize("to", ["", "nobody", "a@b@c", "x y z"])
async def test_what_is_no_address_is_refused_for_good(
    server: Server, mailer: SmtpMailer, to: str
) -> None:
    server.recipient_answer = "553 no address"
    with pytest.raises(Invalid) as refused:
        await mailer.send(Message(to, "s", "t", None, "m"))
    assert refused.value.code == "mail_refused"
    assert server.taken == []
