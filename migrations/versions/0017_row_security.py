"""Row-level security: each organisation sees and changes what is its own.

Requests are served as ``robosure_app`` and the platform works as ``robosure_platform``;
neither owns a table or can bypass a policy. Both are roles of the whole server, so they
may be there already, and stay when this is taken down.
"""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_SCHEMAS: Final = (
    "catalog",
    "claims",
    "eventflow",
    "identity",
    "notifications",
    "payments",
    "platform",
    "policies",
    "risk",
    "robots",
)
_ROLES: Final = ("robosure_app", "robosure_platform")

_CREATE_ROLE: Final = """
    DO $$
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT;
      END IF;
    EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL;
    END $$
"""
_BECOME_MEMBER: Final = """
    DO $$
    BEGIN
      GRANT {role} TO CURRENT_USER;
    EXCEPTION
      WHEN insufficient_privilege THEN NULL; -- a member already, or told so hereafter
    END $$
"""
_FUNCTIONS: Final = (
    """
    CREATE FUNCTION platform.acting_organisation() RETURNS uuid
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT CAST(
        nullif(current_setting('robosure.organisation_id', true), '') AS uuid)
    $$
    """,
    """
    CREATE FUNCTION platform.acting_insurer() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT coalesce(
        current_setting('robosure.organisation_kind', true) = 'insurer', false)
    $$
    """,
)
# These tables change places when they are built anew, so what depends on them has to
# find them by name, which functions do.
_OWN_ROBOTS: Final = """
    CREATE FUNCTION {schema}.own_robots() RETURNS SETOF uuid
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
      SELECT {key} FROM {schema}.robots
      WHERE platform.acting_organisation() IN ({related})
    $$
"""
_ROBOTS: Final = {
    "eventflow": ("robot_id", "operator_id, manufacturer_id"),
    "policies": ("robot_id", "operator_id"),
    "risk": ("id", "operator_id, manufacturer_id"),
    "robots": ("id", "operator_id, manufacturer_id"),
}

_OWN: Final = "platform.acting_organisation()"
_INSURER: Final = "platform.acting_insurer()"
_PARTY: Final = f"{_OWN} IN (insurer_id, holder_id)"
_MANAGED: Final = f"""
    organisation_id = {_OWN} OR {_INSURER} AND EXISTS (
      SELECT FROM identity.organisations o
      WHERE o.id = organisation_id AND o.kind <> 'insurer')
"""  # nosec B608 # our names


def _through(child: str, parent: str, key: str, *, of: str = "id") -> str:
    return f"EXISTS (SELECT FROM {parent} p WHERE p.{of} = {child}.{key})"  # nosec B608 # our names


def _of_robot(table: str, key: str = "robot_id") -> str:
    schema = table.partition(".")[0]
    own = f"SELECT FROM {schema}.own_robots() own (id) WHERE own.id = {table}.{key}"  # nosec B608 # our names
    return f"{_INSURER} OR EXISTS ({own})"


