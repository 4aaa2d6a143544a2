"""Secrets at rest: encrypted, with a key that the database does not hold.

A copy of the database alone forges no signature. The key is the installation's
(``ROBOSURE_ENCRYPTION_KEY``); what is stored is a Fernet token: AES-128 in CBC mode and
an HMAC over it, each with half of the SHA-256 of that key.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from robosure.kernel.errors import Unavailable
from robosure.platform.settings import Settings


class FernetVault:
    """Seals with the first of its keys, opens with each."""

    def __init__(self, keys: list[str]) -> None:
        self._fernet = MultiFernet([_fernet(key) for key in keys])

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Take the installation's keys."""
        return cls(settings.encryption_keys)

    def seal(self, secret: str) -> str:
        """Encrypt a secret, to be stored."""
        return self._fernet.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str:
        """Decrypt it again."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken as error:
            raise Unavailable("encryption_key_missing") from error


def _fernet(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()))
