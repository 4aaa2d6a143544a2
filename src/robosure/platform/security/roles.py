"""Roles as sets of permissions, composed of what every context declares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


class RoleCatalogue:
    """Which permissions there are, and which role holds which."""

    def __init__(
        self,
        declared: Iterable[Mapping[str, Collection[str]]],
        *,
        descriptions: Iterable[Mapping[str, str]] = (),
    ) -> None:
        """Compose.

        Args:
            declared: per context, permission name to the roles that hold it.
            descriptions: per context, permission name to what it is for.
        """
        self.descriptions = {
            permission: description
            for mapping in descriptions
            for permission, description in mapping.items()
        }
        self._grants: dict[str, set[str]] = {}
        self.permissions: set[str] = set()
        for mapping in declared:
            for permission, roles in mapping.items():
                self.permissions.add(permission)
                for role in roles:
                    self._grants.setdefault(role, set()).add(permission)

    @property
    def roles(self) -> Mapping[str, frozenset[str]]:
        """Every role and its permissions, by name."""
        return {role: frozenset(held) for role, held in sorted(self._grants.items())}

    def holders_of(self, permission: str) -> frozenset[str]:
        """Return the roles that hold a permission."""
        return frozenset(
            role for role, held in self._grants.items() if permission in held
        )

    def permissions_of(self, roles: Iterable[str]) -> frozenset[str]:
        """Return what holders of these roles together may do."""
        return frozenset[str]().union(*(self._grants.get(role, ()) for role in roles))
