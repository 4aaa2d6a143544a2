"""Who may approve how much: a port between who keeps that and who lets money go."""

from __future__ import annotations

from typing import Protocol

from robosure.kernel.authority import Authority, Decision
from robosure.platform.security.principal import Principal


class Authorities(Protocol):
    """Knows it, as of now and in one transaction."""

    async def authority_of(
        self, principal: Principal, *, decision: Decision, currency: str
    ) -> Authority:
        """Return up to what amount the principal may approve, and who may more."""
        ...
