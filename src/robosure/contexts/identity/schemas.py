"""What identity takes in and gives out over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from robosure.contexts.identity.domain import MINIMUM_PASSWORD_LENGTH, OrganisationKind
from robosure.platform.http import InputModel, OutputModel

_INSURER = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b01"
_USER = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b02"
_KEY = "01983a5e-7c10-7b4e-9d52-6f0e5a2c1b03"
_NOON = "2026-03-02T12:00:00Z"
_API_KEY: dict[str, Any] = {
    "id": _KEY,
    "organisation_id": _INSURER,
    "name": "Cell 4 gateway",
    "prefix": "rbs_5f1d0c9a7e34",
    "scopes": ["events:write"],
    "robot_id": None,
    "created_by": _USER,
    "created_at": _NOON,
    "expires_at": "2027-03-02T12:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$"
    ),
]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$"
    ),
]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]


def _hexadecimal(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


Hash = Annotated[str, BeforeValidator(_hexadecimal)]


def _example(**values: Any) -> dict[str, Any]:
    return {"examples": [values]}


class AccessToken(BaseModel):
    """A signed, short-lived proof of who someone is (RFC 6749, section 5.1)."""

    model_config = ConfigDict(
        json_schema_extra=_example(
            access_token="eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIw.c2ln",  # noqa: S106 - an example
            token_type="bearer",  # noqa: S106 - a kind of token
            expires_in=600,
        )
    )

    access_token: str = Field(description="Send as `Authorization: Bearer ...`.")
    token_type: Literal["bearer"]
    expires_in: int = Field(description="Seconds until it expires.")


class Me(OutputModel):
    """Who the platform takes the caller for."""

    model_config = ConfigDict(
        json_schema_extra=_example(
            subject=_USER,
            kind="user",
            name="Ada Lovelace",
            organisation_id=_INSURER,
            organisation_kind="insurer",
            roles=["adjuster"],
            permissions=["claims:assess", "claims:read"],
            robot_id=None,
        )
    )

    subject: UUID = Field(description="The user's or the API key's id.")
    kind: Literal["user", "api_key"]
    name: str
    organisation_id: UUID
    organisation_kind: OrganisationKind
    roles: list[str] = Field(description="Roles in effect; an API key has none.")
    permissions: list[str]
    robot_id: UUID | None = Field(description="The one robot an API key speaks for.")


class OrganisationIn(InputModel):
    """An organisation to take in."""

    model_config = ConfigDict(
        json_schema_extra=_example(
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
        json_schema_extra=_example(
            id=_INSURER,
            kind="insurer",
            name="Robosure Mutual",
            email="office@robosure.example",
            country="GB",
            registered_at=_NOON,
        )
    )

    id: UUID
    kind: OrganisationKind
    name: str
    email: str = Field(description="Where its notices go.")
    country: str = Field(description="ISO 3166-1 alpha-2.")
    registered_at: datetime


class UserIn(InputModel):
    """A person to take into an organisation."""

    model_config = ConfigDict(
        json_schema_extra=_example(
            organisation_id=_INSURER,
            email="ada@robosure.example",
            name="Ada Lovelace",
            password="correct horse battery",  # noqa: S106 - an example
            roles=["adjuster"],
            skills=["cobot", "collision"],
        )
    )

    organisation_id: UUID | None = Field(
        default=None, description="Your own, if left out."
    )
    email: Email = Field(description="Unique among all users, in any case.")
    name: Name
    password: SecretStr = Field(
        min_length=MINIMUM_PASSWORD_LENGTH,
        max_length=256,
        description="At least 12 characters; never shown again.",
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
        json_schema_extra=_example(roles=["adjuster", "support"], active=True)
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
        json_schema_extra=_example(
            id=_USER,
            organisation_id=_INSURER,
            email="ada@robosure.example",
            name="Ada Lovelace",
            roles=["adjuster"],
            skills=["cobot", "collision"],
            active=True,
            registered_at=_NOON,
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


class ApiKeyIn(InputModel):
    """A key to make for a device or a partner's system."""

    model_config = ConfigDict(
        json_schema_extra=_example(
            name="Cell 4 gateway",
            scopes=["events:write"],
            expires_at="2027-03-02T12:00:00Z",
        )
    )

    organisation_id: UUID | None = Field(
        default=None, description="Your own, if left out."
    )
    name: Name = Field(description="What it is for.")
    scopes: list[Word] = Field(
        min_length=1,
        max_length=100,
        description="Permissions that you hold, or that devices hold.",
    )
    robot_id: UUID | None = Field(
        default=None, description="Bind the key to one robot."
    )
    expires_at: AwareDatetime | None = None


