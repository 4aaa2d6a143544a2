"""The chain: what binds an entry of the audit trail to the one before it.

``digest = SHA-256(canonical(entry))`` and
``hash = SHA-256(previous hash || sequence as 8 bytes, big-endian || digest)``; before
the first entry of a chain stand 32 zero bytes. So whoever holds a chain's last hash
holds all of it: an entry that is altered, missing, inserted or moved changes every hash
after it. The second step is also written in SQL, for the database takes it
(:mod:`robosure.platform.audit.trail`).

The canonical form is JSON as in RFC 8785, of text, whole numbers within 2^53, booleans,
null, lists and objects: keys sorted, no white space, UTF-8. Times are UTC with six
digits of a second's fraction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID

import orjson

GENESIS: Final = bytes(32)
LARGEST: Final = 2**53 - 1
"""Beyond it, and beyond its negative, not every reader of JSON keeps a number."""

COVERED: Final = (
    "id",
    "at",
    "actor",
    "actor_kind",
    "actor_name",
    "actor_organisation_id",
    "organisation_id",
    "action",
    "subject",
    "object_type",
    "object_id",
    "objects",
    "changes",
    "address",
    "user_agent",
    "correlation_id",
    "outcome",
)
"""What of an entry its digest covers; the chain itself covers the rest."""


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return an entry's canonical form.

    Args:
        entry: a row, by column; what is not :data:`COVERED` is ignored.
    """
    covered = {name: plain(entry[name]) for name in COVERED}
    return orjson.dumps(covered, option=orjson.OPT_SORT_KEYS)


def digest(entry: Mapping[str, Any]) -> bytes:
    """Return the digest of an entry's canonical form."""
    return hashlib.sha256(canonical(entry)).digest()


def link(previous: bytes, sequence: int, digest: bytes) -> bytes:
    """Return the hash of an entry that stands there, after that one."""
    bound = previous + sequence.to_bytes(8, "big", signed=True) + digest
    return hashlib.sha256(bound).digest()


def plain(value: Any) -> Any:
    """Return a value as JSON that PostgreSQL and every reader give back alike.

    A number with a fraction, or too large, becomes text.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -LARGEST <= value <= LARGEST else str(value)
    if isinstance(value, Mapping):
        entries = cast("Mapping[object, object]", value)
        return {str(key): plain(each) for key, each in entries.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in cast("Iterable[object]", value)]
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, (float, UUID)):
        return str(value)
    raise TypeError(f"no plain JSON: {type(value).__name__}")
