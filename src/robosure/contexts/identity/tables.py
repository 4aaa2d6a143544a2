"""Tables of the schema ``identity``, and their mapping onto the domain."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CHAR,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import composite

from robosure.contexts.identity.domain import (
    ApiKey,
    AuthenticationRules,
    AuthorityLimit,
    CustomRole,
    Ending,
    ExternalIdentity,
    IdentityProvider,
    KeyKind,
    LetterKind,
    LimitStatus,
    Organisation,
    OrganisationKind,
    PasswordLetter,
    ProviderEndpoints,
    ProviderKind,
    SecondFactor,
    Session,
    User,
    Vouching,
)
from robosure.kernel.authority import Decision
from robosure.kernel.money import Money
from robosure.platform.database import PERSONAL, JsonOf, choice, metadata, registry

SCHEMA = "identity"


organisations = Table(
    "organisations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column(
        "kind",
        choice(OrganisationKind),
        nullable=False,
    ),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("country", String(2), nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("kind", "name"),
    schema=SCHEMA,
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False, info=PERSONAL),
    Column("password_hash", Text, nullable=False),
    Column("roles", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("skills", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("erased_at", DateTime(timezone=True)),
    Column("erasure", JSONB(none_as_null=True)),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["organisation_id"], [organisations.c.id]),
    UniqueConstraint("email"),
    Index("ix_users_organisation_id_id", "organisation_id", "id"),
    schema=SCHEMA,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, nullable=False),
    Column("kind", choice(KeyKind), nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("scopes", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("robot_id", Uuid),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("last_used_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    Column("predecessor_id", Uuid),
    Column("successor_id", Uuid),
    Column("rotated_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["organisation_id"], [organisations.c.id]),
    ForeignKeyConstraint(["predecessor_id"], ["identity.api_keys.id"]),
    UniqueConstraint("digest"),
    UniqueConstraint("predecessor_id"),
    CheckConstraint("(kind = 'robot') = (robot_id IS NOT NULL)", name="bound"),
    Index("ix_api_keys_organisation_id_id", "organisation_id", "id"),
    schema=SCHEMA,
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("authenticated_at", DateTime(timezone=True), nullable=False),
    Column("factors", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("refreshed_at", DateTime(timezone=True), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("proven_generation", Integer, nullable=False, server_default=text("1")),
    Column("second_factor_due", Boolean, nullable=False, server_default=text("false")),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("address", Text, nullable=False, info=PERSONAL),
    Column("user_agent", Text, info=PERSONAL),
    Column("vouching", JsonOf[Vouching](Vouching)),
    Column("ended_at", DateTime(timezone=True)),
    Column("ended_because", choice(Ending)),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["organisation_id"], [organisations.c.id]),
    ForeignKeyConstraint(["user_id"], [users.c.id]),
    Index("ix_sessions_user_id_id", "user_id", "id"),
    Index(
        "ix_sessions_vouching",
        text("(vouching ->> 'provider_id')"),
        text("((vouching -> 'said') ->> 'session')"),
        postgresql_where=text("vouching IS NOT NULL"),
    ),
    Index(
        "ix_sessions_ended_at",
        "ended_at",
        postgresql_where=text("ended_at IS NOT NULL"),
    ),
    Index(
        "ix_sessions_proven_at",
        "authenticated_at",
        postgresql_where=text("proven_generation > 1"),
    ),
    schema=SCHEMA,
)

second_factors = Table(
    "second_factors",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("sealed_secret", Text, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("confirmed_at", DateTime(timezone=True)),
    Column("last_step", BigInteger),
    Column("ahead", Integer, nullable=False, server_default=text("0")),
    Column("lost_at", DateTime(timezone=True)),
    Column(
        "recovery_digests", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False
    ),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["organisation_id"], [organisations.c.id]),
    ForeignKeyConstraint(["user_id"], [users.c.id]),
    UniqueConstraint("user_id"),
    schema=SCHEMA,
)

custom_roles = Table(
    "custom_roles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("organisation_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("permissions", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("created_by", Uuid, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["organisation_id"], [organisations.c.id]),
    UniqueConstraint("organisation_id", "name"),
    Index("ix_custom_roles_organisation_id_id", "organisation_id", "id"),
    schema=SCHEMA,
)

authority_limits = Table(
    "authority_limits",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("organisation_id", Uuid, nullable=False),
    Column("decision", choice(Decision), nullable=False),
    Column("role", Text),
    Column("user_id", Uuid),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", CHAR(3), nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", choice(LimitStatus), nullable=False),
    Column("proposed_by", Uuid),
    Column("proposed_at", DateTime(timezone=True), nullable=False),
    Column("decided_by", Uuid),
    Column("decided_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    ForeignKeyConstraint(["organisation_id"], [organisations.c.id]),
    ForeignKeyConstraint(["user_id"], [users.c.id]),
    CheckConstraint("num_nonnulls(role, user_id) = 1", "one_holder"),
    CheckConstraint("amount_minor >= 0", "not_negative"),
    # One is in force for each holder; it is also how those in force are found.
    Index(
        "uq_authority_limits_in_force",
        "organisation_id",
        "decision",
        "currency",
        "role",
        "user_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("status = 'approved'"),
    ),
    Index("ix_authority_limits_organisation_id_id", "organisation_id", "id"),
    schema=SCHEMA,
    comment="Up to what amount a role or a person may approve.",
)

identity_providers = Table(
    "identity_providers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("organisation_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", choice(ProviderKind), nullable=False),
    Column("issuer", Text, nullable=False),
    Column("endpoints", JsonOf[ProviderEndpoints](ProviderEndpoints)),
    Column("subject_claim", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("sealed_secret", Text, nullable=False),
    Column("scopes", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("roles_claim", Text),
    Column(
        "role_mapping",
        JsonOf[dict[str, tuple[str, ...]]](dict[str, tuple[str, ...]]),
        nullable=False,
    ),
    Column("default_roles", JsonOf[tuple[str, ...]](tuple[str, ...]), nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("just_in_time", Boolean, nullable=False),
    Column(
        "authentication",
        JsonOf[AuthenticationRules](AuthenticationRules),
        nullable=False,
    ),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["organisation_id"], [organisations.c.id]),
    UniqueConstraint("organisation_id", "name"),
    Index("ix_identity_providers_organisation_id_id", "organisation_id", "id"),
    schema=SCHEMA,
)

external_identities = Table(
    "external_identities",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, nullable=False),
    Column("provider_id", Uuid, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False, info=PERSONAL),
    Column("linked_at", DateTime(timezone=True), nullable=False),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["user_id"], [users.c.id]),
    ForeignKeyConstraint(
        ["provider_id"], [identity_providers.c.id], ondelete="CASCADE"
    ),
    UniqueConstraint("provider_id", "issuer", "subject"),
    Index("ix_external_identities_user_id", "user_id"),
    schema=SCHEMA,
)

password_letters = Table(
    "password_letters",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", choice(LetterKind), nullable=False),
    Column("email", Text, nullable=False, info=PERSONAL),
    Column("user_id", Uuid),
    Column("about_id", Uuid),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("attempts", Integer, nullable=False),
    Column("digest", LargeBinary(32)),
    Column("expires_at", DateTime(timezone=True)),
    Column("version", Integer, nullable=False),
    ForeignKeyConstraint(["user_id"], [users.c.id]),
    UniqueConstraint("digest"),
    Index("ix_password_letters_user_id", "user_id"),
    Index(
        "ix_password_letters_due_at",
        "due_at",
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    schema=SCHEMA,
    comment="Letters by which people choose a password, until that is done or over.",
)


def _map(aggregate: type[Any], table: Table) -> None:
    registry.map_imperatively(aggregate, table, version_id_col=table.c.version)


_map(Organisation, organisations)
_map(User, users)
_map(ApiKey, api_keys)
_map(CustomRole, custom_roles)
_map(Session, sessions)
_map(SecondFactor, second_factors)
registry.map_imperatively(
    AuthorityLimit,
    authority_limits,
    version_id_col=authority_limits.c.version,
    properties={
        "amount": composite(
            Money, authority_limits.c.amount_minor, authority_limits.c.currency
        )
    },
)
_map(IdentityProvider, identity_providers)
_map(ExternalIdentity, external_identities)
_map(PasswordLetter, password_letters)
