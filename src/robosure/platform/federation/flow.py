"""What is remembered while somebody is away at their provider."""

from __future__ import annotations

import hmac
import secrets
from typing import Any, Final

from authlib.oauth2 import rfc7636
from pydantic import BaseModel, ConfigDict

_pkce: Final[Any] = rfc7636  # has no types


class Flow(BaseModel):
    """One way to a provider and back.

    Attributes:
        state: comes back in the answer; ties it to the browser that went.
        nonce: comes back in the ID token; ties that to this way.
        verifier: proves at the token endpoint that the code is for us (RFC 7636).
    """

    model_config = ConfigDict(frozen=True)

    state: str
    nonce: str
    verifier: str

    @classmethod
    def begin(cls) -> Flow:
        """Think of new ones, of 256 bits each."""
        return cls(
            state=secrets.token_urlsafe(),
            nonce=secrets.token_urlsafe(),
            verifier=secrets.token_urlsafe(),
        )


class Answer(BaseModel):
    """What a provider has the browser bring (RFC 6749, section 4.1.2; RFC 9207)."""

    model_config = ConfigDict(frozen=True)

    code: str | None = None
    state: str | None = None
    issuer: str | None = None
    error: str | None = None


def challenge_of(verifier: str) -> str:
    """Return the challenge that this verifier meets, by S256 (RFC 7636)."""
    challenge: str = _pkce.create_s256_code_challenge(verifier)
    return challenge


def is_verified_by(challenge: str, verifier: str) -> bool:
    """Whether a challenge was made of this verifier, by S256 (RFC 7636)."""
    try:
        return hmac.compare_digest(challenge_of(verifier), challenge)
    except ValueError:
        return False  # not in ASCII
