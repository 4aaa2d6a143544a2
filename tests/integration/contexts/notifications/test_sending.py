"""An e-mail is never sent twice, whatever the server does and whoever dies when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from robosure.contexts.notifications.domain import (
    PATIENCE,
    REPEAT_AFTER,
    DeliveryStatus,
)
from robosure.contexts.notifications.service import Postman
from robosure.kernel.errors import Invalid, Unavailable
from robosure.platform.mail import Mailer, MailUncertain, Message, SmtpMailer
from robosure.platform.runtime import Runtime
from tests.integration.contexts.notifications.conftest import Rows, Tell
from tests.support import FixedClock
from tests.unit.contexts.payments.factories import NOON


class Mailbox:
    """Collects messages; raises what it is told to, before or after taking one."""

    repeatable: ClassVar[bool] = False

    def __init__(self, *troubles: BaseException | None, takes: bool = False) -> None:
        self.messages: list[Message] = []
        self._troubles = list(troubles)
        self._takes = takes

    async def send(self, message: Message) -> None:
        await asyncio.sleep(0)
        trouble = self._troubles.pop(0) if self._troubles else None
        if trouble is None or self._takes:
            self.messages.append(message)
        if trouble is not None:
            raise trouble


class RepeatableMailbox(Mailbox):
    repeatable: ClassVar[bool] = True


def postman(runtime: Runtime, mailer: Mailer) -> Postman:
    return Postman(runtime.database, mailer, runtime.clock)


async def email(rows: Rows) -> Any:
    return (await rows())[0]


async def test_postmen_that_race_send_every_email_once(
    told: Tell, rows: Rows, runtime: Runtime
) -> None:
    # given ten e-mails
    for _ in range(10):
        await told()
    mailbox = Mailbox()
    # when four postmen set out at the same time
    await asyncio.gather(*(postman(runtime, mailbox).deliver_due() for _ in range(4)))
    # then each was sent once
    sent = [message.message_id for message in mailbox.messages]
    assert len(sent) == len(set(sent)) == 10
    assert {row.status for row in await rows()} == {DeliveryStatus.SENT}


async def test_only_the_named_delivery_is_sent(
    told: Tell, rows: Rows, runtime: Runtime
) -> None:
    await told()
    named = await told()
    assert named is not None
    mailbox = Mailbox()
    await postman(runtime, mailbox).deliver_due(among=[named])
    assert {row.id for row in await rows() if row.attempts} == {named}


async def test_a_server_without_time_is_asked_again_later(
    told: Tell, rows: Rows, runtime: Runtime, clock: FixedClock
) -> None:
    # given a server that does not take the message the first time
    await told()
    sender = postman(runtime, mailbox := Mailbox(Unavailable("mail_not_accepted")))
    await sender.deliver_due()
    row = await email(rows)
    assert (row.status, row.error) == ("pending", "mail not accepted")
    assert row.next_attempt_at == NOON + timedelta(minutes=1)
    # when it is too early, and when a minute has passed
    await sender.deliver_due()
    assert mailbox.messages == []
    clock.advance(timedelta(minutes=1))
    await sender.deliver_due()
    # then it is sent
    row = await email(rows)
    assert (row.status, row.attempts, row.error) == ("sent", 2, None)
    assert len(mailbox.messages) == 1


async def test_an_address_that_does_not_exist_is_given_up(
    told: Tell, rows: Rows, runtime: Runtime, clock: FixedClock
) -> None:
    await told()
    sender = postman(runtime, Mailbox(Invalid("mail_refused", reason="550")))
    await sender.deliver_due()
    clock.advance(timedelta(days=9))
    await sender.deliver_due()
    row = await email(rows)
    assert (row.status, row.attempts) == ("failed", 1)
    assert row.error == "mail refused (reason=550)"


async def test_an_email_that_may_have_arrived_is_never_sent_again(
    told: Tell, rows: Rows, runtime: Runtime, clock: FixedClock
) -> None:
    await told()
    mailbox = Mailbox(MailUncertain("mail_uncertain"), takes=True)
    sender = postman(runtime, mailbox)
    await sender.deliver_due()
    clock.advance(timedelta(days=9))
    await sender.deliver_due()
    assert (await email(rows)).status == "uncertain"
    assert len(mailbox.messages) == 1


async def test_after_a_crash_nobody_knows_and_it_is_not_sent_again(
    told: Tell, rows: Rows, runtime: Runtime, clock: FixedClock
) -> None:
    # given a process that died when the server had the message
    await told()
    mailbox = Mailbox(asyncio.CancelledError(), takes=True)
    sender = postman(runtime, mailbox)
    with pytest.raises(asyncio.CancelledError):
        await sender.deliver_due()
    assert (await email(rows)).status == "sending"
    # when others go on, soon and after ten minutes
    await sender.deliver_due()
    clock.advance(PATIENCE)
    await sender.deliver_due()
    # then it waits for a person
    row = await email(rows)
    assert (row.status, row.error) == ("uncertain", "no word of how sending ended")
    assert len(mailbox.messages) == 1


async def test_after_a_crash_a_mailer_that_knows_repetitions_is_asked_again(
    told: Tell, rows: Rows, runtime: Runtime, clock: FixedClock
) -> None:
    await told()
    sender = postman(runtime, RepeatableMailbox(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await sender.deliver_due()
    clock.advance(REPEAT_AFTER)
    await sender.deliver_due()
    row = await email(rows)
    assert (row.status, row.attempts) == ("sent", 2)


class Inbox:
    """What the SMTP server does with a message."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.recipient_answer = "250 OK"
        self.data_answer: str | None = "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        _server: SMTP,
        _session: Session,
        envelope: Envelope,
        address: str,
        _options: list[str],
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.messages.append(envelope.content)
        if self.data_answer is None:
            assert server.transport is not None
            server.transport.close()
            await asyncio.sleep(0)
        return self.data_answer or "250 too late"


