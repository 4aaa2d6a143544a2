"""The express lane: a route that is asked thousands of times a second.

FastAPI reads such a route's parameters in many small steps, which cost more than the
route's own work. An express route is an ordinary one, declared, documented and guarded
as all are, but it asks for nothing except the request, its principal and headers. So
these can be handed to it directly. Whenever anything is not plain (nobody is signed
in, a header breaks its rule, a test overrides a dependency) the request takes FastAPI's
way, and FastAPI says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from robosure.kernel.errors import DomainError
from robosure.platform.http.access import Requires, act_as, api_routes, prove
from robosure.platform.http.edge import Edge
from robosure.platform.http.limits import RateLimits
from robosure.platform.security import Principal

F = TypeVar("F", bound=Callable[..., Any])
_MARK: Final = "__express__"
_BEARER: Final = b"bearer "
FAILURE: Final = "failure"
"""Where a request's state says why what was promised to it did not come about."""
_JSON: Final = (b"content-type", b"application/json")


def express(endpoint: F) -> F:
    """Serve the route of this endpoint on the express lane.

    It may ask for the request, one principal with the permission that it needs, and
    headers with a default, and answers a model. An API key that was proven a few
    seconds ago is not looked up again.
    """
    setattr(endpoint, _MARK, True)
    return endpoint


def express_lanes(app: FastAPI) -> dict[tuple[str, str], ExpressLane]:
    """Return the lanes of an application's express routes, by method and path."""
    return {
        (method, route.path): ExpressLane(app, route)
        for _, route in api_routes(app)
        if hasattr(route.endpoint, _MARK)
        for method in route.methods
    }


class _Request(Request):
    """A request of which the body is read as a whole."""

    async def body(self) -> bytes:
        """Return the body, which mostly comes in one piece.

        Raises:
            ClientDisconnect: the client has gone.
        """
        if not hasattr(self, "_body"):
            pieces: list[bytes] = []
            more = True
            while more:
                message = await self.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(message.get("body", b""))
                more = message.get("more_body", False)
            self._body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._body


def written(answer: BaseModel) -> bytes:
    """Write a model as its JSON."""
    return answer.__pydantic_serializer__.to_json(answer)


class ExpressLane:
    """Serves one route."""

    def __init__(self, app: FastAPI, route: Any) -> None:
        """Find out what the endpoint asks for.

        Raises:
            TypeError: it asks for more than an express route may.
        """
        dependant: Dependant = route.dependant
        guards = [d for d in dependant.dependencies if isinstance(d.call, Requires)]
        others = [
            *dependant.path_params,
            *dependant.query_params,
            *dependant.cookie_params,
            *dependant.body_params,
        ]
        if len(guards) != 1 or len(dependant.dependencies) != 1 or others:
            raise TypeError(
                f"{route.path}: an express route asks for the request, one principal "
                "and headers, and for nothing else"
            )
        (guard,) = guards
        assert isinstance(guard.call, Requires)  # nosec B101 # noqa: S101 - for the type checkers
        if guard.call.sensitive:
            raise TypeError(f"{route.path}: an express route is not sensitive")
        self._app = app
        self._route = route
        self.endpoint: Callable[..., Any] = route.endpoint
        self.status: int = route.status_code or 200
        self.permission = guard.call.permission
        self._principal_name = guard.name
        self._request_name = dependant.request_param_name
        self._headers = [
            (field.alias.lower().encode("latin-1"), field.alias, field)
            for field in dependant.header_params
        ]

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, *, otherwise: ASGIApp
    ) -> None:
        """Serve a request, or let FastAPI do it."""
        request = _Request(scope, receive)
        failure: DomainError | None = scope["state"].get(FAILURE)
        if failure is not None:
            await self._tell(failure, request, send)
            return
        try:
            given = await self._given(request)
            answer = None if given is None else await self.endpoint(**given)
        except Exception as error:
            if not await self._tell(error, request, send):
                raise
            return
        if answer is None:
            await otherwise(scope, receive, send)
            return
        scope["route"] = self._route
        body = written(answer)
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        head = {"status": self.status, "headers": headers}
        await send({"type": "http.response.start", **head})
        await send({"type": "http.response.body", "body": body})

    async def _tell(self, error: Exception, request: Request, send: Send) -> bool:
        """Answer what the application does about such an error, if it knows."""
        handlers = self._app.exception_handlers
        handler = next(
            (handlers[kind] for kind in type(error).__mro__ if kind in handlers), None
        )
        if handler is None:
            return False
        request.scope["route"] = self._route
        response: Any = await handler(request, error)  # type: ignore[misc]  # ours all are
        await response(request.scope, request.receive, send)
        return True

    async def _given(self, request: Request) -> dict[str, Any] | None:
        """Return what the endpoint asks for; None if something is not plain."""
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        principal = await self._principal(headers)
        if principal is None:
            return None
        given: dict[str, Any] = {}
        for name, alias, field in self._headers:
            presented = headers.get(name)
            if presented is None:
                continue
            value, errors = field.validate(
                presented.decode("latin-1"), {}, loc=("header", alias)
            )
            if errors:
                return None
            given[field.name] = value
        limits = RateLimits.of(self._app.state.edge)
        await limits.count_subject(request.scope, principal.subject)
        request.scope["state"]["principal"] = principal
        act_as(principal)
        if self._principal_name is not None:
            given[self._principal_name] = principal
        if self._request_name is not None:
            given[self._request_name] = request
        return given

    async def _principal(self, headers: Mapping[bytes, bytes]) -> Principal | None:
        """Return who asks; None if nobody is proven to, or to be allowed."""
        if self._app.dependency_overrides:
            return None
        edge: Edge = self._app.state.edge
        authorization = headers.get(b"authorization", b"")
        bears = authorization[: len(_BEARER)].lower() == _BEARER
        token = authorization[len(_BEARER) :].decode("latin-1") if bears else None
        api_key = headers.get(b"x-api-key", b"").decode("latin-1") or None
        principal = None
        if token is None and api_key is not None:
            now = edge.runtime.clock.now()
            principal = edge.remembered_keys.recall(api_key, now=now)
        if principal is None:
            try:
                principal = await prove(edge, token=token, api_key=api_key)
            except DomainError:
                return None
        return principal if principal.may(self.permission) else None
