"""Finding what is kept about a person, and timelines that name nobody.

A claim's timeline named its adjusters, whom nothing could take out again. It points at
them from now on: the last assignment at who has the claim, one before it at the only
adjuster of that name, and at nobody where there is none.

Revision ID: 0025
Revises: 0024
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_POINT: Final = """
    UPDATE claims.timeline entry
    SET details = jsonb_strip_nulls(
      entry.details || jsonb_build_object('adjuster', assigned.adjuster_id))
    FROM (
      SELECT given.id, CASE
        WHEN NOT EXISTS (
          SELECT FROM claims.timeline later
          WHERE later.claim_id = given.claim_id
            AND later.what = 'assigned' AND later.id > given.id)
        THEN claim.adjuster_id
        ELSE (
          SELECT min(adjuster.user_id::text)::uuid FROM claims.adjusters adjuster
          WHERE adjuster.organisation_id = claim.insurer_id
            AND adjuster.name = given.details ->> 'adjuster'
          HAVING count(*) = 1)
        END AS adjuster_id
      FROM claims.timeline given JOIN claims.claims claim ON claim.id = given.claim_id
      WHERE given.what = 'assigned'
    ) assigned
    WHERE entry.id = assigned.id
"""
_NAME: Final = """
    UPDATE claims.timeline entry
    SET details = entry.details || jsonb_build_object('adjuster', adjuster.name)
    FROM claims.adjusters adjuster
    WHERE adjuster.user_id::text = entry.details ->> 'adjuster'
"""


def upgrade() -> None:
    _rewrite_timelines(_POINT)
    op.create_index(
        "ix_outbox_of_people",
        "outbox",
        [sa.text("(payload ->> 'user_id')")],
        schema="platform",
        postgresql_where=sa.text("type LIKE 'identity.User%'"),
    )
    op.create_index(
        "ix_claims_contact_email",
        "claims",
        [sa.text("lower(contact_email)")],
        schema="claims",
    )
    op.create_index("ix_claims_reported_by", "claims", ["reported_by"], schema="claims")
    op.create_index(
        "ix_deliveries_recipient",
        "deliveries",
        [sa.text("lower(recipient)")],
        schema="notifications",
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_recipient", "deliveries", schema="notifications")
    op.drop_index("ix_claims_reported_by", "claims", schema="claims")
    op.drop_index("ix_claims_contact_email", "claims", schema="claims")
    op.drop_index("ix_outbox_of_people", "outbox", schema="platform")
    _rewrite_timelines(_NAME)


def _rewrite_timelines(statement: str) -> None:
    """Do once what the trigger is there to refuse."""
    op.execute("ALTER TABLE claims.timeline DISABLE TRIGGER timeline_immutable")
    op.execute(statement)
    op.execute("ALTER TABLE claims.timeline ENABLE TRIGGER timeline_immutable")
