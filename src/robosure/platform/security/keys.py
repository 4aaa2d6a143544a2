"""Whose an API key was, remembered for a few seconds."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from robosure.platform.security.principal import Principal

REMEMBERED: Final = timedelta(seconds=5)
"""For so long at most a revoked or expired key still opens what may remember it."""
_MOST: Final = 10_000


class _Proof(NamedTuple):
    """A key that was proven, and when."""

    principal: Principal
    at: datetime


class RememberedKeys:
    """Keys that were proven just now, the last of them; never one that was refused.

    Held by digest, so that no memory dump shows a key.
    """

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._proven: OrderedDict[bytes, _Proof] = OrderedDict()

    def recall(self, presented: str, *, now: datetime) -> Principal | None:
        """Return whose key it is, if that was proven within :data:`REMEMBERED`."""
        proof = self._proven.get(_digest(presented))
        if proof is None or not proof.at <= now < proof.at + REMEMBERED:
            return None
        return proof.principal

    def remember(self, presented: str, principal: Principal, *, now: datetime) -> None:
        """Note that the key was proven; the longest known makes room."""
        digest = _digest(presented)
        self._proven[digest] = _Proof(principal, now)
        self._proven.move_to_end(digest)
        if len(self._proven) > self._most:
            self._proven.popitem(last=False)


def _digest(presented: str) -> bytes:
    return hashlib.sha256(presented.encode()).digest()
