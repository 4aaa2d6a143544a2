"""Signatures that any receiver of Standard Webhooks verifies."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from robosure.contexts.notifications.domain.signing import new_secret, signed_headers


def test_the_published_example_is_signed_as_published() -> None:
    # given the test vector of Standard Webhooks
    headers = signed_headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=datetime.fromtimestamp(1614265330, UTC),
        body=b'{"test": 2432232314}',
    )
    # then its signature is ours
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_while_a_secret_rotates_receivers_with_either_are_served() -> None:
    # given two secrets that sign
    new, old, other = new_secret(), new_secret(), new_secret()
    body = '{"type":"claim.paid","note":"München"}'.encode()
    headers = signed_headers(
        [new, old], message_id="msg_1", at=datetime.now(UTC), body=body
    )
    assert headers["webhook-signature"].count("v1,") == 2
    # when receivers look with each of them, both believe it
    for secret in (new, old):
        assert Webhook(secret).verify(body, headers)["type"] == "claim.paid"
    # and one with another secret does not
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(other).verify(body, headers)


@pytest.mark.parametrize("changed", ["webhook-id", "body"])
def test_what_was_changed_on_the_way_is_not_believed(changed: str) -> None:
    secret, body = new_secret(), b'{"amount":1}'
    headers = signed_headers(
        [secret], message_id="msg_1", at=datetime.now(UTC), body=body
    )
    if changed == "body":
        body = b'{"amount":2}'
    else:
        headers[changed] = "msg_2"
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(secret).verify(body, headers)


def test_secrets_are_long_enough_and_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
