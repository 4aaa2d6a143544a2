"""Access tokens that are not ours, however much they look like it, open nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from robosure.platform.security.tokens import SKEW, Tokens
from tests.support import ApiClient, FixedClock, code_of

_ATTACKERS: Final = Ed25519PrivateKey.generate()
Part = dict[str, Any]
Forge = Callable[["Ours"], str]


class Ours:
    """What an attacker has: a good token of their own, and the published keys."""

    def __init__(self, token: str, keys: list[dict[str, str]]) -> None:
        self.header: Part = jwt.get_unverified_header(token)
        self.claims: Part = jwt.decode(token, options={"verify_signature": False})
        self.signature = token.rpartition(".")[2]
        self.jwk = keys[0]

    @property
    def public(self) -> Ed25519PublicKey:
        """The key that signs, as anyone can have it."""
        raw = base64.urlsafe_b64decode(self.jwk["x"] + "=")
        return Ed25519PublicKey.from_public_bytes(raw)

    def by_attacker(self, **header: Any) -> str:
        """Return the claims, signed with the attacker's own key."""
        said = {**self.header, **header}
        return jwt.encode(self.claims, _ATTACKERS, algorithm="EdDSA", headers=said)

    def by_secret(self, secret: bytes, algorithm: str = "HS256") -> str:
        """Return the claims, signed with a secret that PyJWT would not take for one."""
        signed = f"{part({**self.header, 'alg': algorithm})}.{part(self.claims)}"
        digest = hmac.digest(secret, signed.encode(), hashlib.sha256)
        return f"{signed}.{encoded(digest)}"

    def unsigned(self, algorithm: str) -> str:
        """Return the claims with no signature."""
        return f"{part({**self.header, 'alg': algorithm})}.{part(self.claims)}."


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def part(content: Part) -> str:
    return encoded(orjson.dumps(content))


def pem(ours: Ours) -> bytes:
    spki = PublicFormat.SubjectPublicKeyInfo
    return ours.public.public_bytes(Encoding.PEM, spki)


def attackers_jwk() -> dict[str, str]:
    raw = _ATTACKERS.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": encoded(raw)}


ATTACKS: Final[dict[str, Forge]] = {
    "no algorithm": lambda ours: ours.unsigned("none"),
    "no algorithm, spelt otherwise": lambda ours: ours.unsigned("nOnE"),
    "no algorithm, but a signature": lambda ours: (
        ours.unsigned("none") + ours.signature
    ),
    "our algorithm without a signature": lambda ours: ours.unsigned("EdDSA"),
    "the public key as a secret": lambda ours: ours.by_secret(
        ours.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    ),
    "the PEM as a secret": lambda ours: ours.by_secret(pem(ours)),
    "the JWK as a secret": lambda ours: ours.by_secret(orjson.dumps(ours.jwk)),
    "an empty secret": lambda ours: ours.by_secret(b""),
    "another's key under our kid": lambda ours: ours.by_attacker(),
    "an unknown kid": lambda ours: ours.by_attacker(kid="mine"),
    "a kid that is a path": lambda ours: ours.by_attacker(kid="../../dev/null"),
    "a kid that is SQL": lambda ours: ours.by_attacker(kid="' UNION SELECT 'k"),
    "a key in the header": lambda ours: ours.by_attacker(jwk=attackers_jwk()),
    "a key set elsewhere": lambda ours: ours.by_attacker(
        jku="https://attacker.example/jwks.json"
    ),
    "a certificate elsewhere": lambda ours: ours.by_attacker(
        x5u="https://attacker.example/x.pem"
    ),
    "a critical header nobody knows": lambda ours: ours.by_attacker(
        crit=["exp"], exp=1
    ),
    "a payload that is not encoded": lambda ours: ours.by_attacker(
        b64=False, crit=["b64"]
    ),
    "another type": lambda ours: ours.by_attacker(typ="JWT"),
    "a nested token": lambda ours: ours.by_attacker(cty="JWT"),
    "our signature under other claims": lambda ours: (
        f"{part(ours.header)}."
        f"{part({**ours.claims, 'permissions': ['users:manage']})}.{ours.signature}"
    ),
    "an encrypted token": lambda ours: f"{part({'alg': 'dir', 'enc': 'A256GCM'})}....",
    "a deeply nested header": lambda ours: encoded(b"[" * 10_000) + ".e30.",
    "no JSON": lambda ours: "AAAA.AAAA.AAAA",
}


@pytest.fixture
async def ours(api: ApiClient) -> Ours:
    client = api.as_("support")
    token = client.headers["Authorization"].removeprefix("Bearer ")
    answer = await client.get("http://robosure.test/.well-known/jwks.json")
    return Ours(token, answer.json()["keys"])


async def presented(api: ApiClient, token: str) -> tuple[int, str]:
    client = api.anonymous()
    client.headers["Authorization"] = f"Bearer {token}"
    answer = await client.get("/auth/me")
    return answer.status_code, code_of(answer) if answer.is_error else ""


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_forged_token_opens_nothing(
    api: ApiClient, ours: Ours, attack: str
) -> None:
    forged = ATTACKS[attack](ours)
    assert await presented(api, forged) == (401, "invalid_token")


async def test_what_is_forged_here_would_be_good_but_for_the_forgery(
    api: ApiClient, ours: Ours
) -> None:
    # given the same claims and header under the key that signs
    key = api.edge.tokens._key
    token = jwt.encode(ours.claims, key, algorithm="EdDSA", headers=ours.header)
    assert await presented(api, token) == (200, "")


@pytest.mark.parametrize(
    "meant",
    [
        {"audience": "somebody-else"},
        {"audience": "robosure.example"},
        {"issuer": "https://attacker.example"},
    ],
)
async def test_a_token_of_our_key_for_somebody_else_opens_nothing(
    api: ApiClient, meant: dict[str, str]
) -> None:
    settings = api.edge.runtime.settings
    values: dict[str, Any] = {"issuer": settings.issuer, "audience": settings.audience}
    key = api.edge.tokens._key
    theirs = Tokens(key, lifetime=timedelta(minutes=10), **{**values, **meant})
    now = api.edge.runtime.clock.now()
    token = theirs.issue(api.principal("admin"), now=now)
    assert await presented(api, token) == (401, "invalid_token")


async def test_clocks_may_differ_by_so_much_and_no_more(
    api: ApiClient, clock: FixedClock
) -> None:
    tokens = api.edge.tokens
    ahead = tokens.issue(api.principal("admin"), now=clock.moment + SKEW)
    far_ahead = tokens.issue(api.principal("admin"), now=clock.moment + 2 * SKEW)
    over = tokens.issue(api.principal("admin"), now=clock.moment - tokens.lifetime)
    assert await presented(api, ahead) == (200, "")
    assert await presented(api, far_ahead) == (401, "invalid_token")
    # but a token is never good for longer than it says
    assert await presented(api, over) == (401, "token_expired")


async def test_the_keys_are_published_and_may_be_kept_for_a_while(
    api: ApiClient,
) -> None:
    answer = await api.anonymous().get("http://robosure.test/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    (key,) = answer.json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "use", "alg"}
    # and they verify what is signed, by anybody's library
    token = api.as_("support").headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token,
        jwt.PyJWK(key).key,
        algorithms=["EdDSA"],
        audience="robosure",
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    assert claims["iss"] == api.edge.runtime.settings.issuer
