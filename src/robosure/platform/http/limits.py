"""How many requests are answered: to an address, and to whoever is proven to ask.

Requests are counted by what they cost and what they may do harm with: the classes of
routes. An address is counted before anything else is done, so that guessing costs; of
whoever asks, when that is proven. Many may share an address, as a factory's robots do,
so it may do more than one of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final, TypeVar
from uuid import UUID

from starlette.types import Scope

from robosure.kernel.errors import LimitReached
from robosure.platform.http.address import client_address, source_of
from robosure.platform.http.edge import Edge
from robosure.platform.limits import Limit, Limiter, Share
from robosure.platform.metrics import HTTP_LIMITED
from robosure.platform.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

UNLIMITED: Final = frozenset({"/health", "/ready", "/metrics", "/metrics/summary"})
"""Whoever watches over the installation is always answered."""
_MARK: Final = "__limited_as__"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class RouteClass(StrEnum):
    """Requests that are counted together."""

    SIGN_IN = "sign-in"
    TELEMETRY = "telemetry"
    WRITE = "write"
    READ = "read"
    EXPORT = "export"


def limited_as(kind: RouteClass) -> Callable[[F], F]:
    """Count an endpoint's requests in this class, and not as its method says."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _MARK, kind)
        return endpoint

    return mark


class RouteClasses:
    """Says what class a request is of, before it is routed."""

    def __init__(self, routes: Iterable[Any] = ()) -> None:
        """Look at which of an application's routes are marked."""
        self._exact: dict[tuple[str, str], RouteClass] = {}
        self._patterns: list[tuple[str, re.Pattern[str], RouteClass]] = []
        for route in routes:
            kind: RouteClass | None = getattr(route.endpoint, _MARK, None)
            if kind is None:
                continue
            for method in route.methods:
                if "{" in route.path:
                    self._patterns.append((method, route.path_regex, kind))
                else:
                    self._exact[method, route.path] = kind

    def of(self, method: str, path: str) -> RouteClass | None:
        """Return the class; None if such requests are not counted."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact
        if path in UNLIMITED:
            return None
        for each, pattern, kind in self._patterns:
            if each == method and pattern.match(path):
                return kind
        return RouteClass.READ if method in _READING else RouteClass.WRITE


class RateLimits:
    """An application's limits."""

    def __init__(self, limiter: Limiter, settings: Settings) -> None:
        self._limiter = limiter
        self._settings = settings
        quotas = {
            RouteClass.SIGN_IN: settings.rate_limit_sign_in,
            RouteClass.TELEMETRY: settings.rate_limit_telemetry,
            RouteClass.WRITE: settings.rate_limit_write,
            RouteClass.READ: settings.rate_limit_read,
            RouteClass.EXPORT: settings.rate_limit_export,
        }
        quotas = {kind: quota for kind, quota in quotas.items() if quota}
        self._of_one = {kind: Limit(kind, quota) for kind, quota in quotas.items()}
        self._of_address = {
            kind: Limit(f"{kind}-by-address", quota * self._factor(kind))
            for kind, quota in quotas.items()
        }

    @classmethod
    def of(cls, edge: Edge) -> RateLimits:
        """Return the application's."""
        return edge.kept(cls, cls._on)

    @classmethod
    def _on(cls, edge: Edge) -> RateLimits:
        return cls(Limiter(edge.runtime.redis), edge.runtime.settings)

    async def count_address(self, scope: Scope, kind: RouteClass) -> None:
        """Count a request to where it comes from.

        Raises:
            LimitReached: there were too many from there.
        """
        scope["state"]["limited_as"] = kind
        limit = self._of_address.get(kind)
        if limit is not None:
            source = source_of(client_address(scope, self._settings))
            await self._count(scope, limit, source)

    async def count_subject(self, scope: Scope, subject: UUID) -> None:
        """Count a request to who is proven to ask.

        Raises:
            LimitReached: they asked too often.
        """
        limit = self._of_one.get(scope["state"].get("limited_as"))
        if limit is not None:
            await self._count(scope, limit, subject)

    def at_hand(
        self, kind: RouteClass | None, source: str, subject: UUID
    ) -> list[Share] | None:
        """Return what a request would be counted on, to its address and its subject.

        None if somebody has to be asked for it first. Nothing is counted yet.

        Args:
            kind: of the request.
            source: what its address is counted under.
            subject: who is proven to ask.
        """
        shares: list[Share] = []
        if kind is not None and kind in self._of_address:
            asked = (self._of_address[kind], source), (self._of_one[kind], subject)
            for limit, who in asked:
                share = self._limiter.at_hand(limit, who)
                if share is None:
                    return None
                shares.append(share)
        return shares

    async def _count(self, scope: Scope, limit: Limit, who: UUID | str) -> None:
        limiter = self._limiter
        try:
            share = limiter.spend_at_hand(limit, who) or await limiter.spend(limit, who)
            scope["state"]["share"] = share
        except LimitReached:
            scope["state"]["share"] = self._limiter.standing(limit, who)
            HTTP_LIMITED.labels(limit.name).inc()
            raise

    def _factor(self, kind: RouteClass) -> int:
        """Who signs in is not proven yet: the address is all there is to count."""
        if kind is RouteClass.SIGN_IN:
            return 1
        return self._settings.rate_limit_address_factor


def headers_of(share: Share | None) -> list[tuple[bytes, bytes]]:
    """Return what an answer says of the limit that was counted last, the closest.

    See draft-ietf-httpapi-ratelimit-headers.
    """
    if share is None:
        return []
    return [
        (b"ratelimit-policy", share.limit.policy),
        (b"ratelimit", share.standing),
    ]
