"""The ports of notices: rows over SQL, and words from Jinja templates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from robosure.contexts.notifications import tables
from robosure.contexts.notifications.domain import (
    Channel,
    Content,
    Delivery,
    Recipient,
    Template,
)
from robosure.kernel.errors import NotFound, NotYetKnown
from robosure.platform.database import WriteSession

_TEMPLATES: Final = Path(__file__).parents[1] / "templates"


class JinjaTemplates:
    """Templates by locale: ``templates/en/<template>.{subject,text,html}.j2``.

    They are sandboxed; HTML is escaped, and an unknown name in a template is an error
    rather than a gap in a letter.
    """

    def __init__(self) -> None:
        self._locales: dict[str, SandboxedEnvironment] = {}

    def render(
        self, template: Template, values: Mapping[str, object], *, locale: str = "en"
    ) -> Content:
        """Fill a template in; the subject comes out as one line."""
        environment = self._environment(locale)
        subject, text, html = (
            environment.get_template(f"{template}.{part}.j2").render(values)
            for part in ("subject", "text", "html")
        )
        return Content(" ".join(subject.split()), text, html)

    def _environment(self, locale: str) -> SandboxedEnvironment:
        if locale not in self._locales:
            environment = SandboxedEnvironment(
                loader=FileSystemLoader(_TEMPLATES / locale),
                undefined=StrictUndefined,
                autoescape=_is_html,
                trim_blocks=True,
                lstrip_blocks=True,
                keep_trailing_newline=True,
            )
            environment.filters.update(day=_day, words=_words)
            self._locales[locale] = environment
        return self._locales[locale]


class SqlRecipients:
    """The organisations identity told of."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def put(self, recipient: Recipient) -> None:
        """Remember an organisation, or what is new about it."""
        described = {"name": recipient.name, "email": recipient.email}
        await self._session.execute(
            insert(tables.recipients)
            .values(organisation_id=recipient.organisation_id, **described)
            .on_conflict_do_update(index_elements=["organisation_id"], set_=described)
        )

    async def get(self, organisation_id: UUID) -> Recipient:
        """Return an organisation that identity has told of."""
        found = (
            await self._session.execute(
                select(tables.recipients).where(
                    tables.recipients.c.organisation_id == organisation_id
                )
            )
        ).one_or_none()
        if found is None:
            raise NotYetKnown("recipient_not_yet_known", organisation=organisation_id)
        return Recipient(found.organisation_id, found.name, found.email)


class SqlDeliveries:
    """The deliveries made so far."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery; False if the recipient was told of the fact before."""
        columns = tables.deliveries.c
        values = {c.key: getattr(delivery, c.key) for c in columns}
        adding = (
            insert(tables.deliveries)
            .values({**values, "version": 1})
            .on_conflict_do_nothing(index_elements=["event_id", "channel", "recipient"])
            .returning(columns.id)
        )
        return (await self._session.execute(adding)).first() is not None

    async def next_due(
        self, *, at: datetime, among: Collection[UUID]
    ) -> Delivery | None:
        """Return the one that waited longest, locked; skip what others hold."""
        columns = tables.deliveries.c
        due = (
            select(Delivery)
            .where(columns.next_attempt_at <= at)
            .order_by(columns.next_attempt_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if among:
            due = due.where(columns.id.in_(among))
        return (await self._session.execute(due)).scalar_one_or_none()

    async def get_for_update(self, delivery_id: UUID) -> Delivery:
        """Return a delivery, locked."""
        found = await self._session.get(Delivery, delivery_id, with_for_update=True)
        if found is None:
            raise NotFound("delivery_not_found", id=delivery_id)
        return found


class SqlMessages:
    """What organisations were told in the app."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session

    async def mark_read(
        self,
        message_id: UUID,
        *,
        organisation_id: UUID,
        reader_id: UUID,
        at: datetime,
    ) -> None:
        """Remember who read a message, and when for the first time."""
        columns = tables.deliveries.c
        addressed = select(columns.id).where(
            columns.id == message_id,
            columns.holder_id == organisation_id,
            columns.channel == Channel.IN_APP,
        )
        if (await self._session.execute(addressed)).first() is None:
            raise NotFound("message_not_found", id=message_id)
        await self._session.execute(
            insert(tables.message_reads)
            .values(delivery_id=message_id, reader_id=reader_id, read_at=at)
            .on_conflict_do_nothing()
        )


def _is_html(name: str | None) -> bool:
    return name is not None and name.endswith(".html.j2")


def _day(day: date) -> str:
    """Write ``2 March 2026``."""
    return f"{day.day} {day:%B %Y}"


def _words(code: str) -> str:
    """Write a code such as ``card_declined`` in words."""
    return code.replace("_", " ").replace("-", " ")
