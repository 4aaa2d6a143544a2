"""What a route that takes a secret is throttled with, and by where it is asked from."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from robosure.platform.http.address import client_address, source_of
from robosure.platform.http.edge import Edge, edge_of
from robosure.platform.security import Throttle


def _throttle(request: Request) -> Throttle:
    return edge_of(request).kept(Throttle, _on)


def _on(edge: Edge) -> Throttle:
    return Throttle(edge.runtime.redis)


def _source(request: Request) -> str:
    settings = edge_of(request).runtime.settings
    return source_of(client_address(request.scope, settings))


ThrottleDep = Annotated[Throttle, Depends(_throttle)]
SourceDep = Annotated[str, Depends(_source)]
