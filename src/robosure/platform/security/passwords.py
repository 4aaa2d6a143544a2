"""Passwords: Argon2id; bcrypt hashes are verified and upgraded."""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from robosure.platform.security.breached_passwords import BreachedPasswords
from robosure.platform.security.common_passwords import common_passwords


class Passwords:
    """Hashes and verifies in a thread, since both take tens of milliseconds by design.

    Parameters follow the OWASP Password Storage Cheat Sheet for Argon2id: 19 MiB of
    memory, 2 iterations, 1 degree of parallelism.
    """

    def __init__(self, breached: BreachedPasswords | None = None) -> None:
        """Hash and verify.

        Args:
            breached: whom to ask for passwords that were in breaches, if anybody.
        """
        self._breached = breached
        argon2 = Argon2Hasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._hasher: Final = PasswordHash((argon2, BcryptHasher()))
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Return a salted hash in PHC string format."""
        return await asyncio.to_thread(self._hasher.hash, password)

    async def common(self) -> Container[str]:
        """Return the passwords that many people have, in lower case."""
        return await asyncio.to_thread(common_passwords)

    async def is_breached(self, password: str) -> bool:
        """Whether it was found in a breach, as far as anybody is asked and answers."""
        return self._breached is not None and await self._breached.has(password)

    async def verify(
        self, password: str, stored: str | None
    ) -> tuple[bool, str | None]:
        """Say whether the password is right, and give a better hash to store if due.

        Args:
            password: as it was typed.
            stored: None where there is no such user; that takes as long as a wrong
                password and is never right.
        """
        if self._nobody is None:
            # Whoever comes first waits for it, so that it says nothing about them.
            self._nobody = await self.hash("nobody has this password")
        if stored is None:
            await asyncio.to_thread(self._hasher.verify, password, self._nobody)
            return False, None
        try:
            return await asyncio.to_thread(
                self._hasher.verify_and_update, password, stored
            )
        except (UnknownHashError, ValueError):
            # ValueError: bcrypt takes no password of more than 72 bytes, so none of
            # its hashes is of this one.
            return False, None
