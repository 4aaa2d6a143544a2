"""The HTTP application: routers, health, metrics, docs, and the checks at its start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final, Literal, Protocol

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse, Response
from pydantic import ConfigDict, Field
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp

from robosure.platform import metrics
from robosure.platform.database.rights import excess
from robosure.platform.http.access import (
    api_routes,
    public,
    routes_without_access,
)
from robosure.platform.http.at_once import AtOnce
from robosure.platform.http.docs import install_docs
from robosure.platform.http.edge import RuntimeDep, TokensDep
from robosure.platform.http.express import express_lanes
from robosure.platform.http.headers import cors_for
from robosure.platform.http.limits import RouteClasses
from robosure.platform.http.middleware import EdgeMiddleware
from robosure.platform.http.models import OutputModel
from robosure.platform.http.openapi import install_openapi
from robosure.platform.http.origins import Origins
from robosure.platform.http.problems import install
from robosure.platform.runtime import Runtime
from robosure.platform.settings import Settings
from robosure.platform.streams.bus import BusAwayError
from robosure.platform.uploads import Scanner

API_PREFIX: Final = "/api/v1"
_KEYS_FRESH_SECONDS: Final = 300
_TOO_MUCH: Final = "more than needed"
"""The worker's log says what, and not whoever asks."""


class Lifespan(Protocol):
    """Opens ``app.state.edge`` and closes it."""

    def __call__(self, app: FastAPI) -> AbstractAsyncContextManager[None]:
        """Live."""
        ...


class Health(OutputModel):
    """The process is alive."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: str


class Readiness(OutputModel):
    """Whether what the process depends on answers, by name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "status": "ready",
                    "checks": {
                        "database": "ok",
                        "redis": "ok",
                        "bus": "ok",
                        "rights": "ok",
                        "durability": "ok",
                        "scanner": "ok",
                    },
                },
                {
                    "status": "not ready",
                    "checks": {
                        "database": "ok",
                        "redis": "no answer",
                        "bus": "no answer",
                        "rights": "more than needed",
                        "durability": "no answer",
                        "scanner": "off",
                    },
                },
            ]
        }
    )

    status: str
    checks: dict[str, str]


class Key(OutputModel):
    """A public key of Ed25519 (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str = Field(description="The key itself, in base64url.")
    kid: str = Field(description="Its thumbprint (RFC 7638).")
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class KeySet(OutputModel):
    """Keys that access tokens are signed with, the present one first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "keys": [
                        {
                            "kty": "OKP",
                            "crv": "Ed25519",
                            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                            "use": "sig",
                            "alg": "EdDSA",
                        }
                    ]
                }
            ]
        }
    )

    keys: list[Key]


