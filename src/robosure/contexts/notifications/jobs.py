"""Jobs of notifications: send what is due, and forget what is old.

Each sending job runs right after there is something to send, and every 10 seconds for
whatever is due by then.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text

from robosure.contexts.notifications.repository import SqlWebhookDeliveries
from robosure.contexts.notifications.repository.personal_data import (
    forget_recipients,
)
from robosure.contexts.notifications.service import Postman, WebhookSender
from robosure.platform.jobs import Job
from robosure.platform.runtime import Runtime

WEBHOOKS_KEPT: Final = timedelta(days=30)
"""How long deliveries are in the log, and may be sent once more."""

_AT_A_TIME: Final = 5_000
_LET_GO: Final = "SET LOCAL idle_in_transaction_session_timeout = '1min'"


async def _deliver(runtime: Runtime, *ids: str) -> None:
    postman = Postman(runtime.database, runtime.mailer, runtime.clock)
    await postman.deliver_due(among=[UUID(each) for each in ids])


async def _send_webhooks(runtime: Runtime, *_ids: str) -> None:
    """Send, unless another process does; receivers take their time from only one.

    Who is at it also finds what was deferred meanwhile.
    """
    lock = select(func.pg_try_advisory_xact_lock(func.hashtext(send_webhooks.name)))
    async with runtime.database.write() as session:
        # A machine that dies says no goodbye; its lock would stay for hours.
        await session.execute(text(_LET_GO))
        if (await session.execute(lock)).scalar_one():
            await WebhookSender.of(runtime).send_due()


async def _forget_webhooks(runtime: Runtime, *_ids: str) -> None:
    before = runtime.clock.now() - WEBHOOKS_KEPT
    forgotten = _AT_A_TIME
    while forgotten == _AT_A_TIME:
        async with runtime.database.write() as session:
            deliveries = SqlWebhookDeliveries(session)
            forgotten = await deliveries.forget(before=before, most=_AT_A_TIME)


deliver_due: Final = Job(
    "notifications.deliver_due", _deliver, every=timedelta(seconds=10)
)
send_webhooks: Final = Job(
    "notifications.send_webhooks", _send_webhooks, every=timedelta(seconds=10)
)
forget_webhooks: Final = Job(
    "notifications.forget_webhooks", _forget_webhooks, every=timedelta(hours=1)
)


async def _forget_recipients(runtime: Runtime, *_ids: str) -> None:
    async with runtime.database.write() as session:
        await forget_recipients(
            session,
            today=runtime.clock.now().date(),
            years=runtime.settings.letters_retention_years,
        )


forget_old_recipients: Final = Job(
    "notifications.forget_recipients", _forget_recipients, every=timedelta(days=1)
)
