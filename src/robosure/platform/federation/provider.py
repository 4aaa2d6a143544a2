"""Identity providers, as one of their clients knows them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Endpoints:
    """Where a provider is asked.

    Attributes:
        authorization: where the browser goes.
        token: where a code is exchanged.
        userinfo: where claims about somebody are; not every OpenID provider has it.
        keys: where the keys are that sign ID tokens; None of plain OAuth 2.
        names_itself: whether each answer says whose it is (RFC 9207).
        token_auth: how a client proves to the token endpoint who it is.
        end_session: where people sign out, if there is such a place.
    """

    authorization: str
    token: str
    userinfo: str | None = None
    keys: str | None = None
    names_itself: bool = False
    token_auth: str = "client_secret_basic"  # noqa: S105 - the name of a method
    end_session: str | None = None


@dataclass(frozen=True)
class Request:
    """What a provider is to ask of somebody.

    Attributes:
        acr_values: how strongly they are to prove who they are, the best one first.
        max_age: seconds ago at the most.
        prompt: what to ask of who is signed in there already.
    """

    acr_values: tuple[str, ...] = ()
    max_age: int | None = None
    prompt: str | None = None


@dataclass(frozen=True)
class Provider:
    """A provider, and what it knows us by.

    Attributes:
        issuer: by which it is told apart from all others; of an OpenID provider, where
            it describes itself.
        endpoints: of plain OAuth 2; None of an OpenID provider, which tells them.
        subject_claim: what names somebody at this provider, for good.
        redirect_uri: where it sends browsers back to; another one for each provider.
        request: what it is to ask of people.
    """

    issuer: str
    endpoints: Endpoints | None
    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]
    subject_claim: str
    redirect_uri: str
    request: Request = field(default_factory=Request)