@pytest.fixture
async def server() -> AsyncIterator[tuple[Inbox, int]]:
    """An SMTP server, and its port."""
    inbox = Inbox()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    async with listening:
        yield inbox, listening.sockets[0].getsockname()[1]


def smtp(runtime: Runtime, port: int) -> SmtpMailer:
    changes = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
    return SmtpMailer(runtime.settings.model_copy(update=changes))


async def test_over_smtp_the_message_arrives_with_its_own_id(
    told: Tell, rows: Rows, runtime: Runtime, server: tuple[Inbox, int]
) -> None:
    inbox, port = server
    await told()
    await postman(runtime, smtp(runtime, port)).deliver_due()
    row = await email(rows)
    assert row.status == "sent"
    (content,) = inbox.messages
    assert f"Message-ID: <{row.message_id}@robosure.local>".encode() in content


@pytest.mark.parametrize(
    ("recipient_answer", "data_answer", "status", "received"),
    [
        ("550 no such user", "250 OK", "failed", 0),
        ("451 try later", "250 OK", "pending", 0),
        ("250 OK", "451 try later", "pending", 1),
        ("250 OK", "554 spam", "failed", 1),
        ("250 OK", None, "uncertain", 1),
    ],
)
async def test_over_smtp_the_servers_answer_decides(
    *,
    told: Tell,
    rows: Rows,
    runtime: Runtime,
    server: tuple[Inbox, int],
    recipient_answer: str,
    data_answer: str | None,
    status: str,
    received: int,
) -> None:
    inbox, port = server
    inbox.recipient_answer, inbox.data_answer = recipient_answer, data_answer
    await told()
    await postman(runtime, smtp(runtime, port)).deliver_due()
    assert (await email(rows)).status == status
    assert len(inbox.messages) == received


async def test_over_smtp_a_server_that_is_away_is_tried_later(
    told: Tell, rows: Rows, runtime: Runtime
) -> None:
    await told()
    await postman(runtime, smtp(runtime, 1)).deliver_due()
    row = await email(rows)
    assert (row.status, row.attempts) == ("pending", 1)
