"""Accounts and access: organisations, their people, and the keys of their machines.

Owns organisations, users, their sessions and API keys, and who may approve how much;
shows the audit trail that the platform keeps.
Publishes ``OrganisationRegistered``, ``UserRegistered`` and ``UserChanged``; listens to
nobody.
"""

from __future__ import annotations

from typing import Final

from robosure.contexts.identity.jobs import forget_sessions
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
        "api-keys:manage": {"admin", *_CUSTOMER_ADMINS},
        "authority:read": {"admin", "compliance"},
        "authority:propose": {"admin"},
        "authority:approve": {"admin", "compliance"},
        "audit:read": {"admin", "compliance"},
        "personal-data:read": {"admin", "compliance", *_CUSTOMER_ADMINS},
        "personal-data:erase": {"admin", "compliance", *_CUSTOMER_ADMINS},
    },
    jobs=(forget_sessions,),
    seed=seed,
    personal_data=IdentityPersonalData(),
    authenticator=SqlAuthenticator(),
    authorities=SqlAuthorities,
)
