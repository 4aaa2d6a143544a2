"""Settings: known names, our prefix for the rest, nothing from empty values."""

from __future__ import annotations

import json
import pprint
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from robosure.platform.needs import NEEDS, Process
from robosure.platform.settings import Settings, get_settings

OWN: dict[str, Any] = {
    "database_url": "postgresql://robosure:9f2b@db/robosure?sslmode=verify-full",
    "signing_key_files": "key.pem",
    "issuer": "https://insurer.example",
    "processor_secret": "x",
    "encryption_key": "y" * 32,
    "clamav_url": "unix:///run/clamav/clamd.ctl",
}


def _but(name: str) -> dict[str, Any]:
    return {key: value for key, value in OWN.items() if key != name}


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
    monkeypatch.setenv("ROBOSURE_SIGNING_KEY_FILES", "")
    settings = Settings()
    assert settings.database_url.get_secret_value().endswith("/robosure")
    assert settings.signing_key_files == ()


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
        ({"processor_secret": "x"}, "ROBOSURE_SIGNING_KEY_FILES"),
        ({"signing_key_files": "key.pem"}, "ROBOSURE_PROCESSOR_SECRET"),
        (
            {"signing_key_files": "key.pem", "processor_secret": "x"},
            "ROBOSURE_ENCRYPTION_KEY",
        ),
        (_but("database_url"), "DATABASE_URL"),
        ({**OWN, "database_url": "postgresql://a:Postgres@db/x"}, "DATABASE_URL"),
        (_but("issuer"), "ROBOSURE_ISSUER"),
        ({**OWN, "issuer": "http://insurer.example"}, "ROBOSURE_ISSUER"),
        ({**OWN, "cors_origins": "*"}, "ROBOSURE_CORS_ORIGINS"),
        (_but("clamav_url"), "ROBOSURE_CLAMAV_URL"),
    ],
)
def test_production_refuses_defaults_for_ones_own_machine(
    missing: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings(environment="production", **missing)


@pytest.mark.parametrize(
    "database_url",
    ["postgresql://robosure:9f2b@db/x?sslmode=verify-full", "postgresql://robosure@/x"],
)
def test_production_starts_with_its_own_secrets(database_url: str) -> None:
    own = {**OWN, "database_url": database_url}
    assert Settings(environment="production", **own).environment == "production"


def test_production_scans_no_files_only_if_that_is_said() -> None:
    assert Settings(environment="production", **OWN).scanner_url == OWN["clamav_url"]
    off = Settings(environment="production", **{**OWN, "clamav_url": "off"})
    assert off.scanner_url is None
    assert Settings().scanner_url is None


@pytest.mark.parametrize(
    "url",
    ["on", "http://a:3310", "tcp://a", "tcp://a:b", "unix://run/a", "tcp://u@a:1"],
)
def test_what_is_no_address_of_a_scanner_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="clamav_url"):
        Settings(clamav_url=url)


def test_production_shows_neither_documents_nor_metrics_unless_told_to() -> None:
    settings = Settings(environment="production", **OWN)
    assert (settings.shows_docs, settings.shows_metrics) == (False, False)
    told = Settings(
        environment="production", expose_docs=True, expose_metrics=True, **OWN
    )
    assert (told.shows_docs, told.shows_metrics) == (True, True)
    assert (Settings().shows_docs, Settings().shows_metrics) == (True, True)
    assert not Settings(expose_docs=False).shows_docs


def test_production_asks_for_breached_passwords_unless_told_not_to() -> None:
    assert Settings(environment="production", **OWN).asks_for_breached_passwords
    silent = Settings(environment="production", check_breached_passwords=False, **OWN)
    assert not silent.asks_for_breached_passwords
    assert not Settings().asks_for_breached_passwords
    assert Settings(check_breached_passwords=True).asks_for_breached_passwords


