"""Access tokens: what we signed for ourselves is read back, anything else refused."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from robosure.kernel.errors import Unauthenticated
from robosure.kernel.ids import uuid7
from robosure.platform.security import Principal, Tokens
from robosure.platform.security.tokens import SKEW, key_id
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
    header = {"typ": typ, "kid": key_id(KEY.public_key())}
    issued = tokens().issue(ALICE, now=NOON)
    claims = jwt.decode(issued, options={"verify_signature": False}) | changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers=header)


def test_a_token_says_who_it_was_issued_to() -> None:
    assert tokens().verify(tokens().issue(ALICE, now=NOON), now=NOON) == ALICE


def test_a_token_says_of_which_session_it_is_and_how_that_began() -> None:
    # given
    alice = replace(
        ALICE, session_id=uuid7(), authenticated_at=NOON, factors=frozenset({"pwd"}),
        generation=3, second_factor_due=True,
    )  # fmt: skip
    # when
    token = tokens().issue(alice, now=NOON + timedelta(minutes=5))
    # then
    assert tokens().verify(token, now=NOON + timedelta(minutes=5)) == alice
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sid"] == str(alice.session_id)
    assert (claims["auth_time"], claims["amr"]) == (NOON.timestamp(), ["pwd"])
    assert (claims["generation"], claims["second_factor_due"]) == (3, True)


def test_who_has_to_set_up_a_second_factor_may_use_no_permission() -> None:
    alice = replace(ALICE, permissions=frozenset({"claims:read"}))
    assert alice.may("claims:read")
    assert not replace(alice, second_factor_due=True).may("claims:read")


def test_a_token_states_its_type_key_and_life() -> None:
    token = tokens().issue(ALICE, now=NOON)
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert header.keys() == {"alg", "kid", "typ"}
    assert header["kid"] == key_id(KEY.public_key())
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
        *({name: None} for name in ("aud", "iss", "exp", "iat", "nbf", "sub", "org")),
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


def _written(path: Path, *keys: Any) -> Settings:
    """Write keys to files, and name them all."""
    for number, key in enumerate(keys):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.with_name(f"{number}-{path.name}").write_bytes(pem)
    named = tuple(path.with_name(f"{n}-{path.name}") for n in range(len(keys)))
    return Settings(_env_file=None, signing_key_files=named, access_token_seconds=60)


def test_a_token_begins_when_clocks_may_differ_by_that_much() -> None:
    token = tokens().issue(ALICE, now=NOON)
    assert tokens().verify(token, now=NOON - SKEW) == ALICE
    early = NOON - SKEW - timedelta(seconds=1)
    assert refusal(token, early) == "invalid_token"
    backdated = signed(nbf=int(NOON.timestamp()) - 3600, iat=int(NOON.timestamp()))
    assert refusal(backdated, early) == "invalid_token"


def test_a_key_is_named_by_its_thumbprint() -> None:
    # given the key of RFC 8037, appendix A.3
    x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "="))
    # then its name is the one given there
    assert key_id(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_key_changes_and_nobody_notices(tmp_path: Path) -> None:
    new = Ed25519PrivateKey.generate()
    # given three processes: before the change, in its midst, and after it
    before, midst, after = (
        Tokens.from_settings(_written(tmp_path / name, *keys))
        for name, keys in (
            ("a.pem", (KEY,)),
            ("b.pem", (KEY, new)),
            ("c.pem", (new, KEY)),
        )
    )
    # then each in the midst or later reads what any of them signed
    for reader in (midst, after):
        for writer in (before, midst, after):
            assert reader.verify(writer.issue(ALICE, now=NOON), now=NOON) == ALICE
    # and both keys are published
    names = [key["kid"] for key in after.key_set()["keys"]]
    assert names == [key_id(new.public_key()), key_id(KEY.public_key())]


def test_a_key_that_signs_no_more_may_be_a_public_one(tmp_path: Path) -> None:
    before = Tokens.from_settings(_written(tmp_path / "before.pem", KEY))
    settings = _written(tmp_path / "new.pem", Ed25519PrivateKey.generate())
    public = tmp_path / "old.pem"
    spki = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, spki))
    files = (*settings.signing_key_files, public)
    now = Tokens.from_settings(settings.model_copy(update={"signing_key_files": files}))
    assert now.verify(before.issue(ALICE, now=NOON), now=NOON) == ALICE


def test_a_public_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    settings = _written(tmp_path / "new.pem", KEY)
    public = tmp_path / "old.pem"
    elliptic = generate_private_key(SECP256R1()).public_key()
    spki = PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(elliptic.public_bytes(Encoding.PEM, spki))
    files = (*settings.signing_key_files, public)
    with pytest.raises(TypeError, match=r"old\.pem holds no Ed25519 public key"):
        Tokens.from_settings(settings.model_copy(update={"signing_key_files": files}))


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
