"""Signing in by an identity provider: there, back, and who that is here.

What is remembered in between is sealed in a cookie of the browser that went, and its
state is good once: whoever brings an answer without both is turned away before anybody
is asked.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import ValidationError

from robosure.contexts.identity.domain import IdentityProvider
from robosure.contexts.identity.repository import SqlIdentityProviders
from robosure.kernel.errors import (
    DomainError,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from robosure.kernel.time import Clock
from robosure.platform.database import Database
from robosure.platform.federation import (
    Answer,
    Assertion,
    Endpoints,
    Flow,
    Provider,
    RelyingParty,
)
from robosure.platform.metrics import counter
from robosure.platform.runtime import Runtime
from robosure.platform.security import FernetVault, OneTime
from robosure.platform.security.once import KEPT
from robosure.platform.settings import Settings

SIGN_ONS: Final = counter(
    "identity_single_sign_ons_total",
    "Sign-ins by identity providers, by outcome.",
    ["outcome"],
)
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
"""The SHA-256 of a verifier, as RFC 7636 writes it."""


class Journey(Flow):
    """A flow, and what becomes of it here.

    Attributes:
        return_to: the page that gets the code for the tokens; None if whoever comes
            back gets the tokens themselves.
        challenge: to be met by who exchanges that code.
        ends_at: when it is too late to come back.
    """

    provider_id: UUID
    return_to: str | None
    challenge: str | None
    ends_at: datetime


@dataclass(frozen=True)
class Departure:
    """How somebody is sent to their provider.

    Attributes:
        url: where to.
        sealed: what their browser keeps meanwhile, and cannot read.
    """

    url: str
    sealed: str


class SingleSignOn:
    """Sends people to their providers, and asks these who came back."""

    def __init__(
        self,
        database: Database,
        *,
        relying_party: RelyingParty,
        states: OneTime,
        settings: Settings,
        clock: Clock,
    ) -> None:
        """Sign people in.

        Args:
            database: tells of the providers, each time in a transaction of its own:
                none is open while a provider is asked.
            relying_party: asks them.
            states: those of everybody who is away.
            settings: say where people come back to, and which pages may have them.
            clock: tells how late it is.
        """
        self._database = database
        self._relying_party = relying_party
        self._states = states
        self._vault = FernetVault.from_settings(settings)
        self._base_url = settings.base_url
        self._origins = frozenset(settings.cors_origins)
        self._clock = clock

    @classmethod
    def on(cls, runtime: Runtime) -> SingleSignOn:
        """Build on what a process stands on."""
        settings = runtime.settings
        return cls(
            runtime.database,
            relying_party=RelyingParty(
                runtime.http, private=settings.sign_on_from_private_networks
            ),
            states=OneTime(runtime.redis, "single-sign-on"),
            settings=settings,
            clock=runtime.clock,
        )

    async def begin(
        self, provider_id: UUID, *, return_to: str | None, challenge: str | None
    ) -> Departure:
        """Send somebody to a provider.

        Raises:
            NotFound: there is none, or nobody signs in by it.
            Invalid: no page may be returned to like that.
            Unavailable: the provider does not say where.
        """
        self._check_return(return_to, challenge)
        provider = await self._provider(provider_id)
        flow = Flow.begin()
        url = await self._relying_party.authorization_url(self._asked(provider), flow)
        journey = Journey(
            **dict(flow),
            provider_id=provider_id,
            return_to=return_to,
            challenge=challenge,
            ends_at=self._clock.now() + KEPT,
        )
        await self._states.keep(flow.state)
        SIGN_ONS.labels("begun").inc()
        return Departure(url, self._vault.seal(journey.model_dump_json()))

    async def finish(
        self, provider_id: UUID, answer: Answer, *, sealed: str | None
    ) -> tuple[Assertion, Journey]:
        """Find out who comes back.

        Args:
            provider_id: whose answer it is, by the address that it came to.
            answer: what the browser brings.
            sealed: what it kept.

        Raises:
            Unauthenticated: nobody went like that from there, or they were back
                already; or see :meth:`RelyingParty.identify`.
            NotFound: there is no such provider any more, or nobody signs in by it.
            Unavailable: the provider does not say.
        """
        with refusals_counted():
            journey = self._opened(sealed)
            if journey is None or not self._fits(journey, provider_id, answer):
                raise Unauthenticated("sso_flow_unknown")
            presented = await self._states.present(journey.state)
            if presented is None or not presented.first:
                raise Unauthenticated("sso_flow_unknown")
            provider = await self._provider(provider_id)
            assertion = await self._relying_party.identify(
                self._asked(provider), journey, answer, now=self._clock.now()
            )
        return assertion, journey

    def _opened(self, sealed: str | None) -> Journey | None:
        try:
            return Journey.model_validate_json(self._vault.open(sealed or ""))
        except (Unavailable, ValidationError):
            return None

    def _fits(self, journey: Journey, provider_id: UUID, answer: Answer) -> bool:
        """Whether an answer is to this journey, from where it went to."""
        state = (answer.state or "").encode()
        return (
            hmac.compare_digest(journey.state.encode(), state)
            and journey.provider_id == provider_id
            and self._clock.now() < journey.ends_at
        )

    async def _provider(self, provider_id: UUID) -> IdentityProvider:
        async with self._database.write() as session:
            return await enabled_provider(SqlIdentityProviders(session), provider_id)

    def _asked(self, provider: IdentityProvider) -> Provider:
        endpoints = provider.endpoints
        return Provider(
            issuer=provider.issuer,
            endpoints=None
            if endpoints is None
            else Endpoints(
                endpoints.authorization, endpoints.token, endpoints.userinfo
            ),
            client_id=provider.client_id,
            client_secret=self._vault.open(provider.sealed_secret),
            scopes=provider.scopes,
            subject_claim=provider.subject_claim,
            redirect_uri=redirect_uri(self._base_url, provider.id),
        )

    def _check_return(self, return_to: str | None, challenge: str | None) -> None:
        if return_to is None:
            return
        if "#" in return_to or _origin_of(return_to) not in self._origins:
            raise Invalid("return_to_refused")
        if challenge is None or not _CHALLENGE.fullmatch(challenge):
            raise Invalid("code_challenge_required")


def redirect_uri(base_url: str, provider_id: UUID | str) -> str:
    """Return where a provider sends people back to.

    Each has its own, so that an answer of one is never taken for another's, also where
    answers do not name their issuer (RFC 9700, section 4.4.2).
    """
    return f"{base_url}/api/v1/auth/sso/{provider_id}/callback"


async def enabled_provider(
    providers: SqlIdentityProviders, provider_id: UUID
) -> IdentityProvider:
    """Return a provider by which people sign in.

    Raises:
        NotFound: there is none, or nobody does.
    """
    provider = await providers.get(provider_id)
    if not provider.enabled:
        raise NotFound("identity_provider_not_found", provider_id=provider_id)
    return provider


@contextmanager
def refusals_counted() -> Iterator[None]:
    """Count what is refused in this block."""
    try:
        yield
    except DomainError:
        SIGN_ONS.labels("refused").inc()
        raise


def _origin_of(url: str) -> str | None:
    """Return the origin, as a browser writes it; None if it has none to be sure of."""
    if not url.isascii() or any(each <= " " or each in "\\@" for each in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.netloc}".lower()
