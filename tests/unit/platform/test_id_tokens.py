"""ID tokens, and the keys that a provider shows for them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from robosure.kernel.errors import Unauthenticated
from robosure.platform import client
from robosure.platform.client import HttpClient
from robosure.platform.federation import Answer, Flow, RelyingParty, relying_party
from robosure.platform.federation.provider import Endpoints, Provider
from robosure.platform.federation.tokens import MOST_KEYS, claims_of

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ISSUER = "https://login.example.com"
KEY = ECKey.generate_key("P-256")
PUBLIC = {**KEY.as_dict(private=False), "use": "sig", "kid": "one"}
FLOW = Flow.begin()

Json = dict[str, Any]


def a_token() -> str:
    claims = {
        "iss": ISSUER,
        "sub": "ada",
        "aud": "robosure",
        "exp": int(NOON.timestamp()) + 300,
        "iat": int(NOON.timestamp()),
        "nonce": FLOW.nonce,
    }
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims, KEY)


def claimed(*keys: Json) -> Json:
    return claims_of(
        a_token(),
        keys={"keys": list(keys)},
        issuer=ISSUER,
        client_id="robosure",
        nonce=FLOW.nonce,
        access_token="an access token",
        now=NOON,
    )


def others(count: int) -> list[Json]:
    return [{**PUBLIC, "kid": str(number)} for number in range(count)]


def test_what_one_of_as_many_keys_as_may_be_signed_is_believed() -> None:
    assert claimed(*others(MOST_KEYS - 1), PUBLIC)["sub"] == "ada"


def test_more_keys_are_not_looked_at() -> None:
    with pytest.raises(Unauthenticated) as refused:
        claimed(PUBLIC, *others(MOST_KEYS))
    assert refused.value.code == "sso_id_token_refused"
    assert refused.value.details["reason"] == "more than 50 keys"


@pytest.mark.parametrize(
    "private",
    [RSAKey.generate_key(2048).as_dict(private=True), KEY.as_dict(private=True)],
)
def test_a_set_with_a_private_key_is_refused(private: Json) -> None:
    with pytest.raises(Unauthenticated) as refused:
        claimed(PUBLIC, {**private, "kid": "two"})
    assert refused.value.details["reason"] == "a private key among the keys"


def test_nothing_of_a_key_is_read_but_what_is_public() -> None:
    # which as parts of a private key would be none
    more: Json = {"p": "AQAB", "q": 7, "oth": [], "x5c": "none", "priv": "none"}
    assert claimed({**PUBLIC, **more})["sub"] == "ada"
    rsa = RSAKey.generate_key(2048).as_dict(private=False)
    assert claimed(PUBLIC, {**rsa, **more, "kid": "two"})["sub"] == "ada"


async def test_who_else_is_there_does_not_wait_for_a_provider_s_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a provider, and where its tokens are looked at
    where: list[threading.Thread] = []

    def watched(*args: Any, **named: Any) -> Json:
        where.append(threading.current_thread())
        return claims_of(*args, **named)

    monkeypatch.setattr(relying_party, "claims_of", watched)
    answers: dict[str, Json] = {
        "token": {"access_token": "an access token", "id_token": a_token()},
        "keys": {"keys": [PUBLIC]},
    }

    class Told:
        async def send_once(self, _: str, url: str, **__: Any) -> client.Answer:
            body = orjson.dumps(answers[url.rpartition("/")[2]])
            return client.Answer(200, httpx.Headers(), body)

    asking = RelyingParty(cast("HttpClient", Told()), private=False)
    # when somebody comes back from there
    assertion = await asking.identify(
        Provider(
            issuer=ISSUER,
            endpoints=Endpoints(
                authorization=f"{ISSUER}/auth",
                token=f"{ISSUER}/token",
                userinfo=None,
                keys=f"{ISSUER}/keys",
            ),
            subject_claim="sub",
            client_id="robosure",
            client_secret="secret",
            scopes=("openid",),
            redirect_uri="https://robosure.example/callback",
        ),
        FLOW,
        Answer(code="a code", issuer=None, error=None),
        now=NOON,
    )
    # then it is not in the thread of all requests
    assert assertion.subject == "ada"
    assert where != []
    assert threading.main_thread() not in where
