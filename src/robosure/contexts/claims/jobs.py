"""Jobs of claims: give the claims that wait to adjusters who have become available.

It runs when an adjuster joins or changes, and every 30 seconds for the rest. And once a
day, take the contact out of claims that need not be kept any longer.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.claims.repository import forget_contacts
from robosure.contexts.claims.service import ClaimService
from robosure.platform.jobs import Job
from robosure.platform.runtime import Runtime


async def _assign_waiting(runtime: Runtime, *_ids: str) -> None:
    """Look at each waiting claim once, each in a transaction of its own."""
    seen: UUID | None = None
    while True:
        async with runtime.database.write() as session:
            service = ClaimService.on(session, runtime.clock)
            seen = await service.assign_next_waiting(after=seen)
        if seen is None:
            return


assign_waiting: Final = Job(
    "claims.assign_waiting", _assign_waiting, every=timedelta(seconds=30), queue="high"
)


async def _forget_contacts(runtime: Runtime, *_ids: str) -> None:
    async with runtime.database.write() as session:
        await forget_contacts(
            session,
            today=runtime.clock.now().date(),
            years=runtime.settings.claims_retention_years,
        )


forget_old_contacts: Final = Job(
    "claims.forget_contacts", _forget_contacts, every=timedelta(days=1)
)
