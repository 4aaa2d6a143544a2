"""What notifications keeps about people: messages to their address, and what they read.

Organisations are told of business, at an address that may be a person's own. Such a
message is a commercial letter, and kept as long as those are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from robosure.contexts.notifications.domain import Channel
from robosure.contexts.notifications.tables import deliveries, message_reads
from robosure.platform.database import WriteSession
from robosure.platform.privacy import (
    Erasure,
    Kept,
    Person,
    Records,
    Retention,
    first_day_kept,
    found,
    kept_until,
)

_NOBODY: Final = "erased@erased.invalid"
_LETTERS_KEPT: Final = (
    "what was told of a policy or a claim is a commercial letter: "
    "GDPR Art. 17 (3) b, HGB section 257 (1) 3, AO section 147 (1) 3"
)


class NotificationsPersonalData:
    """Messages to a person's address, and which messages the person has read."""

    async def about(self, session: AsyncSession, person: Person) -> Sequence[Records]:
        """Return them."""
        message, read = deliveries.c, message_reads.c
        sent = select(
            message.recipient,
            message.subject,
            message.text,
            message.created_at,
            message.sent_at,
        )
        reads = select(read.delivery_id, read.read_at)
        return [
            await found(session, "messages", sent.where(_to(person))),
            await found(session, "reads", reads.where(read.reader_id == person.id)),
        ]

    async def erase(
        self, session: WriteSession, person: Person, retention: Retention, /
    ) -> Erasure:
        """Forget what was read; addresses go when the messages' time is over.

        That is done by :func:`forget_recipients`, for everybody's.
        """
        years = retention.settings.letters_retention_years
        read = message_reads.c
        reads = await session.execute(
            delete(message_reads)
            .where(read.reader_id == person.id)
            .returning(read.delivery_id)
        )
        messages = select(func.count(), func.max(deliveries.c.created_at))
        count, last = (await session.execute(messages.where(_to(person)))).one()
        kept: list[Kept] = []
        if count:
            until = kept_until(last.date(), years=years)
            kept.append(Kept("messages", count, _LETTERS_KEPT, until))
        return Erasure({"reads": len(reads.all())}, kept)


async def forget_recipients(session: WriteSession, *, today: date, years: int) -> None:
    """Take the address out of e-mail that was sent before what is kept begins."""
    past = datetime.combine(first_day_kept(today, years=years), time(), UTC)
    message = deliveries.c
    await session.execute(
        update(deliveries)
        .where(
            message.channel == Channel.EMAIL,
            message.created_at < past,
            message.recipient != _NOBODY,
        )
        .values(recipient=_NOBODY, text="", html="", next_attempt_at=None)
    )


def _to(person: Person) -> ColumnElement[bool]:
    """Say which letters of the person's organisation went to the person's address."""
    message = deliveries.c
    return and_(
        message.channel == Channel.EMAIL,
        func.lower(message.recipient) == person.email,
        or_(
            message.holder_id == person.organisation_id,
            message.insurer_id == person.organisation_id,
        ),
    )
