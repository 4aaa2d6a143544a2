"""What the tests' own context, ``testing``, tells the others."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from robosure.kernel.events import DomainEvent


@dataclass(frozen=True)
class Filled(DomainEvent):
    cart_id: UUID
    name: str
    amount: int


@dataclass(frozen=True)
class Emptied(DomainEvent):
    cart_id: UUID
