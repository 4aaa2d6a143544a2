"""Managing API keys."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from robosure.contexts.identity.domain import (
    DEVICE_ROLE,
    ApiKey,
    KeyKind,
    Organisation,
    roles_of_keys,
)
from robosure.contexts.identity.ports import ApiKeys, Organisations
from robosure.contexts.identity.service.organisations import managed_organisation
from robosure.kernel.errors import NotFound
from robosure.kernel.time import Clock, utc
from robosure.platform.logging import LoggerMixin
from robosure.platform.security import Principal, RoleCatalogue


class ApiKeyService(LoggerMixin):
    """Makes, rotates and revokes keys."""

    def __init__(
        self,
        api_keys: ApiKeys,
        *,
        organisations: Organisations,
        roles: RoleCatalogue,
        clock: Clock,
    ) -> None:
        self._api_keys = api_keys
        self._organisations = organisations
        self._roles = roles
        self._clock = clock

    async def issue(
        self,
        by: Principal,
        *,
        organisation_id: UUID | None,
        kind: KeyKind | None,
        name: str,
        scopes: Collection[str],
        robot_id: UUID | None,
        expires_at: datetime | None,
    ) -> tuple[ApiKey, str]:
        """Make a key for an organisation, one's own unless another is named.

        Returns:
            The key as it is stored, and the key itself, which is not.

        Raises:
            NotFound: no such organisation, or none whose keys one manages.
            Forbidden, Invalid: see :meth:`ApiKey.issue` and :meth:`KeyKind.of`.
        """
        organisation = await managed_organisation(
            self._organisations, by, organisation_id or by.organisation_id
        )
        issued, key = ApiKey.issue(
            organisation_id=organisation.id,
            kind=KeyKind.of(organisation.kind, robot_id=robot_id, asked=kind),
            name=name,
            scopes=scopes,
            grantable=self._grantable(by, to=organisation),
            by=by.subject,
            at=self._clock.now(),
            robot_id=robot_id,
            expires_at=None if expires_at is None else utc(expires_at),
        )
        await self._api_keys.add(issued)
        self.logger.info(
            "identity.service.key_issue_completed",
            key_id=str(issued.id),
            prefix=issued.prefix,
        )
        return issued, key

    async def rotate(
        self, by: Principal, api_key_id: UUID, *, overlap: timedelta
    ) -> tuple[ApiKey, str]:
        """Make a key's successor; the key itself still works for the overlap.

        Of two who rotate it at once, one does.

        Returns:
            The successor as it is stored, and the key itself, which is not.

        Raises:
            NotFound: no such key, or none that one manages.
            InvalidState, Invalid, Forbidden: see :meth:`ApiKey.rotate`.
        """
        api_key = await self._api_keys.locked(api_key_id)
        organisation = await self._managed(by, api_key)
        successor, key = api_key.rotate(
            overlap=overlap,
            grantable=self._grantable(by, to=organisation),
            by=by.subject,
            at=self._clock.now(),
        )
        await self._api_keys.add(successor)
        self.logger.info(
            "identity.service.key_rotation_completed",
            key_id=str(api_key.id),
            successor_id=str(successor.id),
            prefix=successor.prefix,
        )
        return successor, key

    async def revoke(self, by: Principal, api_key_id: UUID) -> None:
        """Stop a key working, from now on.

        Raises:
            NotFound: no such key, or none that one manages.
        """
        api_key = await self._api_keys.get(api_key_id)
        await self._managed(by, api_key)
        api_key.revoke(self._clock.now())
        self.logger.info(
            "identity.service.key_revocation_completed", key_id=str(api_key.id)
        )

    def _grantable(self, by: Principal, *, to: Organisation) -> frozenset[str]:
        """Return what they may give away to an organisation.

        It is what they hold, and what devices hold; but only as far as somebody of such
        an organisation may.
        """
        given = by.permissions | self._roles.permissions_of({DEVICE_ROLE})
        return given & self._roles.permissions_of(roles_of_keys(to.kind))

    async def _managed(self, by: Principal, api_key: ApiKey) -> Organisation:
        try:
            return await managed_organisation(
                self._organisations, by, api_key.organisation_id
            )
        except NotFound:
            raise NotFound("api_key_not_found", api_key_id=api_key.id) from None
