"""Settings: known names, our prefix for the rest, nothing from empty values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from robosure.platform.settings import Settings, get_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start from an environment that says nothing, in an empty directory."""
    for name in ("DATABASE_URL", "REDIS_URL", "LOG_LEVEL", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_everything_has_a_default_for_ones_own_machine() -> None:
    settings = Settings()
    assert settings.environment == "development"
    assert settings.log_level == "INFO"
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert settings.admin_password is None


def test_four_names_are_those_that_every_host_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://a:b@db/x")
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/3")
    monkeypatch.setenv("LOG_LEVEL", "warning")
    monkeypatch.setenv("ENVIRONMENT", "test")
    # when
    settings = Settings()
    # then
    assert settings.database_url.get_secret_value() == "postgresql+asyncpg://a:b@db/x"
    assert settings.sync_database_url == "postgresql://a:b@db/x"
    assert settings.redis_url.get_secret_value() == "redis://cache:6379/3"
    assert (settings.log_level, settings.environment) == ("WARNING", "test")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_database_url_needs_not_name_our_driver(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://a:b@db/x")
    url = Settings().database_url.get_secret_value()
    assert url == "postgresql+asyncpg://a:b@db/x"


def test_the_rest_begins_with_our_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOSURE_SLOW_QUERY_MS", "75")
    monkeypatch.setenv("SLOW_QUERY_MS", "1")
    monkeypatch.setenv("ROBOSURE_UNHEARD_OF", "ignored")
    assert Settings().slow_query_ms == 75


def test_the_environment_wins_over_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given
    (tmp_path / ".env").write_text(
        "LOG_LEVEL=ERROR\nROBOSURE_INSURER_NAME=Written\nROBOSURE_SMTP_PORT=2525\n"
    )
    monkeypatch.setenv("ROBOSURE_SMTP_PORT", "465")
    # when
    settings = Settings()
    # then
    assert (settings.log_level, settings.insurer_name) == ("ERROR", "Written")
    assert settings.smtp_port == 465


def test_an_empty_value_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("ROBOSURE_SIGNING_KEY_FILE", "")
    settings = Settings()
    assert settings.database_url.get_secret_value().endswith("/robosure")
    assert settings.signing_key_file is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "LOUD"),
        ("ENVIRONMENT", "staging"),
        ("ROBOSURE_EVENT_ATTEMPTS", "0"),
        ("ROBOSURE_OUTGOING_TIMEOUT_SECONDS", "-1"),
        ("ROBOSURE_SMTP_SECURITY", "maybe"),
    ],
)
def test_what_makes_no_sense_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"processor_secret": "x"}, "ROBOSURE_SIGNING_KEY_FILE"),
        ({"signing_key_file": "key.pem"}, "ROBOSURE_PROCESSOR_SECRET"),
        (
            {"signing_key_file": "key.pem", "processor_secret": "x"},
            "ROBOSURE_ENCRYPTION_KEY",
        ),
    ],
)
def test_production_refuses_defaults_for_ones_own_machine(
    missing: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings(environment="production", **missing)


def test_production_starts_with_its_own_secrets() -> None:
    own: dict[str, Any] = {
        "signing_key_file": "key.pem",
        "processor_secret": "x",
        "encryption_key": "y",
    }
    assert Settings(environment="production", **own).environment == "production"


def test_settings_do_not_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a:canary@db/x")
    monkeypatch.setenv("ROBOSURE_ADMIN_PASSWORD", "canary")
    monkeypatch.setenv("ROBOSURE_SMTP_PASSWORD", "canary")
    assert "canary" not in repr(Settings())


def test_a_process_reads_its_settings_once(monkeypatch: pytest.MonkeyPatch) -> None:
    get_settings.cache_clear()
    first = get_settings()
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    assert get_settings() is first
    get_settings.cache_clear()
