"""What the tests of single sign-on share: the application, and real providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from robosure.contexts.identity.service.seeding import seed
from robosure.entrypoints.api import create_app
from robosure.platform.runtime import Runtime
from tests.integration.contexts.identity.sign_on import PAGE, House
from tests.oidc_provider import RealProvider, running_provider
from tests.support import ApiClient, FixedClock


@pytest.fixture(scope="session")
async def sign_on_application(opened_runtime: Runtime) -> AsyncIterator[ApiClient]:
    """The application, where providers may be on this machine."""
    settings = opened_runtime.settings.model_copy(
        update={"sign_on_from_private_networks": True, "cors_origins": (PAGE,)}
    )

    @asynccontextmanager
    async def opened() -> AsyncIterator[Runtime]:
        yield replace(opened_runtime, settings=settings)

    app = create_app(settings=settings, runtime=opened())
    async with app.router.lifespan_context(app):
        yield ApiClient(app)


@pytest.fixture
async def house(
    sign_on_application: ApiClient, runtime: Runtime, clock: FixedClock
) -> AsyncIterator[House]:
    """The insurer, its administrator, and nobody else; now, as providers see it."""
    clock.set(datetime.now(UTC))
    await seed(runtime.database, runtime.settings)
    house = await House.of(sign_on_application, runtime.database)
    yield house
    for client in house.clients:
        await client.aclose()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    with running_provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    with running_provider(tmp_path_factory.mktemp("another")) as running:
        yield running
