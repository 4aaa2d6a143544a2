"""Endpoints: which URLs will do, rotating secrets, being given up; and their health."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from robosure.contexts.notifications.domain import (
    DisablingReason,
    EndpointHealth,
    EndpointStatus,
    EventType,
    WebhookEndpoint,
)
from robosure.contexts.notifications.domain.endpoint import check_url
from robosure.contexts.notifications.events import WebhookEndpointDisabled
from robosure.kernel.errors import Invalid, InvalidState, Unavailable
from robosure.kernel.ids import uuid7
from robosure.platform.logging import mask
from robosure.platform.security.vault import FernetVault
from robosure.platform.settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_endpoint(**fields: Any) -> WebhookEndpoint:
    described = {
        "organisation_id": uuid7(),
        "url": "https://fleet.acme.example/in?token=s3cret",
        "description": "",
        "event_types": None,
        "sealed_secret": "sealed-1",
        "private": False,
        "at": NOON,
    }
    return WebhookEndpoint.register(**{**described, **fields})


# --- URLs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "https://a.example:8443/in?key=1",
        "https://xn--mnchen-3ya.example/",
        "https://[2606:2800:220:1::1]/in",
    ],
)
def test_an_https_url_will_do(url: str) -> None:
    check_url(url, private=False)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://a.example/", "not_https"),
        ("ftp://a.example/", "not_https"),
        ("https://ada:secret@a.example/", "credentials_in_url"),
        ("https://a.example/#part", "fragment_in_url"),
        ("https:///path", "not_a_url"),
        ("a.example/in", "not_a_url"),
        ("https://a.example:99999/", "not_a_url"),
        ("https://[::1/", "not_a_url"),
        ("https://a.example/\r\nX: y", "not_a_url"),
        ("https://a.example\\@10.0.0.1/", "not_a_url"),
        ("https://münchen.example/", "not_a_url"),
        ("", "not_a_url"),
        (f"https://a.example/{'a' * 2000}", "url_too_long"),
    ],
)
def test_a_url_at_which_nothing_may_be_delivered_is_refused(
    url: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        check_url(url, private=False)
    assert refused.value.code == "invalid_webhook_url"
    assert [(e.field, e.code) for e in refused.value.errors] == [("url", code)]


def test_in_a_private_network_plain_http_will_do() -> None:
    check_url("http://10.0.0.7:8080/in", private=True)


# --- life -----------------------------------------------------------------------------


def test_event_types_are_kept_once_and_in_their_order() -> None:
    chosen = [EventType.CLAIM_PAID, EventType.POLICY_BOUND, EventType.CLAIM_PAID]
    endpoint = an_endpoint(event_types=chosen)
    assert endpoint.event_types == (EventType.POLICY_BOUND, EventType.CLAIM_PAID)


def test_a_secret_signs_along_for_a_day_after_it_was_rotated() -> None:
    # given an endpoint whose secret is rotated at noon
    endpoint = an_endpoint()
    endpoint.rotate("sealed-2", at=NOON + HOUR, end_previous=False)

    def signing(moment: datetime) -> list[str]:
        return [each.sealed for each in endpoint.signing_at(moment)]

    # then both sign, the new one first, until 24 hours later
    assert signing(NOON + HOUR) == ["sealed-2", "sealed-1"]
    assert signing(NOON + 25 * HOUR - timedelta(seconds=1)) == ["sealed-2", "sealed-1"]
    assert signing(NOON + 25 * HOUR) == ["sealed-2"]
    # and another rotation keeps the end that the first was given
    endpoint.rotate("sealed-3", at=NOON + 2 * HOUR, end_previous=False)
    assert signing(NOON + 25 * HOUR) == ["sealed-3", "sealed-2"]
    assert signing(NOON + 26 * HOUR) == ["sealed-3"]


def test_after_a_leak_the_secret_so_far_ends_at_once() -> None:
    endpoint = an_endpoint()
    endpoint.rotate("sealed-2", at=NOON, end_previous=True)
    assert [each.sealed for each in endpoint.secrets] == ["sealed-2"]


def test_so_many_secrets_sign_at_a_time_and_no_more() -> None:
    # given five that sign
    endpoint = an_endpoint()
    for number in range(2, 6):
        endpoint.rotate(f"sealed-{number}", at=NOON, end_previous=False)
    before = endpoint.secrets
    # when another is to be made
    with pytest.raises(InvalidState, match="too many webhook secrets"):
        endpoint.rotate("sealed-6", at=NOON, end_previous=False)
    # then nothing has changed, and a day later there is room
    assert endpoint.secrets == before
    endpoint.rotate("sealed-6", at=NOON + 24 * HOUR, end_previous=False)
    assert [each.sealed for each in endpoint.secrets] == ["sealed-6", "sealed-5"]


def test_giving_up_is_told_once_and_without_what_the_query_hides() -> None:
    # given an endpoint that has failed for five days
    endpoint = an_endpoint()
    for _ in range(2):
        endpoint.give_up(
            DisablingReason.FAILING, failing_since=NOON, error="answered 500",
            at=NOON + 120 * HOUR,
        )  # fmt: skip
    # then it is disabled, and its organisation can be told
    assert endpoint.status is EndpointStatus.DISABLED_BY_FAILURES
    assert endpoint.disabled_at == NOON + 120 * HOUR
    assert endpoint.pending_events == [
        WebhookEndpointDisabled(
            endpoint_id=endpoint.id,
            organisation_id=endpoint.organisation_id,
            url="https://fleet.acme.example/in",
            reason="failing",
            failing_since=NOON,
            last_error="answered 500",
        )
    ]


def test_enabled_again_it_is_as_it_was() -> None:
    endpoint = an_endpoint()
    endpoint.give_up(DisablingReason.GONE, failing_since=NOON, error="", at=NOON)
    endpoint.enable()
    assert endpoint.status is EndpointStatus.ENABLED
    assert (endpoint.disabled_at, endpoint.disabled_reason) == (None, None)


def test_nothing_is_sent_where_somebody_disabled_it() -> None:
    endpoint = an_endpoint()
    endpoint.disable(at=NOON)
    endpoint.give_up(DisablingReason.GONE, failing_since=NOON, error="", at=NOON)
    assert endpoint.status is EndpointStatus.DISABLED
    assert endpoint.pending_events == []
    with pytest.raises(InvalidState, match="webhook endpoint disabled"):
        endpoint.require_enabled()


# --- health ---------------------------------------------------------------------------


def test_after_ten_failures_in_a_row_it_is_asked_less_and_less() -> None:
    # given an endpoint that fails whenever it may be asked
    health, now, holds = EndpointHealth(uuid7()), NOON, list[timedelta]()
    for _ in range(18):
        health.failed(at=now, retry_after=None)
        until = health.held_until or now
        holds.append(until - now)
        now = until
    # then nine failures change nothing, and the holds double up to an hour
    minutes = [hold // timedelta(minutes=1) for hold in holds]
    assert minutes == [0] * 9 + [1, 2, 4, 8, 16, 32, 60, 60, 60]
    # and one success forgets them all
    health.succeeded(at=now)
    assert (health.failures, health.failing_since, health.held_until) == (0, None, None)
    assert health.delivered_at == now


def test_what_was_under_way_when_it_was_held_does_not_hold_it_longer() -> None:
    health = EndpointHealth(uuid7())
    for _ in range(13):
        health.failed(at=NOON, retry_after=None)
    assert health.held_until == NOON + timedelta(minutes=1)
    assert health.failures == 13


def test_it_is_left_alone_for_as_long_as_it_asks() -> None:
    health = EndpointHealth(uuid7())
    health.failed(at=NOON, retry_after=timedelta(minutes=20))
    health.failed(at=NOON, retry_after=timedelta(minutes=5))
    assert health.held_until == NOON + timedelta(minutes=20)


def test_somebody_who_wants_to_know_lifts_a_hold() -> None:
    health = EndpointHealth(uuid7())
    health.failed(at=NOON, retry_after=timedelta(minutes=20))
    health.lift()
    assert (health.held_until, health.failures) == (None, 1)


def test_five_days_of_nothing_but_failure_are_enough() -> None:
    health = EndpointHealth(uuid7())
    assert not health.given_up_at(NOON)
    assert health.failed(at=NOON, retry_after=None) == NOON
    later = NOON + timedelta(days=5)
    assert not health.given_up_at(later - timedelta(seconds=1))
    assert health.failed(at=later, retry_after=None) == NOON
    assert health.given_up_at(later)
    health.succeeded(at=later)
    assert not health.given_up_at(later)


# --- secrets at rest and in logs ------------------------------------------------------


def test_a_secret_at_rest_is_read_only_with_its_key() -> None:
    sealed = FernetVault(["first"]).seal("whsec_abc")
    assert "whsec" not in sealed
    assert FernetVault(["second", "first"]).open(sealed) == "whsec_abc"
    with pytest.raises(Unavailable, match="encryption key missing"):
        FernetVault(["second"]).open(sealed)


def test_the_keys_are_the_installations() -> None:
    values: dict[str, Any] = {"encryption_key": "second, first"}
    vault = FernetVault.from_settings(Settings(_env_file=None, **values))
    sealed = FernetVault(["first"]).seal("whsec_abc")
    assert vault.open(sealed) == "whsec_abc"
    assert FernetVault(["second"]).open(vault.seal("whsec_def")) == "whsec_def"


def test_a_secret_that_gets_into_a_log_is_masked() -> None:
    line = "signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw== as told"
    assert mask(None, "", {"event": line}) == {"event": "signed with *** as told"}
