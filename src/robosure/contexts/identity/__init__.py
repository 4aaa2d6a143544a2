"""Accounts and access: organisations, their people, and the keys of their machines.

Owns organisations, users, their sessions and API keys, identity providers, roles of
insurers' own, and who may approve how much; shows the audit trail that the platform
keeps.
Publishes ``OrganisationRegistered``, ``UserRegistered`` and ``UserChanged``; listens to
nobody.
"""

from __future__ import annotations

from typing import Final

from robosure.contexts.identity.jobs import (
    forget_password_letters,
    forget_sessions,
    send_password_letters,
)
from robosure.contexts.identity.repository import SqlAuthorities
from robosure.contexts.identity.routes import router
from robosure.contexts.identity.service.authenticator import SqlAuthenticator
from robosure.contexts.identity.service.personal_data import IdentityPersonalData
from robosure.contexts.identity.service.seeding import seed
from robosure.platform.context import Context

_CUSTOMER_ADMINS: Final = {"operator_admin", "manufacturer_admin"}
"""Admins of organisations that are no insurer; see ``domain.roles_in_effect``."""

context = Context(
    name="identity",
    router=router,
    permissions={
        "organisations:manage": {"admin"},
        "organisations:read": {
            "admin",
            "underwriter",
            "adjuster",
            "risk_analyst",
            "compliance",
            "support",
            "policyholder",
            *_CUSTOMER_ADMINS,
        },
        "users:manage": {"admin", *_CUSTOMER_ADMINS},
        "users:read": {"admin", "compliance", "support", *_CUSTOMER_ADMINS},
        "roles:manage": {"admin"},
        "api-keys:manage": {"admin", *_CUSTOMER_ADMINS},
        "authority:read": {"admin", "compliance"},
        "authority:propose": {"admin"},
        "authority:approve": {"admin", "compliance"},
        "identity-providers:manage": {"admin", *_CUSTOMER_ADMINS},
        "audit:read": {"admin", "compliance"},
        "personal-data:read": {"admin", "compliance", *_CUSTOMER_ADMINS},
        "personal-data:erase": {"admin", "compliance", *_CUSTOMER_ADMINS},
    },
    descriptions={
        "organisations:manage": "Take in operators, manufacturers and insurers.",
        "organisations:read": "See organisations.",
        "users:manage": "Take in people, and say which roles they hold.",
        "identity-providers:manage": "Say who else may say who somebody is.",
        "users:read": "See people, roles and permissions.",
        "roles:manage": "Make, change and remove roles of the insurer's own.",
        "api-keys:manage": "Make, list and revoke API keys.",
        "authority:read": "See up to what amount roles and people may approve.",
        "authority:propose": "Propose up to what amount roles and people may approve.",
        "authority:approve": "Approve or reject authority limits that others proposed.",
        "audit:read": "Search and export the audit trail.",
        "personal-data:read": "Export what is kept about a person.",
        "personal-data:erase": "Erase a person, but for what the law wants kept.",
    },
    jobs=(forget_sessions, send_password_letters, forget_password_letters),
    seed=seed,
    personal_data=IdentityPersonalData(),
    authenticator=SqlAuthenticator(),
    authorities=SqlAuthorities,
)