def build_app(
    routers: Sequence[APIRouter],
    *,
    lifespan: Lifespan,
    title: str,
    version: str,
    description: str,
    settings: Settings,
) -> FastAPI:
    """Assemble the application.

    Args:
        routers: of contexts.
        lifespan: opens what it stands on.
        title: its name.
        version: its own.
        description: for people who read its document.
        settings: what differs from one installation to the next.

    Raises:
        RuntimeError: a route states neither a permission nor that it is public.
    """
    app = _Application(
        title=title,
        version=version,
        description=description,
        lifespan=lifespan,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.shows_docs else None,
        # Spans, metrics and logs are ours; FastAPI's would be there a second time.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for router in routers:
        app.include_router(router, prefix=API_PREFIX)
    app.include_router(_operations)
    if settings.shows_metrics:
        app.include_router(_metrics)
    if settings.shows_docs:
        install_docs(app)
    install(app)
    install_openapi(app)
    if unstated := routes_without_access(app):
        message = f"routes without requires() or public(): {', '.join(unstated)}"
        raise RuntimeError(message)
    lanes = express_lanes(app)
    classes = RouteClasses(route for _, route in api_routes(app))
    app.around.append(
        partial(EdgeMiddleware, settings=settings, express=lanes, classes=classes)
    )
    app.at_once = AtOnce(app, lanes, settings=settings, classes=classes)
    if (cors := cors_for(settings)) is not None:
        app.around.append(partial(Origins, **cors))
    return app


class _Application(FastAPI):
    """An application within layers that come before all that FastAPI adds.

    FastAPI's own would be passed through first, and twice by each answer.

    Attributes:
        around: the layers, the innermost first. It has the last word on errors.
        at_once: what the server may answer without asking this.
    """

    at_once: AtOnce

    def __init__(self, **declared: Any) -> None:
        super().__init__(**declared)
        self.around: list[Callable[[ASGIApp], ASGIApp]] = []

    def build_middleware_stack(self) -> ASGIApp:
        """Put them around what FastAPI builds, in place of its last word on errors."""
        outermost = super().build_middleware_stack()
        assert isinstance(outermost, ServerErrorMiddleware)  # nosec B101 # noqa: S101 - for the type checkers
        app = outermost.app
        for layer in self.around:
            app = layer(app)
        return app


_operations = APIRouter(tags=["operations"])
_metrics = APIRouter(tags=["operations"])


@_operations.get("/health", summary="Is the process alive?", dependencies=[public()])
async def health() -> Health:
    """Answer without asking anything else."""
    return Health(status="alive")


@_operations.get(
    "/ready",
    summary="Can it work?",
    dependencies=[public()],
    responses={503: {"model": Readiness, "description": "Something does not answer."}},
)
async def ready(runtime: RuntimeDep, response: Response) -> Readiness:
    """Ask the database, Redis and the bus, and what the login to the database may do.

    In production it may not own tables, or anything else that is not needed.
    `durability` says how accepted events could be lost, if they could, and `scanner`
    whether attached files can be scanned (`off` if they are not to be); neither makes
    the process unready.
    """
    checks = {"database": await _database(runtime), "redis": await _redis(runtime)}
    checks["bus"], durability = await _bus(runtime)
    rights = await _rights(runtime)
    if runtime.settings.environment == "production":
        checks["rights"] = rights
    works = all(answer == "ok" for answer in checks.values())
    response.status_code = 200 if works else 503
    checks["rights"] = rights
    checks["durability"] = durability
    checks["scanner"] = await _scanner(runtime)
    return Readiness(status="ready" if works else "not ready", checks=checks)


@_operations.get(
    "/.well-known/jwks.json",
    summary="Keys that access tokens are signed with",
    dependencies=[public()],
)
async def key_set(tokens: TokensDep, response: Response) -> KeySet:
    """Answer the public keys (RFC 7517); a token's `kid` says which one signed it."""
    response.headers["Cache-Control"] = f"public, max-age={_KEYS_FRESH_SECONDS}"
    return KeySet.model_validate(tokens.key_set())


@_metrics.get(
    "/metrics",
    summary="Prometheus metrics",
    dependencies=[public()],
    response_class=PlainTextResponse,
    responses={
        200: {
            "description": f"As `{metrics.CONTENT_TYPE}`.",
            "content": {
                "text/plain": {
                    "example": "# HELP outbox_depth Facts waiting to be relayed.\n"
                    "# TYPE outbox_depth gauge\n"
                    "outbox_depth 0.0\n"
                }
            },
        }
    },
)
def prometheus() -> Response:
    """Expose every process's metrics in Prometheus' text format."""
    return Response(
        metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE}
    )


@_metrics.get(
    "/metrics/summary",
    summary="Metrics for people",
    dependencies=[public()],
    responses={
        200: {
            "content": {
                "application/json": {
                    "example": {
                        "events_received_total{stream=robosure:ingest}": 7409,
                        "outbox_depth": 0,
                    }
                }
            }
        }
    },
)
def metrics_summary() -> dict[str, float]:
    """List counters, gauges and the sums of histograms by name."""
    return metrics.summary()


async def _database(runtime: Runtime) -> str:
    try:
        await runtime.database.ping()
    except (SQLAlchemyError, OSError):
        return "no answer"
    return "ok"


async def _rights(runtime: Runtime) -> str:
    try:
        async with runtime.database.read() as session:
            return _TOO_MUCH if await excess(session) else "ok"
    except (SQLAlchemyError, OSError):
        return "no answer"


async def _redis(runtime: Runtime) -> str:
    try:
        await runtime.redis.ping()
    except (RedisError, OSError):
        return "no answer"
    return "ok"


async def _bus(runtime: Runtime) -> tuple[str, str]:
    """Say whether it answers, and how it could lose events: one question for both."""
    try:
        weaknesses = await runtime.bus.weaknesses()
    except BusAwayError:
        return "no answer", "no answer"
    return "ok", "; ".join(weaknesses) or "ok"


async def _scanner(runtime: Runtime) -> str:
    scanner = Scanner.of(runtime.settings)
    if scanner is None:
        return "off"
    return "ok" if await scanner.is_there() else "no answer"
