"""What identity tells the others: who exists, and what they may be trusted with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from robosure.kernel.events import DomainEvent


@dataclass(frozen=True)
class OrganisationRegistered(DomainEvent):
    """An insurer, operator or manufacturer joined.

    Attributes:
        kind: ``insurer``, ``operator`` or ``manufacturer``.
        email: where its notices go.
        country: ISO 3166-1 alpha-2.
    """

    organisation_id: UUID
    name: str
    kind: str
    email: str
    country: str


@dataclass(frozen=True)
class UserRegistered(DomainEvent):
    """A person joined an organisation.

    Attributes:
        roles: names such as ``adjuster``.
        skills: robot classes or incident types an adjuster knows.
    """

    user_id: UUID
    organisation_id: UUID
    email: str
    name: str
    roles: tuple[str, ...]
    skills: tuple[str, ...]


@dataclass(frozen=True)
class UserChanged(DomainEvent):
    """A person's roles, skills or standing are now these."""

    user_id: UUID
    organisation_id: UUID
    email: str
    name: str
    roles: tuple[str, ...]
    skills: tuple[str, ...]
    active: bool


_ID: Final = UUID("019c8f3e-9a40-7000-8000-000000000001")

SAMPLES: Final = (
    OrganisationRegistered(
        organisation_id=_ID,
        name="Acme Robotics",
        kind="operator",
        email="insurance@acme.example",
        country="DE",
    ),
    UserRegistered(
        user_id=_ID,
        organisation_id=_ID,
        email="ada@insurer.example",
        name="Ada Berger",
        roles=("adjuster",),
        skills=("cobot", "collision"),
    ),
    UserChanged(
        user_id=_ID,
        organisation_id=_ID,
        email="ada@insurer.example",
        name="Ada Berger",
        roles=("adjuster",),
        skills=("cobot", "collision", "drop"),
        active=True,
    ),
)
"""One of each kind, as the catalogue of event types shows it."""
