"""Identity's read side, as the one who asks may see it."""

from robosure.contexts.identity.queries.audit import (
    AuditFilter,
    AuditQueries,
    export_audit_entries,
)
from robosure.contexts.identity.queries.authority import AuthorityQueries, LimitFilter
from robosure.contexts.identity.queries.directory import DirectoryQueries
from robosure.contexts.identity.queries.identity_providers import (
    IdentityProviderQueries,
)
from robosure.contexts.identity.queries.second_factor import SecondFactorQueries
from robosure.contexts.identity.queries.sessions import SessionQueries

__all__ = [
    "AuditFilter",
    "AuditQueries",
    "AuthorityQueries",
    "DirectoryQueries",
    "IdentityProviderQueries",
    "LimitFilter",
    "SecondFactorQueries",
    "SessionQueries",
    "export_audit_entries",
]
