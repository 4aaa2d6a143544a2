"""The ports of identity, over SQL."""

from robosure.contexts.identity.repository.api_keys import SqlApiKeys
from robosure.contexts.identity.repository.authority import (
    SqlAuthorities,
    SqlAuthorityLimits,
    SqlCustomRoles,
)
from robosure.contexts.identity.repository.identity_providers import (
    SqlExternalIdentities,
    SqlIdentityProviders,
)
from robosure.contexts.identity.repository.organisations import SqlOrganisations
from robosure.contexts.identity.repository.sessions import SqlSecondFactors, SqlSessions
from robosure.contexts.identity.repository.users import SqlPasswordLetters, SqlUsers

__all__ = [
    "SqlApiKeys",
    "SqlAuthorities",
    "SqlAuthorityLimits",
    "SqlCustomRoles",
    "SqlExternalIdentities",
    "SqlIdentityProviders",
    "SqlOrganisations",
    "SqlPasswordLetters",
    "SqlSecondFactors",
    "SqlSessions",
    "SqlUsers",
]
