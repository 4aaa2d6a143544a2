from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from jinja2 import UndefinedError

from robosure.contexts.claims.events import ClaimDecided, ClaimPaid, ClaimReported
from robosure.contexts.notifications.domain import Recipient, Template
from robosure.contexts.notifications.repository import JinjaTemplates
from robosure.contexts.payments.events import InstalmentFailed, InstalmentPaid
from robosure.contexts.policies.events import CoverInForce, InsuredRobot, PolicyBound
from robosure.kernel.events import DomainEvent
from robosure.kernel.ids import uuid7
from robosure.kernel.money import Money
from robosure.kernel.time import Term

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACME = Recipient(UUID(int=7), "Acme", "fleet@acme.example")
EVIL = Recipient(UUID(int=8), "<script>alert(1)</script>", "evil@acme.example")


def eur(amount: str) -> Money:
    return Money.of(amount, "EUR")


BOUND = PolicyBound(
    policy_id=uuid7(),
    number="POL-2026-000042",
    insurer_id=uuid7(),
    holder_id=uuid7(),
    product_code="robot-comprehensive",
    product_version=1,
    term=Term(date(2026, 3, 2), date(2027, 3, 2)),
    robots=(InsuredRobot(uuid7(), "UR3-0001", "cobot", eur("25000.00")),),
    coverages=(
        CoverInForce(
            "physical-damage", "Physical damage", eur("25000.00"), eur("500.00"), ()
        ),
    ),
    premium=eur("1000.00"),
    tax=eur("120.00"),
    total=eur("1120.00"),
    instalments=12,
    payment_method="tok_ok",
    bound_on=date(2026, 3, 2),
)
PAID = InstalmentPaid(
    instalment_id=uuid7(),
    policy_id=uuid7(),
    policy_number="POL-2026-000042",
    insurer_id=uuid7(),
    holder_id=uuid7(),
    sequence=1,
    instalments=12,
    amount=eur("93.34"),
    paid_at=NOON,
)
FAILED = InstalmentFailed(
    instalment_id=uuid7(),
    policy_id=uuid7(),
    policy_number="POL-2026-000042",
    insurer_id=uuid7(),
    holder_id=uuid7(),
    sequence=2,
    instalments=12,
    amount=eur("93.34"),
    attempt=1,
    reason="card_declined",
)
REPORTED = ClaimReported(
    claim_id=uuid7(),
    number="CLM-2026-000007",
    policy_id=uuid7(),
    policy_number="POL-2026-000042",
    insurer_id=uuid7(),
    holder_id=uuid7(),
    robot_id=uuid7(),
    incident_type="collision",
    incident_at=NOON,
)
APPROVED = ClaimDecided(
    claim_id=uuid7(),
    number="CLM-2026-000007",
    policy_number="POL-2026-000042",
    insurer_id=uuid7(),
    holder_id=uuid7(),
    approved=True,
    amount=eur("7304.69"),
    reason="",
)
DECLINED = ClaimDecided(
    claim_id=uuid7(),
    number="CLM-2026-000007",
    policy_number="POL-2026-000042",
    insurer_id=uuid7(),
    holder_id=uuid7(),
    approved=False,
    amount=eur("0.00"),
    reason="The incident is before inception.",
)
SETTLED = ClaimPaid(
    claim_id=uuid7(),
    number="CLM-2026-000007",
    policy_number="POL-2026-000042",
    insurer_id=uuid7(),
    holder_id=uuid7(),
    paid=eur("7304.69"),
)


@pytest.mark.parametrize(
    ("template", "event", "subject", "told"),
    [
        (
            Template.POLICY_BOUND,
            BOUND,
            "Your policy POL-2026-000042 is in force",
            [
                "2 March 2026",
                "2 March 2027",
                "UR3-0001, insured for 25,000.00 EUR",
                "Physical damage: limit 25,000.00 EUR, deductible 500.00 EUR",
                "1,120.00 EUR",
                "12 instalments.",
            ],
        ),
        (
            Template.PAYMENT_TAKEN,
            PAID,
            "Payment of 93.34 EUR received for POL-2026-000042",
            ["2 March 2026"],
        ),
        (
            Template.PAYMENT_FAILED,
            FAILED,
            "Payment of 93.34 EUR failed for POL-2026-000042",
            ["card declined", "attempt 1"],
        ),
        (
            Template.CLAIM_RECEIVED,
            REPORTED,
            "We received your claim CLM-2026-000007",
            ["POL-2026-000042", "collision"],
        ),
        (
            Template.CLAIM_DECIDED,
            APPROVED,
            "Your claim CLM-2026-000007 is approved",
            ["7,304.69 EUR"],
        ),
        (
            Template.CLAIM_DECIDED,
            DECLINED,
            "Your claim CLM-2026-000007 is declined",
            ["is declined.", "The incident is before inception."],
        ),
        (
            Template.CLAIM_PAID,
            SETTLED,
            "Your claim CLM-2026-000007 is paid",
            ["7,304.69 EUR"],
        ),
    ],
)
def test_a_template_says_what_happened(
    template: Template, event: DomainEvent, subject: str, told: list[str]
) -> None:
    content = JinjaTemplates().render(template, {"event": event, "recipient": ACME})
    assert content.subject == subject
    assert content.text.startswith("Dear Acme,\n\n")
    assert "<p>Dear Acme,</p>" in content.html
    for words in told:
        assert words in " ".join(content.text.split())
        assert words.split(maxsplit=1)[0] in content.html


def test_the_whole_text_of_a_letter() -> None:
    content = JinjaTemplates().render(
        Template.CLAIM_DECIDED, {"event": DECLINED, "recipient": ACME}
    )
    assert content.text == (
        "Dear Acme,\n\n"
        "Your claim CLM-2026-000007 under policy POL-2026-000042 is declined.\n\n"
        "The incident is before inception.\n\n"
        "Robosure\n"
    )


def test_html_is_escaped_and_text_is_not() -> None:
    content = JinjaTemplates().render(
        Template.CLAIM_PAID, {"event": SETTLED, "recipient": EVIL}
    )
    assert "<script>" not in content.html
    assert "&lt;script&gt;" in content.html
    assert "<script>" in content.text


def test_a_missing_value_is_an_error_and_not_a_gap() -> None:
    with pytest.raises(UndefinedError, match="recipient"):
        JinjaTemplates().render(Template.CLAIM_PAID, {"event": SETTLED})
