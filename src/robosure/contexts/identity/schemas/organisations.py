"""Organisations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from robosure.contexts.identity.domain import OrganisationKind
from robosure.contexts.identity.schemas.fields import (
    INSURER,
    NOON,
    Email,
    Name,
    example,
)
from robosure.platform.http import InputModel, OutputModel


class OrganisationIn(InputModel):
    """An organisation to take in."""

    model_config = ConfigDict(
        json_schema_extra=example(
            kind="operator",
            name="Acme Logistics",
            email="fleet@acme.example",
            country="DE",
        )
    )

    kind: OrganisationKind
    name: Name = Field(description="Unique among organisations of its kind.")
    email: Email = Field(description="Where its notices go.")
    country: str = Field(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")


class OrganisationOut(OutputModel):
    """An insurer, an operator or a manufacturer."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=INSURER,
            kind="insurer",
            name="Robosure Mutual",
            email="office@robosure.example",
            country="GB",
            registered_at=NOON,
        )
    )

    id: UUID
    kind: OrganisationKind
    name: str
    email: str = Field(description="Where its notices go.")
    country: str = Field(description="ISO 3166-1 alpha-2.")
    registered_at: datetime