class ApiKeyOut(OutputModel):
    """An API key, without what makes it one."""

    model_config = ConfigDict(json_schema_extra=_example(**_API_KEY))

    id: UUID
    organisation_id: UUID
    name: str
    prefix: str = Field(description="The key's beginning, to tell it from others.")
    scopes: list[str]
    robot_id: UUID | None
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    revoked_at: datetime | None


class ApiKeyIssued(OutputModel):
    """A new API key, shown this once."""

    model_config = ConfigDict(
        json_schema_extra=_example(
            key="rbs_5f1d0c9a7e34_q4m0V1xJ2nB8cK5tR7yW9zA3sD6fG0hLpE1uI2oT4iM",
            api_key=_API_KEY,
        )
    )

    key: str = Field(description="Send as `X-API-Key`. It cannot be shown again.")
    api_key: ApiKeyOut


class RoleOut(OutputModel):
    """A role and what it may do."""

    model_config = ConfigDict(
        json_schema_extra=_example(name="device", permissions=["events:write"])
    )

    name: str
    permissions: list[str]


class RolesOut(OutputModel):
    """Every role."""

    items: list[RoleOut]


class AuditChange(OutputModel):
    """What became of one object."""

    object_type: str
    object_id: str
    before: dict[str, Any] | None = Field(
        description="Fields that changed, as they were; null of a new object. Secrets "
        "are hidden, personal data is masked, and what is long is given as its digest."
    )
    after: dict[str, Any] | None = Field(
        description="The same fields, as they are; null of one that is gone."
    )


class AuditEntryOut(OutputModel):
    """Who did what, on whose behalf, to what, from where, and when."""

    model_config = ConfigDict(
        json_schema_extra=_example(
            id=_KEY,
            sequence=42,
            at=_NOON,
            actor=_USER,
            actor_kind="user",
            actor_name="Ada Lovelace",
            actor_organisation_id=_INSURER,
            organisation_id=_INSURER,
            action="PATCH /api/v1/users/{user_id}",
            subject={"user_id": _USER},
            object_type="user",
            object_id=_USER,
            objects=["user", f"user:{_USER}"],
            changes=[
                {
                    "object_type": "user",
                    "object_id": _USER,
                    "before": {"active": True},
                    "after": {"active": False},
                }
            ],
            address="203.0.113.7",
            user_agent="Mozilla/5.0",
            correlation_id="01983a5e-7c10-7b4e-9d52-6f0e5a2c1b04",
            outcome="completed",
            previous_hash="8d969eef6ecad3c29a3a629280e686cf"
            "0c3f5d5a86aff3ca12020c923adc6c92",
            hash="5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5",
        )
    )

    id: UUID
    sequence: int | None = Field(
        description="Place in the organisation's chain; null, as are the fields below "
        "that no entry had then, of one from before there were chains."
    )
    at: datetime
    actor: UUID | None = Field(
        description="Null for someone not signed in, and for the platform itself."
    )
    actor_kind: str | None = Field(
        description="`user`, `api_key`, `anonymous` or `platform`."
    )
    actor_name: str
    actor_organisation_id: UUID | None
    organisation_id: UUID | None = Field(description="On whose behalf; its chain.")
    action: str
    subject: dict[str, str] = Field(description="Which object, by path parameter.")
    object_type: str | None = Field(description="Of the object it is about above all.")
    object_id: str | None
    objects: list[str] | None = Field(description="All that it can be found by.")
    changes: list[AuditChange] | None
    address: str | None = Field(description="The client's.")
    user_agent: str | None
    correlation_id: str | None = Field(description="The request's id.")
    outcome: str | None
    previous_hash: Hash | None = Field(description="Of the entry before, in the chain.")
    hash: Hash | None = Field(
        description="SHA-256 of the hash before, the sequence as 8 bytes, and the "
        "SHA-256 of the entry's canonical form."
    )
