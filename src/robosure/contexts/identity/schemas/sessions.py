"""Sessions."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from robosure.contexts.identity.schemas.fields import NOON, SESSION, example
from robosure.platform.http import OutputModel


class SessionOut(OutputModel):
    """Where somebody is signed in."""

    model_config = ConfigDict(
        json_schema_extra=example(
            id=SESSION,
            started_at=NOON,
            refreshed_at="2026-03-02T12:40:00Z",
            expires_at="2026-03-09T12:00:00Z",
            address="198.51.100.7",
            user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0)",
            current=True,
        )
    )

    id: UUID
    started_at: datetime
    refreshed_at: datetime = Field(description="When it was last carried on.")
    expires_at: datetime = Field(description="When it is over in any case.")
    address: str = Field(description="Where it began.")
    user_agent: str | None = Field(description="What it began with.")
    current: bool = Field(description="Whether you ask from it.")


class SignedOut(OutputModel):
    """Where else to sign out."""

    model_config = ConfigDict(
        json_schema_extra=example(
            provider_sign_out_url="https://login.example.com/acme/logout?client_id=robosure"
        )
    )

    provider_sign_out_url: str = Field(
        description="At the provider, where you are signed in still. Go there if you "
        "want to end that, too."
    )