@pytest.mark.parametrize(
    "origin",
    ["a.example", "https://a.example/", "https://*.example", "null", "ftp://a"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    values: dict[str, Any] = {"cors_origins": f"https://ok.example, {origin}"}
    with pytest.raises(ValidationError, match="no origin"):
        Settings(**values)


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOSURE_CORS_ORIGINS", "https://A.example, http://[::1]:5173,")
    monkeypatch.setenv("ROBOSURE_ALLOWED_HOSTS", "API.example")
    settings = Settings()
    assert settings.cors_origins == ("https://a.example", "http://[::1]:5173")
    assert settings.allowed_hosts == ("api.example",)


def test_what_is_refused_is_told_without_the_secrets_beside_it() -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(environment="production", **{**OWN, "processor_secret": "sandbox"})
    assert "9f2b" not in str(refused.value)


SECRETS = {
    "admin_password": "ROBOSURE_ADMIN_PASSWORD",
    "database_url": "DATABASE_URL",
    "encryption_key": "ROBOSURE_ENCRYPTION_KEY",
    "event_bus": "ROBOSURE_EVENT_BUS",
    "migration_database_url": "ROBOSURE_MIGRATION_DATABASE_URL",
    "otlp_endpoint": "ROBOSURE_OTLP_ENDPOINT",
    "processor_secret": "ROBOSURE_PROCESSOR_SECRET",
    "redis_url": "REDIS_URL",
    "smtp_password": "ROBOSURE_SMTP_PASSWORD",
}
OPEN = {
    "access_token_seconds",
    "azure_key_vault_url",
    "clamav_url",
    "database_password_file",
    "breached_passwords_seconds",
    "breached_passwords_url",
    "check_breached_passwords",
    "google_secret_endpoint",
    "google_secret_project",
    "password_page",
    "public_url",
    "redis_password_file",
    "secrets_directories",
    "smtp_password_file",
}
"""Named like secrets, and only say how long these live, or where they are."""


def test_what_is_named_like_a_secret_is_treated_as_one() -> None:
    telling = re.compile("password|secret|token|_key$|_url$|_bus$|endpoint|dsn|credent")
    named = {name for name in Settings.model_fields if telling.search(name)}
    assert named - OPEN == set(SECRETS)
    # and of each it is said which processes need it
    assert set(NEEDS) == set(SECRETS)


def as_written(**values: Any) -> dict[str, Any]:
    """Return settings as the environment has them, before they are read."""
    return values


def test_hosts_that_may_be_called_are_named_and_in_production_there_are_none() -> None:
    assert Settings().called_hosts == ("*",)
    assert Settings(environment="production", **OWN).called_hosts == ()
    named = "Hooks.example, *.acme.example, [2001:db8::1]"
    settings = Settings(
        environment="production", **OWN, **as_written(outgoing_hosts=named)
    )
    assert settings.called_hosts == (
        "hooks.example",
        "*.acme.example",
        "[2001:db8::1]",
    )


@pytest.mark.parametrize(
    "host", ["https://a.example", "a.*", "a.example/x", "*a", "a:1"]
)
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="is no host"):
        Settings(**as_written(outgoing_hosts=host))


def test_production_asks_a_process_for_no_secret_that_it_does_not_need() -> None:
    # given what beat is given, and what migrations are
    beat = Settings(
        **as_written(
            environment="production", process="beat", issuer="https://insurer.example"
        )
    )
    assert beat.process is Process.BEAT
    owner = "postgres://owner:9f2b@db/x?sslmode=verify-full"
    said: dict[str, Any] = {
        "issuer": "https://insurer.example",
        "migration_database_url": owner,
    }
    migrate = Settings(
        **as_written(environment="production", process="migrate", **said)
    )
    assert migrate.owner_database_url == (
        "postgresql+asyncpg://owner:9f2b@db/x?sslmode=verify-full"
    )
    # then each other is still asked for its own
    for process, named in (
        ("worker", "DATABASE_URL"),
        ("jobs", "PROCESSOR_SECRET"),
        ("api", "SIGNING_KEY_FILES"),
    ):
        with pytest.raises(ValidationError, match=named):
            Settings(**as_written(environment="production", process=process, **said))
    known = "postgres://owner:postgres@db/x"
    with pytest.raises(ValidationError, match="DATABASE_URL"):
        Settings(
            **as_written(
                environment="production",
                process="migrate",
                issuer="https://insurer.example",
                migration_database_url=known,
            )
        )


def test_without_a_login_of_their_own_migrations_take_the_applications() -> None:
    settings = Settings(**as_written(database_url="postgres://a:b@db/x"))
    assert settings.owner_database_url == "postgresql+asyncpg://a:b@db/x"


@pytest.mark.parametrize(("field", "variable"), SECRETS.items())
def test_settings_do_not_show_their_secrets(
    monkeypatch: pytest.MonkeyPatch, field: str, variable: str
) -> None:
    # given a secret that is known nowhere else
    monkeypatch.setenv(variable, "postgresql://a:canary@db/x")
    settings = Settings()
    assert "canary" in getattr(settings, field).get_secret_value()
    # then no way to write the settings down writes it down
    shown = [
        repr(settings),
        str(settings),
        f"{settings!s} {settings!r}",
        repr(settings.model_dump()),
        str(dict(settings)),
        settings.model_dump_json(),
        json.dumps(settings.model_dump(mode="json")),
        pprint.pformat(settings),
        repr(vars(settings)),
    ]
    assert [each for each in shown if "canary" in each] == []
    # and neither does an error about it
    with pytest.raises(ValidationError) as refused:
        settings.model_validate({**settings.model_dump(), field: ["canary"]})
    assert "canary" not in str(refused.value)


def test_a_process_reads_its_settings_once(monkeypatch: pytest.MonkeyPatch) -> None:
    get_settings.cache_clear()
    first = get_settings()
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    assert get_settings() is first
    get_settings.cache_clear()


@pytest.mark.parametrize("keys", ["", " ", ",", " , "])
def test_an_empty_key_encrypts_nothing(keys: str) -> None:
    with pytest.raises(ValidationError, match="holds no key"):
        Settings(encryption_key=SecretStr(keys))


def test_blanks_between_keys_are_none() -> None:
    settings = Settings(encryption_key=SecretStr("new,, old ,"))
    assert settings.encryption_keys == ["new", "old"]


@pytest.mark.parametrize("keys", ["development", f"{'n' * 44},development", "short"])
def test_production_takes_no_key_that_could_be_guessed(keys: str) -> None:
    with pytest.raises(ValidationError, match="ROBOSURE_ENCRYPTION_KEY"):
        Settings(environment="production", **{**OWN, "encryption_key": keys})