_POLICIES: Final = {
    "claims.adjusters": f"organisation_id = {_OWN}",
    "claims.aggregates": _through(
        "aggregates", "claims.covers", "policy_number", of="policy_number"
    ),
    "claims.attachments": _through("attachments", "claims.claims", "claim_id"),
    "claims.claims": _PARTY,
    "claims.covers": _PARTY,
    "claims.evidence": _through("evidence", "claims.claims", "claim_id"),
    "claims.reserve_entries": _through("reserve_entries", "claims.claims", "claim_id"),
    "claims.timeline": _through("timeline", "claims.claims", "claim_id"),
    "eventflow.events": _of_robot("eventflow.events", "subject"),
    "eventflow.extractions": _of_robot("eventflow.extractions"),
    "eventflow.robots": f"{_INSURER} OR {_OWN} IN (operator_id, manufacturer_id)",
    "eventflow.subject_counts": _of_robot("eventflow.subject_counts", "subject"),
    "identity.api_keys": _MANAGED,
    "identity.organisations": f"id = {_OWN} OR {_INSURER}",
    "identity.users": _MANAGED,
    "notifications.deliveries": _PARTY,
    "notifications.message_reads": _through(
        "message_reads", "notifications.deliveries", "delivery_id"
    ),
    "notifications.recipients": f"organisation_id = {_OWN}",
    "notifications.robot_followers": f"organisation_id = {_OWN}",
    "notifications.robots": _through(
        "robots", "notifications.robot_followers", "robot_id", of="robot_id"
    ),
    "notifications.webhook_attempts": _through(
        "webhook_attempts", "notifications.webhook_deliveries", "delivery_id"
    ),
    "notifications.webhook_deliveries": f"organisation_id = {_OWN}",
    "notifications.webhook_endpoints": f"organisation_id = {_OWN}",
    "notifications.webhook_health": _through(
        "webhook_health", "notifications.webhook_endpoints", "endpoint_id"
    ),
    "payments.instalments": _PARTY,
    "payments.ledger_entries": _through(
        "ledger_entries", "payments.ledger_transactions", "transaction_id"
    ),
    "payments.ledger_transactions": _PARTY,
    "payments.payouts": _PARTY,
    "payments.sandbox_operations": "false",
    "platform.dead_letters": f"{_INSURER} OR EXISTS (SELECT FROM "  # nosec B608 # our names
    "eventflow.own_robots() own (id) WHERE CAST(own.id AS text) = subject)",
    "policies.certificates": _through(
        "certificates", "policies.transactions", "transaction_id"
    ),
    "policies.policies": _PARTY,
    "policies.quotes": _PARTY,
    "policies.robot_ratings": f"insurer_id = {_OWN} OR EXISTS (SELECT FROM "  # nosec B608 # our names
    "policies.own_robots() own (id) WHERE own.id = robot_ratings.robot_id)",
    "policies.robot_scores": _of_robot("policies.robot_scores"),
    "policies.robots": f"{_INSURER} OR operator_id = {_OWN}",
    "policies.transactions": _through("transactions", "policies.policies", "policy_id"),
    "risk.chunks": _of_robot("risk.chunks"),
    "risk.days": _of_robot("risk.days"),
    "risk.robots": f"{_INSURER} OR {_OWN} IN (operator_id, manufacturer_id)",
    "risk.scores": _of_robot("risk.scores"),
    "risk.windows": _of_robot("risk.windows"),
    "robots.robots": f"{_INSURER} OR {_OWN} IN (operator_id, manufacturer_id)",
}


def upgrade() -> None:
    both = ", ".join(_ROLES)
    for role in _ROLES:
        op.execute(_CREATE_ROLE.format(role=role))
        op.execute(_BECOME_MEMBER.format(role=role))
        op.execute(f"SET LOCAL ROLE {role}")
        op.execute("SET LOCAL ROLE NONE")
    for statement in _FUNCTIONS:
        op.execute(statement)
    for schema, (key, related) in _ROBOTS.items():
        op.execute(_OWN_ROBOTS.format(schema=schema, key=key, related=related))
    for schema in _SCHEMAS:
        op.execute(f"GRANT USAGE ON SCHEMA {schema} TO {both}")
        for kind, rights in (
            ("TABLES", "SELECT, INSERT, UPDATE, DELETE"),
            ("SEQUENCES", "SELECT, USAGE"),
        ):
            op.execute(f"GRANT {rights} ON ALL {kind} IN SCHEMA {schema} TO {both}")
            op.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} "
                f"GRANT {rights} ON {kind} TO {both}"
            )
    op.execute(f"REVOKE UPDATE, DELETE ON platform.audit_entries FROM {both}")
    op.execute(f"REVOKE DELETE ON platform.audit_heads FROM {both}")
    for table, condition in _POLICIES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY own ON {table} TO robosure_app "
            f"USING ({condition}) WITH CHECK ({condition})"
        )
        op.execute(
            f"CREATE POLICY everything ON {table} "
            "TO robosure_platform, CURRENT_USER USING (true) WITH CHECK (true)"
        )


def downgrade() -> None:
    """Take the policies and the rights away; the roles are the server's."""
    for table in _POLICIES:
        op.execute(f"DROP POLICY own ON {table}")
        op.execute(f"DROP POLICY everything ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    op.execute(f"DROP OWNED BY {', '.join(_ROLES)}")
    for schema in _ROBOTS:
        op.execute(f"DROP FUNCTION {schema}.own_robots()")
    op.execute("DROP FUNCTION platform.acting_insurer()")
    op.execute("DROP FUNCTION platform.acting_organisation()")
