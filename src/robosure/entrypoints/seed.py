"""Seeding: what every installation starts with, context by context."""

from __future__ import annotations

from robosure.entrypoints.registry import load
from robosure.kernel.ids import uuid7_text
from robosure.platform.correlation import Correlation, correlated
from robosure.platform.database import Database
from robosure.platform.database.behalf import PLATFORM, on_behalf_of
from robosure.platform.settings import Settings


async def seed(settings: Settings) -> None:
    """Let each context write its own; running it again changes nothing."""
    database = Database.from_settings(settings)
    try:
        with (
            correlated(Correlation(uuid7_text(), task="seed")),
            on_behalf_of(PLATFORM),
        ):
            for context in load():
                if context.seed is not None:
                    await context.seed(database, settings)
    finally:
        await database.close()
