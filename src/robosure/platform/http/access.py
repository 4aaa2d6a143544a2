"""Private by default: every route states the permission it needs, or says public."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import (
    APIKeyHeader,
    HTTPAuthorizationCredentials,
    HTTPBearer,
)

from robosure.kernel.errors import Forbidden, Unauthenticated
from robosure.platform.correlation import act_for
from robosure.platform.database.behalf import (
    NOBODY,
    PLATFORM,
    Behalf,
    act_on_behalf_of,
    on_behalf_of,
    organisation,
)
from robosure.platform.http.edge import Edge, EdgeDep
from robosure.platform.http.limits import RateLimits
from robosure.platform.http.proof import Proof
from robosure.platform.http.sessions import ended_sessions
from robosure.platform.security import OVER, Principal

BEARER: Final = "bearer"
"""What the document calls the scheme of access tokens."""
_bearer: Final = HTTPBearer(
    bearerFormat="JWT",
    auto_error=False,
    scheme_name=BEARER,
    description="An access token, as `POST /api/v1/auth/sign-in` answers one.",
)
_api_key: Final = APIKeyHeader(
    name="X-API-Key", auto_error=False, scheme_name="api_key"
)


async def authenticate(
    request: Request,
    edge: EdgeDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    api_key: Annotated[str | None, Depends(_api_key)],
) -> Principal:
    """Prove who is asking, by access token or API key.

    Raises:
        Unauthenticated: nothing was presented, or it proves nothing.
        LimitReached: who it is asks too often.
    """
    token = bearer.credentials if bearer else None
    principal = await prove(edge, token=token, api_key=api_key)
    await RateLimits.of(edge).count_subject(request.scope, principal.subject)
    request.state.principal = principal
    act_as(principal)
    return principal


def act_as(principal: Principal) -> None:
    """Do the rest of the request for them, and on their organisation's behalf."""
    act_for(principal.subject)
    act_on_behalf_of(
        organisation(principal.organisation_id, principal.organisation_kind)
    )


async def prove(edge: Edge, *, token: str | None, api_key: str | None) -> Principal:
    """Return who presents this token, or else this API key.

    Raises:
        Unauthenticated: nothing was presented, or it proves nothing.
    """
    now = edge.runtime.clock.now()
    if token is not None:
        return await _signed_in(edge, edge.tokens.verify(token, now=now), now)
    if api_key is None or edge.authenticator is None:
        raise Unauthenticated("not_signed_in")
    with on_behalf_of(PLATFORM):
        async with edge.runtime.database.write() as session:
            known = await edge.authenticator.authenticate(session, api_key, now=now)
    if known is None:
        raise Unauthenticated("invalid_api_key")
    edge.remembered_keys.remember(api_key, known, now=now)
    return known


async def _signed_in(edge: Edge, principal: Principal, now: datetime) -> Principal:
    """Return who has a good token, unless its session went on without it, or ended."""
    if principal.session_id is not None:
        good_from = await ended_sessions(edge).good_from(principal.session_id, at=now)
        if good_from == OVER:
            raise Unauthenticated("session_over")
        if principal.generation < good_from:
            raise Unauthenticated("token_superseded")
    return principal


class Access:
    """A route's statement of who may use it."""


class Public(Access):
    """Anyone may; nobody is asked who they are."""

    def __init__(self, behalf: Behalf) -> None:
        self._behalf = behalf

    async def __call__(self) -> None:
        """Let pass."""
        act_on_behalf_of(self._behalf)


class Requires(Access):
    """Who holds the permission may."""

    def __init__(self, permission: str, *, sensitive: bool) -> None:
        self.permission = permission
        self.sensitive = sensitive

    async def __call__(
        self, edge: EdgeDep, principal: Annotated[Principal, Depends(authenticate)]
    ) -> Principal:
        """Let pass who may, and say who it is.

        Raises:
            Forbidden: the principal lacks the permission, or has to set up a second
                factor first.
            Forbidden, Unauthenticated: see :meth:`Proof.require_for_what_is_sensitive`.
        """
        _check_second_factor(principal)
        if not principal.may(self.permission):
            raise Forbidden("permission_required", permission=self.permission)
        if self.sensitive:
            Proof(principal, edge).require_for_what_is_sensitive()
        return principal


class SignedIn(Access):
    """Whoever is signed in may, about themselves."""

    def __init__(self, *, recently: bool, before_second_factor: bool) -> None:
        self._recently = recently
        self._before_second_factor = before_second_factor

    async def __call__(
        self, edge: EdgeDep, principal: Annotated[Principal, Depends(authenticate)]
    ) -> Principal:
        """Let pass who is signed in, and say who it is.

        Raises:
            Forbidden: they have to set up a second factor first.
            Forbidden, Unauthenticated: see :meth:`Proof.require_recent`.
        """
        if not self._before_second_factor:
            _check_second_factor(principal)
        if self._recently:
            Proof(principal, edge).require_recent()
        return principal


def _check_second_factor(principal: Principal) -> None:
    if principal.second_factor_due:
        raise Forbidden("second_factor_setup_required")


def requires(permission: str, *, sensitive: bool = False) -> Any:
    """State the permission; as a route dependency or an annotated ``Principal``.

    Args:
        permission: which one.
        sensitive: whether it also takes a person who has just proved who they are, by
            a second factor where the installation says so.
    """
    return Depends(Requires(permission, sensitive=sensitive))


def signed_in(*, recently: bool = False, before_second_factor: bool = False) -> Any:
    """State that anyone who is signed in may, as for reading one's own account.

    Args:
        recently: whether it takes a person who has just proved who they are.
        before_second_factor: whether it is for those, too, who have to set up a second
            factor before anything else.
    """
    return Depends(
        SignedIn(recently=recently, before_second_factor=before_second_factor)
    )


def _proof(
    edge: EdgeDep, principal: Annotated[Principal, Depends(authenticate)]
) -> Proof:
    return Proof(principal, edge)


ProofDep = Annotated[Proof, Depends(_proof)]
"""For a route of which only a part is sensitive."""


def public(*, behalf: Behalf = NOBODY) -> Any:
    """State that anyone may.

    Args:
        behalf: on whose the request's transactions are; the platform's where it has to
            find out who asks.
    """
    return Depends(Public(behalf))


def access_of(dependant: Dependant) -> list[Access]:
    """Return what a route states, however deep in its dependencies."""
    call: object = dependant.call
    deeper = [found for d in dependant.dependencies for found in access_of(d)]
    return [call, *deeper] if isinstance(call, Access) else deeper


def api_routes(app: FastAPI) -> Iterator[tuple[str, Any]]:
    """Return every API route of the application, with methods and path as a name."""
    for context in iter_route_contexts(app.router.routes):
        if isinstance(context.original_route, APIRoute):
            methods = ",".join(sorted(context.methods or ()))
            yield f"{methods} {context.path}", context


def routes_without_access(app: FastAPI) -> list[str]:
    """Return the routes that state nothing; an application with any will not start."""
    return [name for name, route in api_routes(app) if not access_of(route.dependant)]
