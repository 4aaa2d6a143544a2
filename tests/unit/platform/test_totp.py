"""Codes of an authenticator app, by the vectors of RFC 6238 and beside now."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from robosure.platform.security import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        # The last six of the eight digits in appendix B of RFC 6238, for SHA-1.
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_234_567_890, "005924"),
        (20_000_000_000, "353130"),
    ],
)
def test_the_vectors_of_the_standard(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.read(SECRET, code, at=at) == (seconds // 30, 0)


@pytest.mark.parametrize("ahead", [-4, -1, 0, 1, 4])
def test_a_code_says_how_far_the_clock_is_that_it_comes_from(ahead: int) -> None:
    at = datetime(2026, 3, 2, 12, 0, 29, tzinfo=UTC)
    code = pyotp.TOTP(SECRET).at(at + timedelta(seconds=30 * ahead))
    step = int(at.timestamp()) // 30 + ahead
    assert totp.read(SECRET, code, at=at, ahead=-2) == (step, ahead)


@pytest.mark.parametrize("ahead", [-5, 5])
def test_a_clock_that_is_farther_off_is_not_followed(ahead: int) -> None:
    at = datetime(2026, 3, 2, 12, tzinfo=UTC)
    code = pyotp.TOTP(SECRET).at(at + timedelta(seconds=30 * ahead))
    assert totp.read(SECRET, code, at=at) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\ud800", "١٢٣٤٥٦"])
def test_what_is_no_code_is_none(code: str) -> None:
    assert totp.read(SECRET, code, at=datetime(2026, 3, 2, tzinfo=UTC)) is None


def test_an_app_reads_the_secret_from_its_uri() -> None:
    secret = totp.new_secret()
    uri = urlsplit(totp.uri_of(secret, account="ada@x.example", issuer="Robosure"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert parse_qs(uri.query) == {"secret": [secret], "issuer": ["Robosure"]}
    assert len(base64.b32decode(secret)) == 20
    assert totp.new_secret() != secret
