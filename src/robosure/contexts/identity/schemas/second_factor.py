"""Second factors."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from robosure.contexts.identity.schemas.fields import NOON, example
from robosure.contexts.identity.schemas.sign_in import TokenPair
from robosure.platform.http import InputModel, OutputModel


class SecondFactorOut(OutputModel):
    """Somebody's second factor."""

    model_config = ConfigDict(
        json_schema_extra=example(confirmed_at=NOON, recovery_codes_left=10)
    )

    confirmed_at: datetime | None = Field(
        description="Since when you are asked for it; null if you have none."
    )
    recovery_codes_left: int


class EnrolmentIn(InputModel):
    """Who begins a second factor, proved by what a copied token does not hold."""

    model_config = ConfigDict(
        json_schema_extra=example(password="correct horse battery"),  # nosec B106 # noqa: S106 - an example
    )

    password: SecretStr = Field(
        default=SecretStr(""),
        max_length=1_024,
        description="Yours; who has signed in by an identity provider needs none.",
    )


class EnrolmentOut(OutputModel):
    """What an authenticator app is to hold, shown this once."""

    model_config = ConfigDict(
        json_schema_extra=example(
            secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",  # nosec B106 # noqa: S106 - an example
            uri="otpauth://totp/Robosure:ada%40robosure.example"
            "?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Robosure",
        )
    )

    secret: str = Field(description="In base32, to type.")
    uri: str = Field(description="The same, to be shown as a QR code.")


class CodeIn(InputModel):
    """A code of an authenticator app."""

    model_config = ConfigDict(json_schema_extra=example(code="492039"))

    code: SecretStr = Field(min_length=1, max_length=64)


class RecoveryCodes(BaseModel):
    """Codes for when the app is lost, each good once. They cannot be shown again."""

    model_config = ConfigDict(
        json_schema_extra=example(
            recovery_codes=["NBSW-Y3DP-EB3W-64TM-MQQH-O33S-EBUX-G2LO"],
        )
    )

    recovery_codes: list[str]


class SecondFactorConfirmed(TokenPair):
    """Recovery codes, which cannot be shown again, and tokens to go on by."""

    model_config = ConfigDict(
        json_schema_extra=example(
            access_token="eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIw.c2ln",  # nosec B106 # noqa: S106 - an example
            token_type="bearer",  # noqa: S106 - a kind of token
            expires_in=600,
            refresh_token="rbr_AZg6XnwQe05dUm8OWiwbAgAAAAGYOl58EHtOXVJvDlosGwI",  # noqa: S106 - an example
            refresh_expires_in=604_800,
            recovery_codes=["NBSW-Y3DP-EB3W-64TM-MQQH-O33S-EBUX-G2LO"],
        )
    )

    recovery_codes: list[str]
