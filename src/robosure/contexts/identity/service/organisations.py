"""Managing organisations, and who manages which."""

from __future__ import annotations

from uuid import UUID

from robosure.contexts.identity.domain import (
    AuthorityLimit,
    Organisation,
    OrganisationKind,
)
from robosure.contexts.identity.ports import AuthorityLimits, Organisations
from robosure.kernel.errors import Forbidden, NotFound
from robosure.kernel.time import Clock
from robosure.platform.logging import LoggerMixin
from robosure.platform.security import Principal


class OrganisationService(LoggerMixin):
    """Takes organisations in."""

    def __init__(
        self, organisations: Organisations, *, limits: AuthorityLimits, clock: Clock
    ) -> None:
        self._organisations = organisations
        self._limits = limits
        self._clock = clock

    async def register(
        self,
        by: Principal,
        *,
        kind: OrganisationKind,
        name: str,
        email: str,
        country: str,
    ) -> Organisation:
        """Take one in.

        Raises:
            Forbidden: only insurers do that.
            AlreadyExists: another of its kind has that name.
            Invalid: see :meth:`Organisation.register`.
        """
        if by.organisation_kind != OrganisationKind.INSURER:
            raise Forbidden("insurer_only")
        organisation = Organisation.register(
            kind=kind, name=name, email=email, country=country, at=self._clock.now()
        )
        await self._organisations.add(organisation)
        if kind is OrganisationKind.INSURER:
            standard = AuthorityLimit.standard(organisation.id, at=self._clock.now())
            await self._limits.start(organisation.id, standard)
        self.logger.info(
            "identity.service.organisation_registration_completed",
            organisation_id=str(organisation.id),
            kind=kind.value,
        )
        return organisation


async def managed_organisation(
    organisations: Organisations, by: Principal, organisation_id: UUID
) -> Organisation:
    """Return an organisation whose users and keys the principal manages.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    organisation = await organisations.get(organisation_id)
    kind = OrganisationKind(by.organisation_kind)
    if not organisation.is_managed_by(by.organisation_id, kind):
        raise NotFound("organisation_not_found", organisation_id=organisation_id)
    return organisation
