"""People."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr

from robosure.contexts.identity.domain import MINIMUM_PASSWORD_LENGTH
from robosure.contexts.identity.schemas.fields import (
    INSURER,
    NOON,
    USER,
    Email,
    Name,
    Word,
    example,
)
from robosure.platform.http import InputModel, OutputModel


class UserIn(InputModel):
    """A person to take into an organisation."""

    model_config = ConfigDict(
        json_schema_extra=example(
            organisation_id=INSURER,
            email="ada@robosure.example",
            name="Ada Lovelace",
            password="correct horse battery",  # nosec B106 # noqa: S106 - an example
            roles=["adjuster"],
            skills=["cobot", "collision"],
        )
    )

    organisation_id: UUID | None = Field(
        default=None, description="Your own, if left out."
    )
    email: Email = Field(description="Unique among all users, in any case.")
    name: Name
    password: SecretStr | None = Field(
        default=None,
        min_length=MINIMUM_PASSWORD_LENGTH,
        max_length=256,
        description="At least 12 characters; not a common one, nor mainly one's name, "
        "e-mail address or organisation. Never shown again. Left out, they get a "
        "letter by which they choose their own, within 72 hours.",
    )
    roles: list[Word] = Field(min_length=1, max_length=16)
    skills: list[Word] = Field(
        default=[],
        max_length=64,
        description="Robot classes or incident types an adjuster knows.",
    )


class UserChange(InputModel):
    """What is to change about a user; what is left out stays."""

    model_config = ConfigDict(
        json_schema_extra=example(roles=["adjuster", "support"], active=True)
    )

    name: Name | None = None
    roles: list[Word] | None = Field(
        default=None, min_length=1, max_length=16, description="All of the new ones."
    )
    skills: list[Word] | None = Field(
        default=None, max_length=64, description="All of the new ones."
    )
    active: bool | None = Field(default=None, description="Whether they may sign in.")


class UserOut(OutputModel):
    """A person who signs in."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=USER,
            organisation_id=INSURER,
            email="ada@robosure.example",
            name="Ada Lovelace",
            roles=["adjuster"],
            skills=["cobot", "collision"],
            active=True,
            registered_at=NOON,
            version=1,
        )
    )

    id: UUID
    organisation_id: UUID
    email: str
    name: str
    roles: list[str]
    skills: list[str]
    active: bool
    registered_at: datetime
    version: int = Field(description="Counts changes; the ETag.")
