"""Which roles a person may hold where, and which then are in effect."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from robosure.contexts.identity.domain.organisation import OrganisationKind
from robosure.kernel.errors import Invalid

DEVICE_ROLE: Final = "device"
"""Held by machines through their keys, never by a person."""

_ADMIN: Final = "admin"

ROLES_OF_KIND: Final[Mapping[OrganisationKind, frozenset[str]]] = {
    OrganisationKind.INSURER: frozenset(
        {_ADMIN, "underwriter", "adjuster", "risk_analyst", "compliance", "support"}
    ),
    OrganisationKind.OPERATOR: frozenset({_ADMIN, "policyholder"}),
    OrganisationKind.MANUFACTURER: frozenset({_ADMIN}),
}
"""Which roles a person may hold in which kind of organisation."""

_ADMIN_OF_KIND: Final[Mapping[OrganisationKind, frozenset[str]]] = {
    OrganisationKind.INSURER: frozenset({_ADMIN}),
    OrganisationKind.OPERATOR: frozenset({"operator_admin", "policyholder"}),
    OrganisationKind.MANUFACTURER: frozenset({"manufacturer_admin"}),
}


def roles_of_keys(kind: OrganisationKind) -> frozenset[str]:
    """Return the roles whose permissions a key of such an organisation may carry."""
    return roles_in_effect(kind, ROLES_OF_KIND[kind]) | {DEVICE_ROLE}


def roles_in_effect(kind: OrganisationKind, roles: Collection[str]) -> frozenset[str]:
    """Return the roles whose permissions a person of such an organisation gets.

    ``admin`` means the insurer's wherever a permission is declared. An operator's
    admin is a policyholder who also manages colleagues, and must not, say, approve the
    claims of their own organisation; so elsewhere the role goes by another name.
    """
    held = frozenset(roles)
    return held - {_ADMIN} | _ADMIN_OF_KIND[kind] if _ADMIN in held else held


def check_roles(
    roles: Collection[str], kind: OrganisationKind, own: Collection[str] = ()
) -> None:
    """Refuse roles that nobody in such an organisation may hold.

    Args:
        roles: any.
        kind: of the organisation.
        own: names of roles of the organisation's own.

    Raises:
        Invalid: there is one among them.
    """
    if refused := sorted(set(roles) - ROLES_OF_KIND[kind] - set(own)):
        raise Invalid(
            "role_not_for_organisation", roles=", ".join(refused), kind=kind.value
        )
