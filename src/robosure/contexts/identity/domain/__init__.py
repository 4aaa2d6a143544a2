"""Organisations, the people in them, and the keys of their machines and partners.

What each role that comes along may do is not decided here: every context states its
permissions, and the platform composes them. Identity decides who holds which role, who
may say so, and which roles an insurer makes beside them.
"""

from robosure.contexts.identity.domain.api_key import (
    LONGEST_OVERLAP,
    ROBOT_SCOPES,
    USE_RESOLUTION,
    ApiKey,
    KeyKind,
    digest_of,
)
from robosure.contexts.identity.domain.authority import (
    AuthorityLimit,
    LimitStatus,
    authority_from,
)
from robosure.contexts.identity.domain.custom_role import CustomRole, Grantable
from robosure.contexts.identity.domain.identity_provider import (
    SUBJECT,
    Connection,
    ExternalIdentity,
    IdentityProvider,
    ProviderEndpoints,
    ProviderKind,
    RoleRules,
)
from robosure.contexts.identity.domain.organisation import (
    Organisation,
    OrganisationKind,
    normalised_email,
)
from robosure.contexts.identity.domain.password import (
    MINIMUM_PASSWORD_LENGTH,
    breached_password,
    check_password,
)
from robosure.contexts.identity.domain.password_letter import (
    OF_PASSWORDS,
    OF_SECOND_FACTORS,
    LetterKind,
    PasswordLetter,
    digest_of_token,
)
from robosure.contexts.identity.domain.roles import (
    DEVICE_ROLE,
    ROLES_OF_KIND,
    roles_in_effect,
    roles_of_keys,
)
from robosure.contexts.identity.domain.second_factor import (
    RECOVERY_CODES,
    Reading,
    SecondFactor,
)
from robosure.contexts.identity.domain.session import (
    GRACE,
    Ending,
    Factor,
    RefreshTokens,
    Session,
)
from robosure.contexts.identity.domain.user import User
from robosure.contexts.identity.domain.vouching import (
    AuthenticationRules,
    Prompt,
    Said,
    Vouching,
)

__all__ = [
    "DEVICE_ROLE",
    "GRACE",
    "LONGEST_OVERLAP",
    "MINIMUM_PASSWORD_LENGTH",
    "OF_PASSWORDS",
    "OF_SECOND_FACTORS",
    "RECOVERY_CODES",
    "ROBOT_SCOPES",
    "ROLES_OF_KIND",
    "SUBJECT",
    "USE_RESOLUTION",
    "ApiKey",
    "AuthenticationRules",
    "AuthorityLimit",
    "Connection",
    "CustomRole",
    "Ending",
    "ExternalIdentity",
    "Factor",
    "Grantable",
    "IdentityProvider",
    "KeyKind",
    "LetterKind",
    "LimitStatus",
    "Organisation",
    "OrganisationKind",
    "PasswordLetter",
    "Prompt",
    "ProviderEndpoints",
    "ProviderKind",
    "Reading",
    "RefreshTokens",
    "RoleRules",
    "Said",
    "SecondFactor",
    "Session",
    "User",
    "Vouching",
    "authority_from",
    "breached_password",
    "check_password",
    "digest_of",
    "digest_of_token",
    "normalised_email",
    "roles_in_effect",
    "roles_of_keys",
]
