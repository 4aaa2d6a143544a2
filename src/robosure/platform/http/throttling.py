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


def _client_address(request: Request) -> str:
    return client_address(request.scope, edge_of(request).runtime.settings)


ClientAddressDep = Annotated[str, Depends(_client_address)]


def _source(address: ClientAddressDep) -> str:
    return source_of(address)


ThrottleDep = Annotated[Throttle, Depends(_throttle)]
SourceDep = Annotated[str, Depends(_source)]
