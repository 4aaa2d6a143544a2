"""Codes of an authenticator app: TOTP (RFC 6238), with its usual parameters.

SHA-1, six digits, thirty seconds: other ones are ignored by several of the apps.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

from pyotp import random_base32
from pyotp.totp import TOTP

_NEIGHBOURS: Final = (0, -1, 1)
"""The steps whose codes are good: a clock may be off, and a hand is slow."""


def new_secret() -> str:
    """Return 160 random bits, in base32."""
    return random_base32()


def uri_of(secret: str, *, account: str, issuer: str) -> str:
    """Return what an app reads from a QR code."""
    return TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def step_of(secret: str, code: str, *, at: datetime) -> int | None:
    """Return the time step whose code this is, now or beside now; None if of none."""
    totp = TOTP(secret)
    now = totp.timecode(at)
    for step in (now + offset for offset in _NEIGHBOURS):
        expected = totp.generate_otp(step).encode()
        if hmac.compare_digest(expected, code.encode(errors="surrogatepass")):
            return step
    return None
