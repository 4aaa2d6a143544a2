"""Keys of devices, and of partners' systems."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from robosure.contexts.identity.domain.organisation import OrganisationKind
from robosure.kernel.aggregate import Aggregate
from robosure.kernel.errors import Forbidden, Invalid, InvalidState

USE_RESOLUTION: Final = timedelta(minutes=1)
"""How exactly the last use of an API key is known; each use is not worth a write."""

LONGEST_OVERLAP: Final = timedelta(days=30)
"""For so long at most a key that was rotated lives on beside its successor."""

_KEY_MARK: Final = "rbs"
"""Begins every key, so that scanners for leaked secrets recognise one."""


ROBOT_SCOPES: Final = frozenset(
    {
        "events:read",
        "events:write",
        "products:read",
        "risk:read",
        "robots:read",
        "telemetry:write",
    }
)
"""What a key of one robot may carry: what can be told from other robots', or is
nobody's in particular. With any other permission it could speak for other robots."""


class KeyKind(StrEnum):
    """For which robots a key speaks, within what its organisation may do.

    A fleet is the robots that an operator runs.
    """

    ROBOT = "robot"
    FLEET = "fleet"
    MANUFACTURER = "manufacturer"
    INSURER = "insurer"

    @classmethod
    def of(
        cls,
        organisation: OrganisationKind,
        *,
        robot_id: UUID | None,
        asked: KeyKind | None = None,
    ) -> KeyKind:
        """Return the kind of an organisation's key, bound to a robot or not.

        Raises:
            Invalid: another one was asked for.
        """
        kind = _OF_ORGANISATION[organisation] if robot_id is None else cls.ROBOT
        if asked not in {None, kind}:
            raise Invalid("wrong_api_key_kind", expected=kind.value, actual=str(asked))
        return kind


_OF_ORGANISATION: Final = {
    OrganisationKind.OPERATOR: KeyKind.FLEET,
    OrganisationKind.MANUFACTURER: KeyKind.MANUFACTURER,
    OrganisationKind.INSURER: KeyKind.INSURER,
}


@dataclass(eq=False, kw_only=True)
class ApiKey(Aggregate):
    """How a device or a partner's system says who it is.

    Attributes:
        kind: for which robots it speaks.
        name: what it is for, in its owner's words.
        prefix: the visible beginning of the key, by which people tell keys apart.
        digest: SHA-256 of the key. A salted, slow hash would protect nothing: the
            secret is 32 random bytes, which nobody can guess from a list.
        scopes: the permissions it carries, sorted.
        robot_id: the one robot it speaks for, if it is bound to one.
        last_used_at: to the minute.
        predecessor_id: the key whose successor it is.
        successor_id: the key that it was rotated to, with which the chain goes on.
        rotated_at: when that was; until it expires, both work.
    """

    organisation_id: UUID
    kind: KeyKind
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
    predecessor_id: UUID | None = None
    successor_id: UUID | None = None
    rotated_at: datetime | None = None

    @classmethod
    def issue(
        cls,
        *,
        organisation_id: UUID,
        kind: KeyKind,
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
            kind: for which robots it is to speak.
            name: what it is for.
            scopes: the permissions it is to carry.
            grantable: the permissions that its maker may give away.
            by: its maker.
            at: now.
            robot_id: the one robot it is to speak for, of which kind it then is.
            expires_at: when it stops working.

        Returns:
            The key as it is stored, and the key itself.

        Raises:
            Invalid: it carries nothing, or what is not for one robot, or expires
                before it is made.
            Forbidden: it would carry what its maker may not give away.
        """
        if not scopes:
            raise Invalid("api_key_needs_scopes")
        if refused := sorted(set(scopes) - set(grantable)):
            raise Forbidden("scopes_not_grantable", scopes=", ".join(refused))
        if kind is KeyKind.ROBOT and (wider := sorted(set(scopes) - ROBOT_SCOPES)):
            raise Invalid("scopes_not_for_one_robot", scopes=", ".join(wider))
        if expires_at is not None and expires_at <= at:
            raise Invalid("expires_in_the_past", expires_at=expires_at.isoformat())
        prefix = f"{_KEY_MARK}_{secrets.token_hex(6)}"
        key = f"{prefix}_{secrets.token_urlsafe(32)}"
        issued = cls(
            organisation_id=organisation_id,
            kind=kind,
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

    def rotate(
        self,
        *,
        overlap: timedelta,
        grantable: Collection[str],
        by: UUID,
        at: datetime,
    ) -> tuple[ApiKey, str]:
        """Make a successor that is the same but for its secret, and retire this one.

        The successor lives as long as this one was to live when it was made.

        Args:
            overlap: how long this one still works; not at all if it is nothing, and
                never longer than it would have.
            grantable: the permissions that whoever rotates it may give away.
            by: who rotates it.
            at: now.

        Returns:
            The successor as it is stored, and the key itself.

        Raises:
            InvalidState: it is revoked, expired, or has a successor already.
            Invalid: the overlap is longer than :data:`LONGEST_OVERLAP`, or negative.
            Forbidden: it carries what whoever rotates it may not give away.
        """
        if self.revoked_at is not None:
            raise InvalidState("api_key_revoked")
        if self.successor_id is not None:
            raise InvalidState(
                "api_key_rotated_already", successor_id=self.successor_id
            )
        if not self.usable_at(at):
            raise InvalidState("api_key_expired")
        if not timedelta() <= overlap <= LONGEST_OVERLAP:
            raise Invalid("invalid_overlap", longest_days=LONGEST_OVERLAP.days)
        ends = self.expires_at
        successor, key = ApiKey.issue(
            organisation_id=self.organisation_id,
            kind=self.kind,
            name=self.name,
            scopes=self.permissions,
            grantable=grantable,
            by=by,
            at=at,
            robot_id=self.robot_id,
            expires_at=None if ends is None else at + (ends - self.created_at),
        )
        successor.predecessor_id = self.id
        self.successor_id = successor.id
        self.rotated_at = at
        retires = at + overlap
        self.expires_at = retires if ends is None else min(ends, retires)
        return successor, key

    def revoke(self, at: datetime) -> None:
        """Stop it working; a key that was revoked before stays as it is."""
        self.revoked_at = self.revoked_at or at

    @property
    def permissions(self) -> frozenset[str]:
        """What it opens: its scopes, as far as its kind may carry them."""
        held = frozenset(self.scopes)
        return held & ROBOT_SCOPES if self.kind is KeyKind.ROBOT else held

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
