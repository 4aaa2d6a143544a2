"""Jobs of payments: charge instalments and pay settlements that are due.

Both run right after what makes money due, for that alone, and every 15 seconds for
whatever is due by then: later instalments, refused ones that are tried again, and
those whose answer never came.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from robosure.contexts.payments.domain import Operation
from robosure.contexts.payments.repository import SandboxProcessor
from robosure.contexts.payments.service import Cashier, PaymentService
from robosure.platform.jobs import Job
from robosure.platform.logging import get_logger
from robosure.platform.runtime import Runtime

_EVERY: Final = timedelta(seconds=15)


async def _charge(runtime: Runtime, *ids: str) -> None:
    await _cashier(runtime).move_due(Operation.CHARGE, among=[UUID(i) for i in ids])


async def _pay(runtime: Runtime, *ids: str) -> None:
    await _cashier(runtime).move_due(Operation.PAYOUT, among=[UUID(i) for i in ids])


def _cashier(runtime: Runtime) -> Cashier:
    secret = runtime.settings.processor_secret.get_secret_value()
    if runtime.settings.environment == "production":
        get_logger().warning("payments.jobs.sandbox_processor_in_production")

    async def notify(body: bytes, signature: str) -> None:
        """Do what the notification route does, without the network in between."""
        async with runtime.database.write() as session:
            await PaymentService.on(session).take_notification(
                body, signature=signature, secret=secret, at=runtime.clock.now()
            )

    processor = SandboxProcessor(
        runtime.database, runtime.clock, secret=secret, notify=notify
    )
    return Cashier(runtime.database, processor, runtime.clock)


charge_due: Final = Job("payments.charge_due", _charge, every=_EVERY, queue="high")
pay_due: Final = Job("payments.pay_due", _pay, every=_EVERY, queue="high")
