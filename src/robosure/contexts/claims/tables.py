"""Tables of the schema ``claims``, and their mapping onto the domain.

Timeline, reserve entries and attachments are only ever added to, and evidence is not
touched once it is attached: triggers in the migration see to it.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import RelationshipProperty, composite, relationship

from robosure.contexts.claims.domain.assessment import Assessment
from robosure.contexts.claims.domain.claim import CLOSED, Claim, ClaimStatus
from robosure.contexts.claims.domain.cover import PolicyCover
from robosure.contexts.claims.domain.evidence import (
    Attachment,
    Evidence,
    FrozenTelemetry,
)
from robosure.contexts.claims.domain.notice import Contact
from robosure.contexts.claims.domain.reserve import ReserveChange, ReserveEntry
from robosure.contexts.claims.domain.roster import Adjuster
from robosure.contexts.claims.domain.settlement import Settlement
from robosure.contexts.claims.domain.timeline import Happening, TimelineEntry
from robosure.contexts.claims.domain.triage import Flag, Severity
from robosure.contexts.policies.events import CoverInForce, InsuredRobot
from robosure.kernel.money import Money
from robosure.kernel.time import Term
from robosure.platform.database import PERSONAL, JsonOf, choice, metadata, registry

SCHEMA: Final = "claims"


def _claim_id() -> Column[Any]:
    return Column("claim_id", Uuid, ForeignKey("claims.claims.id"), nullable=False)


covers = Table(
    "covers",
    metadata,
    Column("policy_number", String(32), primary_key=True),
    Column("policy_id", Uuid, nullable=False),
    Column("insurer_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("inception", Date, nullable=False),
    Column("expiry", Date, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column(
        "robots",
        JsonOf[tuple[InsuredRobot, ...]](tuple[InsuredRobot, ...]),
        nullable=False,
    ),
    Column(
        "coverages",
        JsonOf[tuple[CoverInForce, ...]](tuple[CoverInForce, ...]),
        nullable=False,
    ),
    Column("payment_method", Text, nullable=False),
    schema=SCHEMA,
)

aggregates = Table(
    "aggregates",
    metadata,
    Column("policy_number", String(32), primary_key=True),
    Column("coverage_code", Text, primary_key=True),
    Column("inception", Date, primary_key=True),
    Column("limit_minor", BigInteger, nullable=False),
    Column("used_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    CheckConstraint("used_minor BETWEEN 0 AND limit_minor", "within_limit"),
    schema=SCHEMA,
    comment="What approved claims have used of a coverage's limit for the term.",
)

adjusters = Table(
    "adjusters",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, nullable=False),
    Column("name", Text, nullable=False, info=PERSONAL),
    Column("skills", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("last_assigned_at", DateTime(timezone=True)),
    Index("ix_adjusters_organisation_id_user_id", "organisation_id", "user_id"),
    schema=SCHEMA,
)

claims = Table(
    "claims",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("number", String(32), nullable=False),
    Column("policy_id", Uuid, nullable=False),
    Column("policy_number", String(32), nullable=False),
    Column("insurer_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("robot_id", Uuid, nullable=False),
    Column("robot_class", Text, nullable=False),
    Column("incident_type", Text, nullable=False),
    Column("incident_at", DateTime(timezone=True), nullable=False),
    Column("description", Text, nullable=False),
    Column("estimated_loss_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Column("injury", Boolean, nullable=False),
    Column("contact_name", Text, nullable=False, info=PERSONAL),
    Column("contact_email", Text),
    Column("contact_phone", Text),
    Column("reported_by", Uuid, nullable=False),
    Column("reported_at", DateTime(timezone=True), nullable=False),
    Column("severity", choice(Severity), nullable=False),
    Column("flags", JsonOf[tuple[Flag, ...]](tuple[Flag, ...]), nullable=False),
    Column("status", choice(ClaimStatus), nullable=False),
    Column("adjuster_id", Uuid),
    Column("assessment", JsonOf[Assessment](Assessment)),
    Column("settlement", JsonOf[Settlement](Settlement)),
    Column("decided_by", Uuid),
    Column("decided_at", DateTime(timezone=True)),
    Column("decline_reason", Text),
    Column("payout_id", Uuid),
    Column("happenings", Integer, nullable=False),
    UniqueConstraint("number"),
    CheckConstraint("estimated_loss_minor >= 0", "loss_not_negative"),
    Index("ix_claims_insurer_id_id", "insurer_id", "id"),
    Index("ix_claims_holder_id_id", "holder_id", "id"),
    Index("ix_claims_policy_number", "policy_number"),
    Index("ix_claims_contact_email", text("lower(contact_email)")),
    Index("ix_claims_reported_by", "reported_by"),
    Index(
        "ix_claims_waiting",
        "id",
        postgresql_where=text(f"status = '{ClaimStatus.REPORTED}'"),
    ),
    Index(
        "ix_claims_open_by_adjuster",
        "adjuster_id",
        postgresql_where=text(f"status NOT IN {tuple(sorted(map(str, CLOSED)))}"),
    ),
    schema=SCHEMA,
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Uuid, primary_key=True),
    _claim_id(),
    Column("robot_id", Uuid, nullable=False),
    Column("window_start", DateTime(timezone=True), nullable=False),
    Column("window_end", DateTime(timezone=True), nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("telemetry", JsonOf[FrozenTelemetry](FrozenTelemetry)),
    Column("attached_at", DateTime(timezone=True)),
    Index("ix_evidence_claim_id", "claim_id"),
    schema=SCHEMA,
)

attachments = Table(
    "attachments",
    metadata,
    Column("id", Uuid, primary_key=True),
    _claim_id(),
    Column("name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", CHAR(64), nullable=False),
    Column("file_key", Text, nullable=False),
    Column("uploaded_by", Uuid, nullable=False),
    Column("uploaded_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("claim_id", "sha256"),
    schema=SCHEMA,
)

reserve_entries = Table(
    "reserve_entries",
    metadata,
    Column("id", Uuid, primary_key=True),
    _claim_id(),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("change", choice(ReserveChange), nullable=False),
    Column("case_minor", BigInteger, nullable=False),
    Column("paid_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Index("ix_reserve_entries_claim_id", "claim_id"),
    schema=SCHEMA,
)

timeline = Table(
    "timeline",
    metadata,
    Column("id", Uuid, primary_key=True),
    _claim_id(),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("what", choice(Happening), nullable=False),
    Column("actor", Uuid),
    Column("details", JSONB, nullable=False),
    Index("ix_timeline_claim_id_id", "claim_id", "id"),
    schema=SCHEMA,
)


def _added_to(kind: type, table: Table) -> RelationshipProperty[Any]:
    """Map a list that is loaded with its claim, in the order of time."""
    return relationship(kind, lazy="selectin", order_by=table.c.id)


def _map() -> None:
    registry.map_imperatively(
        PolicyCover,
        covers,
        properties={
            "term": composite(
                Term, covers.c.inception, covers.c.expiry, covers.c.time_zone
            )
        },
    )
    registry.map_imperatively(Adjuster, adjusters)
    registry.map_imperatively(Evidence, evidence)
    registry.map_imperatively(Attachment, attachments)
    registry.map_imperatively(TimelineEntry, timeline)
    case_minor, paid_minor = reserve_entries.c.case_minor, reserve_entries.c.paid_minor
    registry.map_imperatively(
        ReserveEntry,
        reserve_entries,
        properties={
            "case": composite(Money, case_minor, reserve_entries.c.currency),
            "paid": composite(Money, paid_minor, reserve_entries.c.currency),
        },
    )
    c = claims.c
    registry.map_imperatively(
        Claim,
        claims,
        version_id_col=c.version,
        properties={
            "_currency": c.currency,
            "estimated_loss": composite(Money, c.estimated_loss_minor, c.currency),
            "contact": composite(
                Contact, c.contact_name, c.contact_email, c.contact_phone
            ),
            "evidence": _added_to(Evidence, evidence),
            "attachments": _added_to(Attachment, attachments),
            "reserve_entries": _added_to(ReserveEntry, reserve_entries),
            "timeline": _added_to(TimelineEntry, timeline),
        },
    )


_map()
