"""Nothing secret and nothing personal reaches a log line: canaries prove it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from pydantic import BaseModel, SecretStr

from robosure.platform.logging import HIDDEN, mask

CANARY = "hunter2-canary"


def masked(**event: Any) -> dict[str, Any]:
    return dict(mask(None, "info", event))


def written(**event: Any) -> str:
    """Return the line as the renderer would write it."""
    return orjson.dumps(masked(**event), default=str).decode()


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "new_password",
        "smtp_passwd",
        "secret",
        "processor_secret",
        "token",
        "access_token",
        "Authorization",
        "Set-Cookie",
        "private_key",
        "key",
        "api_key",
        "X-API-Key",
        "apikey",
    ],
)
def test_a_field_named_like_a_secret_is_hidden(key: str) -> None:
    assert masked(**{key: CANARY}) == {key: HIDDEN}


@pytest.mark.parametrize("key", ["keyboard", "monkey", "event", "path", "number"])
def test_a_field_that_only_sounds_alike_is_shown(key: str) -> None:
    assert masked(**{key: "plain"}) == {key: "plain"}


@dataclass
class _Login:
    name: str
    password: str


class _Credentials(BaseModel):
    api_key: str


@pytest.mark.parametrize(
    "value",
    [
        {"user": {"password": CANARY}},
        [{"token": CANARY}, ({"secret": CANARY},)],
        {"deep": [{"deeper": {"headers": {"authorization": CANARY}}}]},
        _Login("me", CANARY),
        [_Login("me", CANARY)],
        _Credentials(api_key=CANARY),
        ValueError(f"password={CANARY}"),
        {f"token={CANARY}"},
        f"password={CANARY}".encode(),
        SecretStr(CANARY),
        httpx.URL(f"https://me:{CANARY}@host/"),
    ],
)
def test_a_secret_is_hidden_however_deep_it_lies(value: object) -> None:
    assert CANARY not in written(value=value)


@pytest.mark.parametrize(
    "text",
    [
        f"connecting to postgresql://robosure:{CANARY}@db:5432/x",
        f"redis://:{CANARY}@cache:6379/0 does not answer",
        f"redis://:p@{CANARY}@cache:6379/0 does not answer",
        f"Bearer {CANARY}",
        f"authorization: bearer {CANARY}",
        f"Authorization: Basic {CANARY}",
        f"sent rbs_{CANARY} as the key",
        f"password={CANARY}&x=1",
        f"password='{CANARY}'",
        f'{{"password": "{CANARY}"}}',
        f'{{"password": "two words, {CANARY}"}}',
        f'{{\\"token\\": \\"{CANARY}\\"}}',
        f"API-Key=x api_key = {CANARY}",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
        f"$argon2id$v=19$m=19456,t=2,p=1$salt${CANARY}",
    ],
)
def test_a_secret_within_a_text_is_hidden(text: str) -> None:
    line = written(event=text)
    assert CANARY not in line
    assert HIDDEN in line


def test_a_json_web_token_is_hidden_wherever_it_stands() -> None:
    token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    assert masked(event=f"got {token}, which is old") == {
        "event": "got ***, which is old"
    }


def test_a_bcrypt_hash_is_hidden() -> None:
    hashed = "$2b$12$" + "a" * 53
    assert masked(event=f"stored {hashed}") == {"event": "stored ***"}


def test_what_surrounds_a_secret_can_still_be_read() -> None:
    line = masked(event="postgresql://robosure:x@db:5432/robosure refused")
    assert line == {"event": "postgresql://robosure:***@db:5432/robosure refused"}


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("email", "alice@example.com", "a***@example.com"),
        ("to", "alice@example.com", "a***@example.com"),
        ("event", "sent to alice.b+x@example.com.", "sent to a***@example.com."),
        ("recipients", ["bob@example.com"], ["b***@example.com"]),
        ("phone", "+44 20 7946 0958", "+***"),
        ("full_name", "Alice Archer", "A***"),
        ("iban", "GB33BUKB20201555555555", "G***"),
        ("username", "", HIDDEN),
    ],
)
def test_personal_data_is_shortened(key: str, value: object, shown: object) -> None:
    assert masked(**{key: value}) == {key: shown}


def test_plain_facts_stay_as_they_are() -> None:
    facts: dict[str, Any] = {
        "count": 3,
        "share": 0.5,
        "late": False,
        "robot_id": UUID(int=7),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "reason": None,
        "names": ["a", "b"],
        "nested": {"minor": 1200, "currency": "EUR"},
    }
    assert masked(**facts) == facts


def test_what_the_pipeline_itself_needs_is_left_alone() -> None:
    record = object()
    assert masked(_record=record, _from_structlog=False) == {
        "_record": record,
        "_from_structlog": False,
    }


@pytest.mark.timeout(30)
@pytest.mark.parametrize("unit", ["a", "a.", "password", "eyJ", "://", "Bearer "])
def test_a_long_text_is_read_once(unit: str) -> None:
    # given 200 kB without anything to hide; quadratic matching would take minutes
    assert set(masked(event=unit * (200_000 // len(unit)))) == {"event"}
