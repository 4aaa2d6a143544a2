"""What the HTTP layer stands on, and the dependencies that hand it to routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.routing import iter_route_contexts
from starlette.types import Scope

from robosure.kernel.time import Clock
from robosure.platform import audit
from robosure.platform.cache import Cache
from robosure.platform.database.session import ReadSession, WriteSession
from robosure.platform.files import FileStorage
from robosure.platform.http.address import client_address
from robosure.platform.privacy import PersonalData
from robosure.platform.runtime import Runtime
from robosure.platform.security import (
    Authenticator,
    Authorities,
    Passwords,
    RememberedKeys,
    RoleCatalogue,
    Tokens,
)
from robosure.platform.settings import Settings
from robosure.platform.streams.pressure import Pressure
from robosure.platform.streams.projections import Projection, StoredEvents
from robosure.platform.uploads import Inspector, Scanner

T = TypeVar("T")


@dataclass(frozen=True)
class Edge:
    """The runtime, and what only the edge needs."""

    runtime: Runtime
    tokens: Tokens
    passwords: Passwords
    roles: RoleCatalogue
    authenticator: Authenticator | None
    authorities: Callable[[WriteSession], Authorities]
    pressure: Pressure
    projections: Sequence[Projection] = ()
    stored_events: StoredEvents | None = None
    personal_data: Mapping[str, PersonalData] = field(
        default_factory=dict[str, PersonalData]
    )
    remembered_keys: RememberedKeys = field(default_factory=RememberedKeys)
    _kept: dict[type[Any], Any] = field(default_factory=dict[type[Any], Any])

    def kept(self, kind: type[T], make: Callable[[Edge], T]) -> T:
        """Return the application's one of a kind, made when it is first asked for."""
        if kind not in self._kept:
            self._kept[kind] = make(self)
        one: T = self._kept[kind]
        return one


def edge_of(request: Request) -> Edge:
    """Return the application's edge."""
    edge: Edge = request.app.state.edge
    return edge


EdgeDep = Annotated[Edge, Depends(edge_of)]


async def _read(edge: EdgeDep) -> AsyncIterator[ReadSession]:
    async with edge.runtime.database.read() as session:
        yield session


async def _write(request: Request, edge: EdgeDep) -> AsyncIterator[WriteSession]:
    async with edge.runtime.database.write() as session:
        request.state.write_session = session
        audit.attend(session.sync_session)
        yield session
        if getattr(request.state, "unchanged", False):
            return  # an answer given again; who did it stands there already
        audit.record(
            session,
            principal=getattr(request.state, "principal", None),
            action=f"{request.method} {route_template(request)}",
            subject={key: str(value) for key, value in request.path_params.items()},
            clock=edge.runtime.clock,
            origin=audit.Origin(
                address=client_address(request.scope, edge.runtime.settings),
                user_agent=request.headers.get("user-agent"),
            ),
        )


def route_template(request: Request) -> str:
    """Return the route's path as declared: ``/api/v1/quotes/{quote_id}``."""
    return template_of(request.scope)


def template_of(scope: Scope) -> str:
    """Return the matched route's template, or ``unmatched``."""
    included = scope.get("fastapi", {}).get("effective_route_context")
    for matched in (included, scope.get("route")):
        path: object = getattr(matched, "path_format", None)
        if isinstance(path, str):
            return path
    return "unmatched"


def methods_at(request: Request) -> list[str]:
    """Return what may be done at the requested path, by all its routes together.

    The framework knows of one route: the first whose path fits.
    """
    routes = list(iter_route_contexts(request.app.router.routes))
    path = request.scope["path"]
    literal = any(route.path_format == path for route in routes)
    template = path if literal else template_of(request.scope)
    methods = (route.methods for route in routes if route.path_format == template)
    return sorted(set[str]().union(*(each or () for each in methods)))


ReadDb = Annotated[ReadSession, Depends(_read, scope="function")]
WriteDb = Annotated[WriteSession, Depends(_write, scope="function")]


def _authorities(edge: EdgeDep, session: WriteDb) -> Authorities:
    return edge.authorities(session)


def _clock(edge: EdgeDep) -> Clock:
    return edge.runtime.clock


def _files(edge: EdgeDep) -> FileStorage:
    return edge.runtime.files


def _settings(edge: EdgeDep) -> Settings:
    return edge.runtime.settings


def _cache(edge: EdgeDep) -> Cache:
    return edge.runtime.cache


def _uploads(edge: EdgeDep) -> Inspector:
    return edge.kept(Inspector, _inspector)


def _inspector(edge: Edge) -> Inspector:
    settings = edge.runtime.settings
    return Inspector(
        max_pixels=settings.max_image_pixels,
        max_unpacked=settings.max_unpacked_bytes,
        scanner=Scanner.of(settings),
    )


def _runtime(edge: EdgeDep) -> Runtime:
    return edge.runtime


def _tokens(edge: EdgeDep) -> Tokens:
    return edge.tokens


def _passwords(edge: EdgeDep) -> Passwords:
    return edge.passwords


def _roles(edge: EdgeDep) -> RoleCatalogue:
    return edge.roles


def _pressure(edge: EdgeDep) -> Pressure:
    return edge.pressure


def _personal_data(edge: EdgeDep) -> Mapping[str, PersonalData]:
    return edge.personal_data


AuthoritiesDep = Annotated[Authorities, Depends(_authorities)]
ClockDep = Annotated[Clock, Depends(_clock)]
FilesDep = Annotated[FileStorage, Depends(_files)]
SettingsDep = Annotated[Settings, Depends(_settings)]
UploadsDep = Annotated[Inspector, Depends(_uploads)]
CacheDep = Annotated[Cache, Depends(_cache)]
RuntimeDep = Annotated[Runtime, Depends(_runtime)]
TokensDep = Annotated[Tokens, Depends(_tokens)]
PasswordsDep = Annotated[Passwords, Depends(_passwords)]
PressureDep = Annotated[Pressure, Depends(_pressure)]
RolesDep = Annotated[RoleCatalogue, Depends(_roles)]
PersonalDataDep = Annotated[Mapping[str, PersonalData], Depends(_personal_data)]
