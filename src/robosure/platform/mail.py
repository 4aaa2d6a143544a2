"""Mail behind a port: SMTP, or a directory that collects messages as files."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import ClassVar, Protocol

import aiosmtplib
from pydantic import SecretStr

from robosure.kernel.errors import Invalid, Unavailable
from robosure.platform.password_files import PasswordFile
from robosure.platform.settings import Settings
from robosure.platform.tls.trust import trusting


@dataclass(frozen=True)
class Message:
    """An e-mail.

    Attributes:
        message_id: unique left part of the Message-ID; the same message, sent again,
            has the same one.
        html: None for a text-only message.
    """

    to: str
    subject: str
    text: str
    html: str | None
    message_id: str


class MailUncertain(Unavailable):
    """The server fell silent when it had the message; it may have taken it."""


class Mailer(Protocol):
    """Sends e-mail.

    Attributes:
        repeatable: whether the same message arrives once, however often it is sent.
    """

    repeatable: ClassVar[bool]

    async def send(self, message: Message) -> None:
        """Hand the message over.

        Raises:
            Unavailable: it was not accepted, but may be later.
            MailUncertain: nobody knows whether it was accepted.
            Invalid: it never will be (``mail_refused``).
        """
        ...


def mailer_from(settings: Settings) -> Mailer:
    """Return SMTP where a server is set, and the sink directory otherwise."""
    return SmtpMailer(settings) if settings.smtp_host else MailSink(settings)


class SmtpMailer:
    """Sends through an SMTP server."""

    repeatable: ClassVar[bool] = False

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._trust = trusting(settings.ca_file)

    async def send(self, message: Message) -> None:
        """Submit to the server, with STARTTLS or TLS as configured."""
        email = as_email(message, sender=self._settings.mail_from)
        try:
            client = self._client()
            await client.connect()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unavailable("mail_not_accepted", reason=str(error)) from error
        try:
            async with client:
                await client.send_message(email)
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(refusal.code >= 500 for refusal in error.recipients):  # noqa: PLR2004 - RFC 5321: permanent
                raise Invalid("mail_refused", reason=str(error)) from error
            raise Unavailable("mail_not_accepted", reason=str(error)) from error
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= 500:  # noqa: PLR2004 - RFC 5321: permanent
                raise Invalid("mail_refused", reason=str(error)) from error
            raise Unavailable("mail_not_accepted", reason=str(error)) from error
        except ValueError as error:  # no address, or none that may be sent on
            raise Invalid("mail_refused", reason=str(error)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUncertain("mail_uncertain", reason=str(error)) from error

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        password = settings.smtp_password
        if settings.smtp_password_file is not None:
            password = SecretStr(PasswordFile(settings.smtp_password_file)())
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=password.get_secret_value() if password else None,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            timeout=settings.outgoing_timeout_seconds,
            tls_context=self._trust,
        )


class MailSink:
    """Writes each message as an ``.eml`` file, named by its id."""

    repeatable: ClassVar[bool] = True

    def __init__(self, settings: Settings) -> None:
        self._directory = settings.mail_directory
        self._sender = settings.mail_from

    async def send(self, message: Message) -> None:
        """Write the file; the same message writes the same file."""
        content = as_email(message, sender=self._sender).as_bytes()
        name = re.sub(r"[^A-Za-z0-9._-]", "_", message.message_id)
        await asyncio.to_thread(_write, self._directory / f"{name}.eml", content)


def as_email(message: Message, *, sender: str) -> EmailMessage:
    """Build the MIME message: text, and HTML as its alternative.

    Raises:
        Invalid: an address or the subject holds a line break.
    """
    email = EmailMessage()
    domain = sender.rpartition("@")[2].rstrip(">") or "localhost"
    try:
        email["From"] = sender
        email["To"] = message.to
        email["Subject"] = message.subject
        email["Message-ID"] = f"<{message.message_id}@{domain}>"
    except ValueError as error:
        raise Invalid("mail_refused", reason=str(error)) from error
    email.set_content(message.text)
    if message.html is not None:
        email.add_alternative(message.html, subtype="html")
    return email


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
