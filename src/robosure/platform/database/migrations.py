"""Migrations: bring a database to this code's schema, or say why it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

import robosure
from robosure.platform.database.mapping import metadata
from robosure.platform.database.session import throwaway_engine

HISTORY_TABLE: Final = "alembic_version"


class NewerSchemaError(RuntimeError):
    """The database was migrated by a newer version of Robosure."""


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Tell Alembic which schemas to compare: those that our tables are in."""
    if kind == "schema":
        return name in {table.schema for table in metadata.tables.values()}
    return True


def config_for(url: str) -> Config:
    """Return Alembic's configuration for that database."""
    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database up to the revision."""
    command.upgrade(config_for(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Migrate the database down to the revision; ``base`` is empty."""
    command.downgrade(config_for(url), revision)


async def refuse_newer_schema(url: str) -> None:
    """Refuse a database whose revision this code has never heard of.

    Raises:
        NewerSchemaError: naming the revision.
    """
    revision = await _revision_of(url)
    known = {
        script.revision
        for script in ScriptDirectory.from_config(config_for(url)).walk_revisions()
    }
    if revision is not None and revision not in known:
        message = (
            f"the database is at revision {revision}, which this version of Robosure "
            "does not know; run the version that migrated it, or a newer one"
        )
        raise NewerSchemaError(message)


async def _revision_of(url: str) -> str | None:
    """Return the database's revision; None if it has no history yet."""
    engine = throwaway_engine(url)
    try:
        async with engine.connect() as connection:
            exists = text("SELECT to_regclass(:name) IS NOT NULL")
            found = await connection.execute(exists, {"name": HISTORY_TABLE})
            if not found.scalar_one():
                return None
            revision = text(f"SELECT version_num FROM {HISTORY_TABLE}")  # nosec B608 # noqa: S608 - a constant
            return (await connection.execute(revision)).scalar_one_or_none()
    finally:
        await engine.dispose()


def _scripts() -> Path:
    """Return the scripts' folder: in an installed package, or in a checkout."""
    package = Path(robosure.__path__[0])
    installed = package / "_migrations"
    return installed if installed.is_dir() else package.parents[1] / "migrations"
