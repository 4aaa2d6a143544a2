"""Signatures of webhooks, as Standard Webhooks has them.

HMAC-SHA256 over ``id.timestamp.body`` with a secret that both sides know:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final

_MARK: Final = "whsec_"
_SECRET_BYTES: Final = 32  # the specification wants 24 to 64


def new_secret() -> str:
    """Return a fresh secret: ``whsec_`` and 32 random bytes in base64."""
    random = secrets.token_bytes(_SECRET_BYTES)
    return _MARK + base64.b64encode(random).decode()


def signed_headers(
    signing_secrets: Iterable[str], *, message_id: str, at: datetime, body: bytes
) -> dict[str, str]:
    """Return the three headers by which a receiver trusts a message.

    Args:
        signing_secrets: a signature is made with each of them.
        message_id: the same in every attempt.
        at: when it is sent; receivers refuse what is more than minutes old.
        body: as it is sent, to the byte.
    """
    timestamp = str(int(at.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            _signature(secret, signed) for secret in signing_secrets
        ),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_MARK))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
