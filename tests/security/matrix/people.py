"""Who asks: every role, in the organisation where it is held, and what it may do.

Stated here a second time, on purpose: a permission that a role gains or loses by
accident fails the suite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx

from tests.journey import World

_READER: Final = {
    "claims:read",
    "events:read",
    "messages:read",
    "organisations:read",
    "products:read",
    "risk:read",
    "robots:read",
}
_CUSTOMER_ADMIN: Final = {
    "api-keys:manage",
    "events:read",
    "identity-providers:manage",
    "messages:read",
    "organisations:read",
    "personal-data:erase",
    "personal-data:read",
    "products:read",
    "profiles:manage",
    "risk:read",
    "robots:read",
    "users:manage",
    "users:read",
    "webhooks:manage",
}
_POLICYHOLDER: Final = _READER | {
    "claims:report",
    "payments:read",
    "policies:read",
    "quotes:read",
    "robots:manage",
}
PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "admin": frozenset(
        _READER
        | {
            "api-keys:manage",
            "audit:read",
            "authority:approve",
            "authority:propose",
            "authority:read",
            "claims:approve",
            "claims:assess",
            "claims:assign",
            "claims:report",
            "dead_letters:manage",
            "deliveries:read",
            "event_archives:read",
            "events:write",
            "facts:read",
            "identity-providers:manage",
            "ledger:read",
            "models:manage",
            "organisations:manage",
            "payments:collect",
            "payments:read",
            "personal-data:erase",
            "personal-data:read",
            "policies:backdate",
            "policies:bind",
            "policies:read",
            "products:manage",
            "profiles:manage",
            "quotes:read",
            "quotes:write",
            "replays:manage",
            "robots:manage",
            "roles:manage",
            "telemetry:write",
            "users:manage",
            "users:read",
            "webhooks:manage",
        }
    ),
    "underwriter": frozenset(
        _READER
        | {
            "models:manage",
            "payments:read",
            "policies:backdate",
            "policies:bind",
            "policies:read",
            "quotes:read",
            "quotes:write",
            "robots:manage",
        }
    ),
    "adjuster": frozenset(
        _READER
        | {
            "claims:approve",
            "claims:assess",
            "claims:report",
            "payments:read",
            "policies:read",
        }
    ),
    "risk_analyst": frozenset(_READER),
    "compliance": frozenset(
        _READER
        | {
            "audit:read",
            "authority:approve",
            "authority:read",
            "deliveries:read",
            "facts:read",
            "ledger:read",
            "payments:read",
            "personal-data:erase",
            "personal-data:read",
            "policies:read",
            "quotes:read",
            "users:read",
        }
    ),
    "support": frozenset(
        _READER
        | {
            "claims:report",
            "dead_letters:manage",
            "deliveries:read",
            "payments:collect",
            "payments:read",
            "policies:read",
            "quotes:read",
            "users:read",
        }
    ),
    "policyholder": frozenset(_POLICYHOLDER),
    "operator_admin": frozenset(
        _CUSTOMER_ADMIN
        | {
            "claims:read",
            "claims:report",
            "events:write",
            "policies:read",
            "quotes:read",
            "robots:manage",
            "telemetry:write",
        }
    ),
    "manufacturer_admin": frozenset(_CUSTOMER_ADMIN | {"models:manage"}),
    "device": frozenset({"events:write", "products:read", "telemetry:write"}),
}


@dataclass(frozen=True)
class Person:
    """Someone with one role.

    Attributes:
        role: as permissions name it.
        kind: of their organisation.
    """

    role: str
    kind: str

    @property
    def is_staff(self) -> bool:
        """Whether they work for the insurer."""
        return self.kind == "insurer"

    def may(self, permission: str) -> bool:
        """Whether their role is to hold the permission."""
        return permission in PERMISSIONS[self.role]

    def client(self, world: World) -> httpx.AsyncClient:
        """Act as them."""
        organisation = {
            "insurer": world.insurer_id,
            "operator": world.operator_id,
            "manufacturer": world.manufacturer_id,
        }[self.kind]
        return world.api.as_(self.role, organisation=organisation, kind=self.kind)


PEOPLE: Final = (
    *(
        Person(role, "insurer")
        for role in (
            "admin",
            "underwriter",
            "adjuster",
            "risk_analyst",
            "compliance",
            "support",
        )
    ),
    Person("operator_admin", "operator"),
    Person("policyholder", "operator"),
    Person("device", "operator"),
    Person("manufacturer_admin", "manufacturer"),
)
