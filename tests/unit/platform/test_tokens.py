"""Access tokens: what we signed for ourselves is read back, anything else refused."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from robosure.kernel.errors import Unauthenticated
from robosure.kernel.ids import uuid7
from robosure.platform.security import Principal, Tokens
from robosure.platform.settings import Settings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
ALICE = Principal(
    subject=uuid7(),
    kind="user",
    name="Alice",
    organisation_id=uuid7(),
    organisation_kind="insurer",
    roles=frozenset({"underwriter"}),
    permissions=frozenset({"policies:bind", "quotes:write"}),
)


def tokens(key: Ed25519PrivateKey = KEY, **changes: Any) -> Tokens:
    values: dict[str, Any] = {
        "issuer": "https://robosure.test",
        "audience": "robosure",
        "lifetime": timedelta(minutes=10),
    }
    return Tokens(key, **{**values, **changes})


def refusal(token: str, now: datetime = NOON) -> str:
    with pytest.raises(Unauthenticated) as refused:
        tokens().verify(token, now=now)
    return refused.value.code


def signed(
    *, key: Any = KEY, algorithm: str = "EdDSA", typ: str = "at+jwt", **changes: Any
) -> str:
    """Return a token with other claims; None leaves one out."""
    issued = tokens().issue(ALICE, now=NOON)
    claims = jwt.decode(issued, options={"verify_signature": False}) | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"typ": typ})


def test_a_token_says_who_it_was_issued_to() -> None:
    assert tokens().verify(tokens().issue(ALICE, now=NOON), now=NOON) == ALICE


def test_a_token_states_its_type_key_and_life() -> None:
    token = tokens().issue(ALICE, now=NOON)
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert len(header["kid"]) == 16
    assert claims["exp"] - claims["iat"] == 600
    assert claims["iss"] == "https://robosure.test"


def test_no_two_tokens_are_the_same() -> None:
    assert tokens().issue(ALICE, now=NOON) != tokens().issue(ALICE, now=NOON)


def test_a_token_ends_with_its_last_second() -> None:
    token = tokens().issue(ALICE, now=NOON)
    almost = NOON + timedelta(minutes=10) - timedelta(microseconds=1)
    assert tokens().verify(token, now=almost) == ALICE
    assert refusal(token, NOON + timedelta(minutes=10)) == "token_expired"


def test_a_token_that_was_verified_before_still_ends_on_time() -> None:
    ours = tokens()
    token = ours.issue(ALICE, now=NOON)
    assert ours.verify(token, now=NOON) == ours.verify(token, now=NOON) == ALICE

    with pytest.raises(Unauthenticated, match="token expired"):
        ours.verify(token, now=NOON + ours.lifetime)


def test_a_token_like_one_that_was_verified_is_refused() -> None:
    ours = tokens()
    token = ours.issue(ALICE, now=NOON)
    ours.verify(token, now=NOON)
    # The first character of the signature; the last one's bits may mean nothing.
    at = token.rindex(".") + 1
    forged = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]

    with pytest.raises(Unauthenticated, match="invalid token"):
        ours.verify(forged, now=NOON)


def test_a_token_signed_with_another_key_is_refused() -> None:
    forged = tokens(Ed25519PrivateKey.generate()).issue(ALICE, now=NOON)
    assert refusal(forged) == "invalid_token"


def test_a_token_whose_claims_were_changed_is_refused() -> None:
    header, claims, signature = tokens().issue(ALICE, now=NOON).split(".")
    document = orjson.loads(base64.urlsafe_b64decode(claims + "=="))
    document["permissions"] = ["everything"]
    changed = base64.urlsafe_b64encode(orjson.dumps(document)).decode().rstrip("=")
    assert refusal(f"{header}.{changed}.{signature}") == "invalid_token"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused() -> None:
    raw = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert refusal(signed(key=raw, algorithm="HS256")) == "invalid_token"


def test_a_token_without_a_signature_is_refused() -> None:
    assert refusal(signed(key=None, algorithm="none")) == "invalid_token"


def test_a_token_signed_another_way_is_refused() -> None:
    elliptic = generate_private_key(SECP256R1())
    assert refusal(signed(key=elliptic, algorithm="ES256")) == "invalid_token"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "someone-else"},
        {"iss": "https://elsewhere.test"},
        {"typ": "JWT"},
        {"sub": "not-an-id"},
        {"org": "not-an-id"},
        {"exp": "tomorrow"},
        {"roles": None},
        *({name: None} for name in ("aud", "iss", "exp", "iat", "sub", "org")),
        *({name: None} for name in ("name", "org_kind", "permissions")),
    ],
)
def test_a_token_with_other_claims_than_ours_is_refused(
    changes: dict[str, Any],
) -> None:
    assert refusal(signed(**changes)) == "invalid_token"


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "a.b", "ünïcode.x.y", "..", "null"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refusal(token) == "invalid_token"


def _written(path: Path, key: Any) -> Settings:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    return Settings(_env_file=None, signing_key_file=path, access_token_seconds=60)


def test_processes_with_the_same_key_file_trust_each_other(tmp_path: Path) -> None:
    settings = _written(tmp_path / "key.pem", KEY)
    one, other = Tokens.from_settings(settings), Tokens.from_settings(settings)
    assert other.verify(one.issue(ALICE, now=NOON), now=NOON) == ALICE
    assert one.lifetime == timedelta(seconds=60)


def test_without_a_key_file_each_process_trusts_itself_alone() -> None:
    settings = Settings(_env_file=None)
    one, other = Tokens.from_settings(settings), Tokens.from_settings(settings)
    token = one.issue(ALICE, now=NOON)
    assert one.verify(token, now=NOON) == ALICE
    with pytest.raises(Unauthenticated):
        other.verify(token, now=NOON)


def test_a_key_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    settings = _written(tmp_path / "key.pem", generate_private_key(SECP256R1()))
    with pytest.raises(TypeError, match=r"key\.pem holds no Ed25519 private key"):
        Tokens.from_settings(settings)
