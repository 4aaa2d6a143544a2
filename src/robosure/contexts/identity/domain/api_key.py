"""Keys of devices, and of partners' systems."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Forbidden, Invalid

USE_RESOLUTION: Final = timedelta(minutes=1)
"""How exactly the last use of an API key is known; each use is not worth a write."""

_KEY_MARK: Final = "rbs"
"""Begins every key, so that scanners for leaked secrets recognise one."""


@dataclass(eq=False, kw_only=True)
class ApiKey(Aggregate):
    """How a device or a partner's system says who it is.

    Attributes:
        name: what it is for, in its owner's words.
        prefix: the visible beginning of the key, by which people tell keys apart.
        digest: SHA-256 of the key. A salted, slow hash would protect nothing: the
            secret is 32 random bytes, which nobody can guess from a list.
        scopes: the permissions it carries, sorted.
        robot_id: the one robot it speaks for, if it is bound to one.
        last_used_at: to the minute.
    """

    organisation_id: UUID
    name: str
    prefix: str
    digest: bytes = field(repr=False)
    scopes: tuple[str, ...]
    robot_id: UUID | None
    created_by: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    @classmethod
    def issue(
        cls,
        *,
        organisation_id: UUID,
        name: str,
        scopes: Collection[str],
        grantable: Collection[str],
        by: UUID,
        at: datetime,
        robot_id: UUID | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; only this once is it known in full.

        Args:
            organisation_id: whose key it is.
            name: what it is for.
            scopes: the permissions it is to carry.
            grantable: the permissions that its maker may give away.
            by: its maker.
            at: now.
            robot_id: the one robot it is to speak for.
            expires_at: when it stops working.

        Returns:
            The key as it is stored, and the key itself.

        Raises:
            Invalid: it carries nothing, or expires before it is made.
            Forbidden: it would carry what its maker may not give away.
        """
        if not scopes:
            raise Invalid("api_key_needs_scopes")
        if refused := sorted(set(scopes) - set(grantable)):
            raise Forbidden("scopes_not_grantable", scopes=", ".join(refused))
        if expires_at is not None and expires_at <= at:
            raise Invalid("expires_in_the_past", expires_at=expires_at.isoformat())
        prefix = f"{_KEY_MARK}_{secrets.token_hex(6)}"
        key = f"{prefix}_{secrets.token_urlsafe(32)}"
        issued = cls(
            organisation_id=organisation_id,
            name=name,
            prefix=prefix,
            digest=digest_of(key),
            scopes=tuple(sorted(set(scopes))),
            robot_id=robot_id,
            created_by=by,
            created_at=at,
            expires_at=expires_at,
        )
        return issued, key

    def revoke(self, at: datetime) -> None:
        """Stop it working; a key that was revoked before stays as it is."""
        self.revoked_at = self.revoked_at or at

    def usable_at(self, moment: datetime) -> bool:
        """Whether it is neither revoked nor expired at that moment."""
        if self.revoked_at is not None:
            return False
        return self.expires_at is None or moment < self.expires_at

    def use_is_news_at(self, moment: datetime) -> bool:
        """Whether a use at that moment is worth writing down."""
        used = self.last_used_at
        return used is None or moment - used >= USE_RESOLUTION


def digest_of(key: str) -> bytes:
    """Return what is stored of a key, and looked for when one is presented."""
    return hashlib.sha256(key.encode()).digest()
