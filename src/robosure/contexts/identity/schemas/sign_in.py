"""Signing in, and who one is."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from robosure.contexts.identity.domain import MINIMUM_PASSWORD_LENGTH, OrganisationKind
from robosure.contexts.identity.schemas.fields import (
    INSURER,
    SESSION,
    USER,
    Email,
    example,
)
from robosure.platform.http import InputModel, OutputModel


class SignIn(InputModel):
    """Who signs in, and by what."""

    model_config = ConfigDict(
        json_schema_extra=example(
            email="ada@robosure.example",
            password="correct horse battery",  # nosec B106 # noqa: S106 - an example
        )
    )

    email: str = Field(max_length=1_024, description="In any case.")
    password: SecretStr = Field(max_length=1_024)
    code: SecretStr = Field(
        default=SecretStr(""),
        max_length=64,
        description="Of your authenticator app, or a recovery code, if you have set up "
        "a second factor; of the letter that you were sent, if you have lost it.",
    )


class TokenForm(BaseModel):
    """What is presented for tokens (RFC 6749, sections 4.1.3, 4.3.2 and 6)."""

    grant_type: Literal["refresh_token", "authorization_code", "password"] = "password"
    refresh_token: SecretStr = Field(
        default=SecretStr(""),
        max_length=200,
        description="With the grant type `refresh_token`: the last one that you got.",
    )
    code: SecretStr = Field(
        default=SecretStr(""),
        max_length=64,
        description="With the grant type `authorization_code`: from single sign-on; "
        "with `password`: of your second factor.",
    )
    code_verifier: SecretStr = Field(
        default=SecretStr(""),
        max_length=128,
        description="With that: what its challenge was made of.",
    )
    username: str = Field(
        default="",
        max_length=1_024,
        description="With the grant type `password`: the e-mail address, in any case.",
    )
    password: SecretStr = Field(default=SecretStr(""), max_length=1_024)


class PasswordChange(InputModel):
    """Another password."""

    model_config = ConfigDict(
        json_schema_extra=example(
            current_password="correct horse battery",  # nosec B106 # noqa: S106 - an example
            new_password="staple at the edge of it",  # noqa: S106 - an example
        )
    )

    current_password: SecretStr = Field(max_length=1_024)
    new_password: SecretStr = Field(
        min_length=MINIMUM_PASSWORD_LENGTH,
        max_length=256,
        description="At least 12 characters; not a common one, nor mainly your name, "
        "e-mail address or organisation.",
    )


class PasswordReset(InputModel):
    """Who has forgotten their password."""

    model_config = ConfigDict(
        json_schema_extra=example(email="ada@robosure.example"),
    )

    email: Email = Field(description="In any case.")


class PasswordChoice(InputModel):
    """A password of one's own, chosen by a letter."""

    model_config = ConfigDict(
        json_schema_extra=example(
            token="rbp_x0bEq2wQvJ8mZtYyq6o3c1Qm5dXk9sGfU4hRnLpAeTc",  # nosec B106 # noqa: S106 - an example
            new_password="staple at the edge of it",  # noqa: S106 - an example
        )
    )

    token: SecretStr = Field(max_length=200, description="Of the letter.")
    new_password: SecretStr = Field(
        min_length=MINIMUM_PASSWORD_LENGTH,
        max_length=256,
        description="At least 12 characters; not a common one, nor mainly your name, "
        "e-mail address or organisation.",
    )


class ProofIn(InputModel):
    """Who somebody is, proved again."""

    model_config = ConfigDict(
        json_schema_extra=example(code="492039"),
    )

    code: SecretStr = Field(
        default=SecretStr(""),
        max_length=64,
        description="Of your authenticator app, or a recovery code, if you have set up "
        "a second factor.",
    )
    password: SecretStr = Field(
        default=SecretStr(""), max_length=1_024, description="If you have not."
    )


class AccessToken(BaseModel):
    """A signed, short-lived proof of who someone is (RFC 6749, section 5.1)."""

    model_config = ConfigDict(
        json_schema_extra=example(
            access_token="eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIw.c2ln",  # nosec B106 # noqa: S106 - an example
            token_type="bearer",  # noqa: S106 - a kind of token
            expires_in=600,
        )
    )

    access_token: str = Field(description="Send as `Authorization: Bearer ...`.")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind of token
    expires_in: int = Field(description="Seconds until it expires.")


class TokenPair(AccessToken):
    """A signed, short-lived proof of who someone is, and what gets the next one.

    See RFC 6749, section 5.1.
    """

    model_config = ConfigDict(
        json_schema_extra=example(
            access_token="eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIw.c2ln",  # nosec B106 # noqa: S106 - an example
            token_type="bearer",  # noqa: S106 - a kind of token
            expires_in=600,
            refresh_token="rbr_AZg6XnwQe05dUm8OWiwbAgAAAAGYOl58EHtOXVJvDlosGwI",  # noqa: S106 - an example
            refresh_expires_in=604_800,
        )
    )

    refresh_token: str = Field(
        description="Gets the next pair, once. A spent one ends the session."
    )
    refresh_expires_in: int = Field(
        description="Seconds until you have to sign in again in any case."
    )


class Me(OutputModel):
    """Who the platform takes the caller for."""

    model_config = ConfigDict(
        json_schema_extra=example(
            subject=USER,
            kind="user",
            name="Ada Lovelace",
            organisation_id=INSURER,
            organisation_kind="insurer",
            roles=["adjuster"],
            permissions=["claims:assess", "claims:read"],
            robot_id=None,
            session_id=SESSION,
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
    session_id: UUID | None = Field(description="Of the token; an API key has none.")
