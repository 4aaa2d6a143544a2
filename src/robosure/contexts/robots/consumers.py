"""What robots does when identity tells of an organisation: remember it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from robosure.contexts.identity.events import OrganisationRegistered
from robosure.contexts.robots.domain.fleet import Organisation, OrganisationKind
from robosure.contexts.robots.repository import SqlOrganisations
from robosure.platform.database import WriteSession
from robosure.platform.streams import Consumer, Envelope, on


async def _organisation_registered(
    session: WriteSession, event: OrganisationRegistered, _envelope: Envelope
) -> None:
    organisation = Organisation(
        event.organisation_id, event.name, OrganisationKind(event.kind)
    )
    await SqlOrganisations(session).remember(organisation)


consumers: Final[Sequence[Consumer[Any]]] = [
    on(OrganisationRegistered, group="robots", handler=_organisation_registered)
]
