"""Alembic's environment: one history for every schema, over a synchronous facade."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from alembic import context
from sqlalchemy import text

from robosure.entrypoints.registry import load_metadata
from robosure.platform.database.migrations import HISTORY_TABLE, is_ours
from robosure.platform.database.session import throwaway_engine
from robosure.platform.needs import Process
from robosure.platform.settings import get_settings

if TYPE_CHECKING:
    from sqlalchemy import Connection


def _run(connection: Connection) -> None:
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=load_metadata(),
        include_schemas=True,
        include_name=is_ours,
        version_table=HISTORY_TABLE,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect_and_run(url: str) -> None:
    engine = throwaway_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


def _url() -> str:
    """Return what ``robosure migrate`` names, or with plain ``alembic`` the settings."""
    named = context.config.get_main_option("sqlalchemy.url")
    return named or get_settings(Process.MIGRATE).owner_database_url


asyncio.run(_connect_and_run(_url()))
