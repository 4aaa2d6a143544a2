"""Facts of other contexts become messages, once."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from sqlalchemy import select

from robosure.contexts.claims.events import ClaimDecided, ClaimPaid, ClaimReported
from robosure.contexts.notifications.jobs import deliver_due
from robosure.contexts.notifications.tables import recipients
from robosure.contexts.payments.events import InstalmentFailed
from robosure.kernel.events import DomainEvent
from robosure.kernel.ids import uuid7
from robosure.platform.events import publish
from robosure.platform.runtime import Runtime
from robosure.platform.streams.letters import dead_letters
from tests.integration.contexts.notifications.conftest import (
    HOLDER,
    INSURER,
    Rows,
    Tell,
    acme,
    handle_again,
    instalment_paid,
)
from tests.support import Delivery
from tests.unit.contexts.payments.factories import NOON, eur, policy_bound

FACTS = [
    (
        policy_bound(insurer_id=INSURER, holder_id=HOLDER, number="POL-2026-000042"),
        "policy_bound",
        "POL-2026-000042",
    ),
    (instalment_paid(), "payment_taken", "POL-2026-000042"),
    (
        InstalmentFailed(
            instalment_id=uuid7(),
            policy_id=uuid7(),
            policy_number="POL-2026-000042",
            insurer_id=INSURER,
            holder_id=HOLDER,
            sequence=1,
            instalments=12,
            amount=eur("93.34"),
            attempt=1,
            reason="card_declined",
        ),
        "payment_failed",
        "POL-2026-000042",
    ),
    (
        ClaimReported(
            claim_id=uuid7(),
            number="CLM-2026-000007",
            policy_id=uuid7(),
            policy_number="POL-2026-000042",
            insurer_id=INSURER,
            holder_id=HOLDER,
            robot_id=uuid7(),
            incident_type="collision",
            incident_at=NOON,
        ),
        "claim_received",
        "CLM-2026-000007",
    ),
    (
        ClaimDecided(
            claim_id=uuid7(),
            number="CLM-2026-000007",
            policy_number="POL-2026-000042",
            insurer_id=INSURER,
            holder_id=HOLDER,
            approved=True,
            amount=eur("7304.69"),
            reason="",
        ),
        "claim_decided",
        "CLM-2026-000007",
    ),
    (
        ClaimPaid(
            claim_id=uuid7(),
            number="CLM-2026-000007",
            policy_number="POL-2026-000042",
            insurer_id=INSURER,
            holder_id=HOLDER,
            paid=eur("7304.69"),
        ),
        "claim_paid",
        "CLM-2026-000007",
    ),
]


async def tell(runtime: Runtime, *facts: DomainEvent) -> None:
    async with runtime.database.write() as session:
        for fact in facts:
            publish(session, fact)


def sent_files(runtime: Runtime) -> list[Any]:
    return sorted(runtime.settings.mail_directory.glob("*.eml"))


@pytest.mark.usefixtures("acme_registered")
@pytest.mark.parametrize(("fact", "template", "reference"), FACTS)
async def test_a_fact_is_told_by_email_and_in_the_app(
    *,
    runtime: Runtime,
    deliver: Delivery,
    rows: Rows,
    fact: DomainEvent,
    template: str,
    reference: str,
) -> None:
    # when something happens to a holder
    await tell(runtime, fact)
    await deliver()
    # then it is told once over each channel
    email, in_app = [row for row in await rows() if row.template == template]
    assert (email.channel, email.recipient) == ("email", "fleet@acme.example")
    assert (in_app.channel, in_app.recipient) == ("in_app", str(HOLDER))
    for row in (email, in_app):
        assert (row.status, row.reference, row.sent_at) == ("sent", reference, NOON)
        assert (row.insurer_id, row.holder_id) == (INSURER, HOLDER)
    # and the e-mail is what was written down
    (path,) = [p for p in sent_files(runtime) if email.message_id in p.name]
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert (message["To"], message["Subject"]) == (email.recipient, email.subject)
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content() == email.text


@pytest.mark.usefixtures("acme_registered")
async def test_a_fact_that_is_delivered_again_is_not_told_again(
    runtime: Runtime, deliver: Delivery, rows: Rows
) -> None:
    # given a fact that was told
    fact = instalment_paid()
    await tell(runtime, fact)
    await deliver()
    before = await rows()
    # when the stream and even the inbox forget it was handled
    await handle_again(runtime, fact, before[0].event_id)
    await deliver(deliver_due)
    # then nothing is told or sent again
    assert await rows() == before


async def test_a_holder_nobody_knows_yet_is_waited_for(
    runtime: Runtime, deliver: Delivery, rows: Rows
) -> None:
    # given a fact about a holder that identity has not told of
    await tell(runtime, instalment_paid())
    # when it does not come in time either
    await deliver()
    # then the fact is put aside for a person, and nobody was told
    async with runtime.database.read() as session:
        (letter,) = (await session.execute(select(dead_letters))).all()
    assert letter.consumer == "notifications"
    assert "recipient not yet known" in letter.error
    assert await rows() == []


@pytest.mark.usefixtures("acme_registered")
async def test_notices_go_where_identity_last_said(
    runtime: Runtime, deliver: Delivery, rows: Rows
) -> None:
    await tell(runtime, acme("new@acme.example"))
    await deliver()
    await tell(runtime, instalment_paid())
    await deliver()
    assert (await rows())[0].recipient == "new@acme.example"
    async with runtime.database.read() as session:
        assert len((await session.execute(select(recipients))).all()) == 1


async def test_the_same_fact_told_twice_is_one_delivery(told: Tell, rows: Rows) -> None:
    event_id = uuid7()
    assert await told(event_id) is not None
    assert await told(event_id) is None
    assert len(await rows()) == 2
