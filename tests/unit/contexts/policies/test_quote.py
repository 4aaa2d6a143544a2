from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from robosure.contexts.policies.domain.quote import QuoteStatus
from robosure.contexts.policies.events import PolicyBound
from robosure.kernel.errors import DomainError, Forbidden, Invalid, InvalidState
from robosure.kernel.ids import uuid7
from robosure.kernel.time import Term
from tests.unit.contexts.policies.factories import (
    HOLDER,
    INSURER,
    NOON,
    YEAR,
    a_quote,
    a_risk,
    bound,
    eur,
)

LAST_MOMENT = NOON + timedelta(days=30)


def test_a_quote_holds_its_price_for_the_days_the_product_says() -> None:
    quote = a_quote()
    assert quote.rating.total == eur("629.51")  # (405 + 99 + 25) x 1.19
    assert quote.valid_until == LAST_MOMENT
    assert quote.status_at(LAST_MOMENT - timedelta(seconds=1)) is QuoteStatus.OPEN
    assert quote.status_at(LAST_MOMENT) is QuoteStatus.EXPIRED


def test_binding_sells_what_was_quoted_and_tells_it() -> None:
    # given
    quote = a_quote()
    # when
    policy = bound(quote)
    # then the quote is used up
    assert quote.status_at(NOON) is QuoteStatus.BOUND
    assert quote.policy_id == policy.id
    # and the fact is told
    assert policy.pending_events == [
        PolicyBound(
            policy_id=policy.id,
            number="POL-2026-000042",
            insurer_id=INSURER,
            holder_id=HOLDER,
            product_code="robot-basic",
            product_version=3,
            term=YEAR,
            robots=(quote.rating.robots[0].robot,),
            coverages=tuple(rated.cover for rated in quote.rating.coverages),
            premium=eur("529.00"),
            tax=eur("100.51"),
            total=eur("629.51"),
            instalments=12,
            payment_method="tok_ok",
            bound_on=date(2026, 3, 2),
        )
    ]


def test_a_quote_is_bound_once() -> None:
    quote = a_quote()
    policy = bound(quote)
    refusal = refused(quote)
    assert refusal.code == "quote_already_bound"
    assert refusal.details == {"policy_id": policy.id}
    assert quote.policy_id == policy.id


def test_an_expired_quote_is_not_bound() -> None:
    quote = a_quote()
    assert refused(quote, at=LAST_MOMENT).code == "quote_expired"
    assert quote.policy_id is None


def test_cover_in_the_past_needs_permission() -> None:
    # given an inception of 3 March, and a day later in the policy's time zone
    quote = a_quote()
    after = datetime(2026, 3, 3, 23, 0, tzinfo=UTC)  # midnight in Berlin
    # when it is bound without permission
    refusal = refused(quote, at=after)
    # then it is refused, and nothing happened
    assert isinstance(refusal, Forbidden)
    assert refusal.code == "backdating_not_permitted"
    assert quote.policy_id is None
    # and with permission it is sold
    assert bound(quote, at=after, may_backdate=True).term == YEAR


def test_cover_may_begin_today() -> None:
    policy = bound(a_quote(), at=datetime(2026, 3, 3, 22, 59, tzinfo=UTC))
    assert policy.in_force_on(date(2026, 3, 3))


def test_a_robot_named_twice_is_refused() -> None:
    risk = a_risk()
    assert offer_refused(risks=[risk, risk]) == "robot_named_twice"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"risks": []}, "no_robots"),
        ({"risks": [a_risk(operator_id=uuid7())]}, "robot_not_of_holder"),
        ({"instalments": 3}, "instalment_plan_not_offered"),
        ({"instalments": -1}, "instalment_plan_not_offered"),
        ({"term": Term(date(2026, 3, 3), date(2027, 3, 5))}, "term_too_long"),
        ({"at": datetime(2025, 12, 31, 22, tzinfo=UTC)}, "product_not_sold_yet"),
        ({"jurisdiction": "FR"}, "jurisdiction_not_offered"),
    ],
)
def test_what_cannot_be_insured_is_not_quoted(given: dict[str, Any], code: str) -> None:
    assert offer_refused(**given) == code


def refused(quote: Any, **given: Any) -> DomainError:
    with pytest.raises((InvalidState, Forbidden)) as refusal:
        bound(quote, **given)
    return refusal.value


def offer_refused(**given: Any) -> str:
    with pytest.raises(Invalid) as refusal:
        a_quote(**given)
    return refusal.value.code
