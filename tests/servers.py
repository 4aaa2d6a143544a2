"""The servers that tests above unit run on: started once, and a template migrated."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import make_url

from robosure.entrypoints.stack.servers import embedded_servers
from robosure.platform.database.migrations import upgrade
from robosure.platform.database.session import throwaway_engine

TEMPLATE: Final = "robosure_template"


def start(stack: ExitStack) -> None:
    """Start PostgreSQL and Redis, say where in the environment, and migrate.

    Servers named by ``ROBOSURE_TEST_DATABASE_URL`` and ``ROBOSURE_TEST_REDIS_URL`` are
    used instead of starting any.
    """
    if "ROBOSURE_TEST_DATABASE_URL" not in os.environ:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        database_url, redis_url = stack.enter_context(
            embedded_servers(directory, durable=False)
        )
        os.environ["ROBOSURE_TEST_DATABASE_URL"] = database_url
        os.environ["ROBOSURE_TEST_REDIS_URL"] = redis_url
        stack.callback(os.environ.pop, "ROBOSURE_TEST_DATABASE_URL")
        stack.callback(os.environ.pop, "ROBOSURE_TEST_REDIS_URL")
    asyncio.run(_make_template(os.environ["ROBOSURE_TEST_DATABASE_URL"]))


async def _make_template(server_url: str) -> None:
    server = make_url(server_url)
    engine = throwaway_engine(server.render_as_string(hide_password=False))
    async with engine.connect() as connection:
        admin = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await admin.execute(text(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)"))
        await admin.execute(text(f"CREATE DATABASE {TEMPLATE}"))
    await engine.dispose()
    template = server.set(database=TEMPLATE).render_as_string(hide_password=False)
    await asyncio.to_thread(upgrade, template)
