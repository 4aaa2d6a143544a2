"""The audit trail: who did what, in the transaction that did it."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, String, Table, Text, Uuid, insert
from sqlalchemy.dialects.postgresql import JSONB

from robosure.kernel.ids import uuid7
from robosure.kernel.time import Clock
from robosure.platform.correlation import current
from robosure.platform.database.mapping import PLATFORM_SCHEMA, metadata
from robosure.platform.database.session import WriteSession
from robosure.platform.security.principal import Principal

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Uuid),
    Column("actor_name", Text, nullable=False),
    Column("organisation_id", Uuid),
    Column("action", String(200), nullable=False),
    Column("subject", JSONB, nullable=False),
    Column("correlation_id", Text),
    Index("ix_audit_entries_organisation_id_id", "organisation_id", "id"),
    schema=PLATFORM_SCHEMA,
)


async def record(
    session: WriteSession,
    *,
    principal: Principal | None,
    action: str,
    subject: dict[str, str],
    clock: Clock,
) -> None:
    """Add an entry; it is kept if, and only if, the change is.

    Args:
        session: the transaction that makes the change.
        principal: who; None for someone who is not signed in.
        action: such as ``POST /api/v1/quotes/{quote_id}/bind``.
        subject: which object: the path's parameters.
        clock: says when.
    """
    await session.execute(
        insert(audit_entries).values(
            id=uuid7(),
            at=clock.now(),
            actor=principal.subject if principal else None,
            actor_name=principal.name if principal else "anonymous",
            organisation_id=principal.organisation_id if principal else None,
            action=action,
            subject=subject,
            correlation_id=current().correlation_id,
        )
    )
