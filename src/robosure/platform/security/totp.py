"""Codes of an authenticator app: TOTP (RFC 6238), with its usual parameters.

SHA-1, six digits, thirty seconds: other ones are ignored by several of the apps.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

from pyotp import random_base32
from pyotp.totp import TOTP

_FARTHEST: Final = 4
"""By how many steps a clock may be off for its codes to be read: two minutes."""


def new_secret() -> str:
    """Return 160 random bits, in base32."""
    return random_base32()


def uri_of(secret: str, *, account: str, issuer: str) -> str:
    """Return what an app reads from a QR code."""
    return TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def read(
    secret: str, code: str, *, at: datetime, ahead: int = 0
) -> tuple[int, int] | None:
    """Return the time step whose code this is, and how far it is from the present one.

    Whether a code of another step than the present one is good is not said here.

    Args:
        secret: in base32.
        code: as it was typed.
        at: now.
        ahead: by how many steps the app's clock is ahead of ours, as far as known; a
            code that is of several steps is taken for that of the nearest to it.

    Returns:
        The step, and by how many steps it is ahead of ours; None if it is the code of
        no step within two minutes.
    """
    totp = TOTP(secret)
    now = totp.timecode(at)
    offsets = range(-_FARTHEST, _FARTHEST + 1)
    for offset in sorted(offsets, key=lambda each: abs(each - ahead)):
        expected = totp.generate_otp(now + offset).encode()
        if hmac.compare_digest(expected, code.encode(errors="surrogatepass")):
            return now + offset, offset
    return None
