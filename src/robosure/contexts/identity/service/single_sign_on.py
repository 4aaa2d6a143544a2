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

from robosure.contexts.identity.domain import IdentityProvider, ProviderKind
from robosure.contexts.identity.repository import SqlIdentityProviders
from robosure.kernel.errors import (
    DomainError,
    Forbidden,
    Invalid,
    Malformed,
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
    LogoutNotice,
    Provider,
    RelyingParty,
    Request,
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
        provider_version: as the provider was when they went; an answer to what was
            asked of another is none.
        ends_at: when it is too late to come back.
    """

    provider_id: UUID
    provider_version: int
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
        notices: OneTime,
        settings: Settings,
        clock: Clock,
    ) -> None:
        """Sign people in.

        Args:
            database: tells of the providers, each time in a transaction of its own:
                none is open while a provider is asked.
            relying_party: asks them.
            states: those of everybody who is away.
            notices: those of sessions that are over, each of which is good once.
            settings: say where people come back to, and which pages may have them.
            clock: tells how late it is.
        """
        self._database = database
        self._relying_party = relying_party
        self._states = states
        self._notices = notices
        self._vault = FernetVault.from_settings(settings)
        self._base_url = settings.base_url
        self._origins = frozenset(settings.cors_origins)
        self._own_origin = _origin_of(settings.base_url)
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
            notices=OneTime(runtime.redis, "back-channel-logout"),
            settings=settings,
            clock=runtime.clock,
        )

    async def offer(
        self, provider_id: UUID, *, return_to: str | None, challenge: str | None
    ) -> str:
        """Return the name of a provider that somebody could be sent to.

        Raises:
            NotFound, Invalid: see :meth:`begin`.
        """
        self._check_return(return_to, challenge)
        return (await self._provider(provider_id)).name

    async def begin(
        self,
        provider_id: UUID,
        *,
        origin: str | None,
        return_to: str | None,
        challenge: str | None,
    ) -> Departure:
        """Send somebody to a provider, because they want that.

        A page that is none of ours cannot have their browser go there and back without
        them (ASVS 5.0, 7.6.2): a form says where it was sent from.

        Args:
            provider_id: where to.
            origin: of the page that they have sent a form from.
            return_to: which page gets the code for the tokens.
            challenge: that it thought of.

        Raises:
            Forbidden: that page is neither ours nor one of those that are known.
            NotFound: there is none, or nobody signs in by it.
            Invalid: no page may be returned to like that.
            Unavailable: the provider does not say where.
        """
        if origin is None or origin not in self._origins | {self._own_origin}:
            raise Forbidden("sso_not_asked_for")
        self._check_return(return_to, challenge)
        provider = await self._provider(provider_id)
        flow = Flow.begin()
        url = await self._relying_party.authorization_url(self._asked(provider), flow)
        journey = Journey(
            **dict(flow),
            provider_id=provider_id,
            provider_version=provider.version,
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
            check_unchanged(provider, journey.provider_version)
            assertion = await self._relying_party.identify(
                self._asked(provider), journey, answer, now=self._clock.now()
            )
        return assertion, journey

    async def notice(self, provider_id: UUID, token: str) -> LogoutNotice:
        """Find out whose session at a provider is over.

        Also at one that lets nobody in any more.

        Raises:
            Malformed: the token is not good, or was here already.
            NotFound: there is no such provider.
        """
        async with self._database.write() as session:
            provider = await SqlIdentityProviders(session).get(provider_id)
        if provider.kind is not ProviderKind.OIDC:
            raise Malformed("sso_logout_refused", reason="it speaks plain OAuth 2")
        notice = await self._relying_party.notice(
            self._asked(provider), token, now=self._clock.now()
        )
        once = f"{provider_id} {notice.id}"
        await self._notices.keep(once)
        presented = await self._notices.present(once)
        if presented is None or not presented.first:
            raise Malformed("sso_logout_refused", reason="it came already")
        return notice

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
            request=Request(
                acr_values=provider.authentication.acr_values,
                max_age=provider.authentication.max_age,
                prompt=provider.authentication.prompt,
            ),
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


def back_channel_logout_uri(base_url: str, provider_id: UUID | str) -> str:
    """Return where a provider says that somebody's session there is over."""
    return f"{base_url}/api/v1/auth/sso/{provider_id}/back-channel-logout"


def check_unchanged(provider: IdentityProvider, version: int) -> None:
    """Take an answer for one to what this provider was asked.

    Raises:
        Unauthenticated: it was changed since; also if that was taken back.
    """
    if provider.version != version:
        raise Unauthenticated("sso_provider_changed")


async def enabled_provider(
    providers: SqlIdentityProviders, provider_id: UUID, *, held: bool = False
) -> IdentityProvider:
    """Return a provider by which people sign in.

    Args:
        providers: where it is.
        provider_id: which one.
        held: whether nobody is to change it before this is over.

    Raises:
        NotFound: there is none, or nobody does.
    """
    provider = await (providers.held if held else providers.get)(provider_id)
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
