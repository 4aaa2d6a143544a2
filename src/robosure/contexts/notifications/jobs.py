"""Jobs of notifications: send the e-mails that are due.

Runs right after something was told, for that alone, and every 10 seconds for whatever
is due by then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.notifications.service import Postman
from robosure.platform.jobs import Job
from robosure.platform.runtime import Runtime


async def _deliver(runtime: Runtime, *ids: str) -> None:
    postman = Postman(runtime.database, runtime.mailer, runtime.clock)
    await postman.deliver_due(among=[UUID(each) for each in ids])


deliver_due: Final = Job(
    "notifications.deliver_due", _deliver, every=timedelta(seconds=10)
)
