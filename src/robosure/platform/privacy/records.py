"""What the platform keeps of everybody: facts, dead letters and the audit trail.

A fact is kept for ever, since projections are rebuilt from it; so what it says of who a
person is gives way to a pseudonym, where it stands. The audit trail is bound by its
hashes and stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    case,
    cast,
    delete,
    func,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from robosure.platform.audit import audit_entries
from robosure.platform.database.session import WriteSession
from robosure.platform.http.idempotency import idempotency_keys
from robosure.platform.outbox import outbox
from robosure.platform.privacy import (
    ERASED_NAME,
    Erasure,
    Kept,
    Person,
    Records,
    Retention,
    found,
    kept_until,
    pseudonym,
)
from robosure.platform.streams.letters import dead_letters

_OF_PEOPLE: Final = "identity.User%"
"""Facts that say who somebody is; no other fact names a person."""
_AUDIT_KEPT: Final = (
    "who did what is evidence, and bound by hashes: GDPR Art. 17 (3) b and e, "
    "HGB section 239 (3), AO section 146 (4)"
)


class PlatformRecords:
    """The platform's part of what is kept about a person."""

    async def about(self, session: AsyncSession, person: Person) -> Sequence[Records]:
        """Return facts that name the person, and what the person did."""
        facts = select(outbox.c.type, outbox.c.occurred_at, outbox.c.payload)
        letters = select(dead_letters.c.type, dead_letters.c.failed_at, _letter())
        entry = audit_entries.c
        entries = select(
            entry.at,
            entry.action,
            entry.object_type,
            entry.object_id,
            entry.actor_name,
            entry.address,
            entry.user_agent,
        )
        return [
            await found(
                session,
                "facts",
                facts.where(_names(person)).order_by(outbox.c.position),
            ),
            await found(session, "dead_letters", letters.where(_letter_names(person))),
            await found(
                session,
                "audit_trail",
                entries.where(entry.actor == person.id).order_by(entry.id),
            ),
        ]

    async def erase(
        self, session: WriteSession, person: Person, retention: Retention, /
    ) -> Erasure:
        """Rewrite what facts say of who it was; leave the audit trail as it is."""
        named: dict[str, object] = {
            "email": pseudonym(person.id),
            "name": ERASED_NAME,
            "skills": [],
        }
        instead = literal(named, JSONB)
        facts = await session.execute(
            update(outbox)
            .where(_names(person))
            .values(payload=outbox.c.payload.op("||")(instead))
            .returning(outbox.c.position)
        )
        payload = func.jsonb_extract_path(_letter(), "payload").op("||")(instead)
        place = literal(["payload"], ARRAY(Text))
        letters = await session.execute(
            update(dead_letters)
            .where(_letter_names(person))
            .values(content=cast(func.jsonb_set(_letter(), place, payload), Text))
            .returning(dead_letters.c.id)
        )
        repeatable = await session.execute(
            delete(idempotency_keys)
            .where(idempotency_keys.c.subject == person.id)
            .returning(idempotency_keys.c.key)
        )
        return Erasure(
            {
                "facts": len(facts.all()),
                "dead_letters": len(letters.all()),
                "idempotency_keys": len(repeatable.all()),
            },
            await self._kept(
                session, person, years=retention.settings.audit_retention_years
            ),
        )

    async def _kept(
        self, session: WriteSession, person: Person, *, years: int
    ) -> Sequence[Kept]:
        entries = audit_entries.c
        statement = select(func.count(), func.max(entries.at))
        count, last = (
            await session.execute(statement.where(entries.actor == person.id))
        ).one()
        if not count:
            return []
        until = kept_until(last.date(), years=years)
        return [Kept("audit_trail", count, _AUDIT_KEPT, until)]


def _names(person: Person) -> ColumnElement[bool]:
    """Say which facts name the person, in the words of the index that finds them."""
    user_id: ColumnElement[str] = literal_column("payload ->> 'user_id'", Text)
    return and_(
        outbox.c.type.like(literal_column(f"'{_OF_PEOPLE}'")), user_id == str(person.id)
    )


def _letter() -> ColumnElement[Any]:
    """Return the content of a letter about a person as JSON; another may be none."""
    of_people = dead_letters.c.type.like(_OF_PEOPLE)
    return case((of_people, cast(dead_letters.c.content, JSONB)))


def _letter_names(person: Person) -> ColumnElement[bool]:
    named = func.jsonb_extract_path_text(_letter(), "payload", "user_id")
    return named == str(person.id)
