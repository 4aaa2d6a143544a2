"""The API process: all contexts' routes, or some, behind one application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI

from robosure.entrypoints.registry import load, messages, stored_events
from robosure.platform.context import Context
from robosure.platform.http.app import build_app
from robosure.platform.http.edge import Edge
from robosure.platform.http.messages import install_messages
from robosure.platform.jobs import celery_app, celery_sender, install_sender
from robosure.platform.log_export import exporting_logs
from robosure.platform.logging import get_logger
from robosure.platform.privacy.records import PlatformRecords
from robosure.platform.runtime import Runtime, open_runtime, settle
from robosure.platform.security import (
    BreachedPasswords,
    Passwords,
    RoleCatalogue,
    Tokens,
)
from robosure.platform.settings import Settings, get_settings
from robosure.platform.streams.pressure import Pressure
from robosure.platform.tracing import configure_tracing

_DESCRIPTION: Final = """\
Insurance for robot fleets: telemetry in, risk scored, policies priced and issued,
claims settled with the robot's own telemetry as evidence.

**Sign in** with your e-mail address and your password: at the head of this page, or by
`POST /api/v1/auth/sign-in`; machines send `X-API-Key`. **Errors** are [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)
problem documents with a stable `code`. **Lists** page by `cursor`. **Money** is in
minor units. A `POST` that creates money, cover or a claim takes `Idempotency-Key`.
"""


def create_app(
    names: Sequence[str] = (),
    *,
    settings: Settings | None = None,
    runtime: AbstractAsyncContextManager[Runtime] | None = None,
) -> FastAPI:
    """Build the API.

    Args:
        names: contexts whose routes to serve; all by default.
        settings: this process's, by default.
        runtime: opened at start and closed at the end; made from the settings by
            default.
    """
    settings = settings or get_settings()
    contexts = load(names)
    everything = load()

    @asynccontextmanager
    async def live(app: FastAPI) -> AsyncIterator[None]:
        configure_tracing(settings, service="robosure-api")
        _say_what_is_called(settings)
        with exporting_logs(settings, service="robosure-api"):
            async with runtime or open_runtime(
                settings, patience=settings.database_patience_seconds
            ) as opened:
                edge = app.state.edge = _edge(opened, everything)
                settle()
                async with edge.pressure.watched():
                    yield

    install_sender(celery_sender(celery_app(settings)))
    app = build_app(
        [context.router for context in contexts if context.router],
        lifespan=live,
        title="Robosure",
        version=version("robosure"),
        description=_DESCRIPTION,
        settings=settings,
    )
    install_messages(app, partial(messages, settings), settings=settings)
    return app


def _say_what_is_called(settings: Settings) -> None:
    """Say in production's log if any host may be called, or none."""
    if settings.environment != "production":
        return
    if "*" in settings.called_hosts:
        get_logger().warning("platform.client.any_host_may_be_called")
    elif not settings.called_hosts:
        get_logger().warning("platform.client.no_host_may_be_called")


def _edge(runtime: Runtime, contexts: Sequence[Context]) -> Edge:
    authenticators = [c.authenticator for c in contexts if c.authenticator is not None]
    (taking_in,) = [c.processor(()) for c in contexts if c.processor is not None]
    (authorities,) = [c.authorities for c in contexts if c.authorities is not None]
    pressure = Pressure(
        runtime.bus, taking_in.stream, taking_in.group, settings=runtime.settings
    )
    return Edge(
        runtime=runtime,
        tokens=Tokens.from_settings(runtime.settings),
        passwords=Passwords(BreachedPasswords.of(runtime.settings, runtime.http)),
        roles=RoleCatalogue(
            (context.permissions for context in contexts),
            descriptions=(context.descriptions for context in contexts),
        ),
        authenticator=authenticators[0] if authenticators else None,
        authorities=authorities,
        pressure=pressure,
        projections=[each for context in contexts for each in context.projections],
        stored_events=stored_events(contexts),
        personal_data={
            **{c.name: c.personal_data for c in contexts if c.personal_data},
            "platform": PlatformRecords(),
        },
    )
