"""The first notice of loss: what someone reports, before anybody has looked into it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from robosure.contexts.claims.domain.settlement import refuse_negative
from robosure.kernel.money import Money


@dataclass(frozen=True)
class Contact:
    """Whom to ask about the incident; through their organisation, if need be."""

    name: str
    email: str | None
    phone: str | None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A first notice of loss.

    Attributes:
        estimated_loss: 0 where nobody can say yet.
        injury: whether a person was hurt.
    """

    robot_id: UUID
    incident_type: str
    incident_at: datetime
    description: str
    estimated_loss: Money
    injury: bool
    contact: Contact

    def __post_init__(self) -> None:
        """Refuse a loss below nothing."""
        refuse_negative(estimated_loss=self.estimated_loss)
