"""Whose an API key was, remembered for a few seconds."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from robosure.platform.security.principal import Principal

REMEMBERED: Final = timedelta(seconds=5)
"""For so long at most a revoked or expired key still opens what may remember it."""
_RENEWED: Final = 0.8 * REMEMBERED
"""After so long one request proves its key again, for all that come meanwhile."""
_MOST: Final = 10_000


@dataclass(slots=True)
class _Proof:
    """A key that was proven, and when.

    Attributes:
        renewing: whether somebody was sent to prove it again.
    """

    principal: Principal
    at: datetime
    renewing: bool = False


class RememberedKeys:
    """Keys that were proven just now, the last of them; never one that was refused.

    Held by digest, so that no memory dump shows a key.
    """

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._proven: OrderedDict[bytes, _Proof] = OrderedDict()

    def recall(self, presented: str, *, now: datetime) -> Principal | None:
        """Return whose key it is, if that was proven within :data:`REMEMBERED`.

        Shortly before it would be forgotten, one who asks is told nothing, to prove it
        again: if all had to at once, each would wait for all.
        """
        proof = self._fresh(presented, now)
        if proof is not None and _is_due(proof, now):
            proof.renewing = True
            return None
        return None if proof is None else proof.principal

    def at_hand(self, presented: str, *, now: datetime) -> Principal | None:
        """Return what :meth:`recall` would, to who is not the one to prove it again."""
        proof = self._fresh(presented, now)
        return None if proof is None or _is_due(proof, now) else proof.principal

    def _fresh(self, presented: str, now: datetime) -> _Proof | None:
        proof = self._proven.get(_digest(presented))
        known = proof is not None and timedelta() <= now - proof.at < REMEMBERED
        return proof if known else None

    def remember(self, presented: str, principal: Principal, *, now: datetime) -> None:
        """Note that the key was proven; the longest known makes room."""
        digest = _digest(presented)
        self._proven[digest] = _Proof(principal, now)
        self._proven.move_to_end(digest)
        if len(self._proven) > self._most:
            self._proven.popitem(last=False)


def _is_due(proof: _Proof, now: datetime) -> bool:
    """Whether somebody should prove the key again, and nobody does yet."""
    return not proof.renewing and now - proof.at >= _RENEWED


def _digest(presented: str) -> bytes:
    return blake2b(presented.encode()).digest()
