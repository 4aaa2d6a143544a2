"""Secrets from files, as Docker and Kubernetes mount them."""

from __future__ import annotations

from pathlib import Path

import pytest

from robosure.platform.needs import NEEDS, Process
from robosure.platform.settings import Settings
from robosure.platform.vaults import SecretsUnreadableError


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory that the environment names, which else says nothing."""
    for name in ("DATABASE_URL", "REDIS_URL", "LOG_LEVEL", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    directory = tmp_path / "secrets"
    directory.mkdir()
    monkeypatch.setenv("ROBOSURE_SECRETS_DIRECTORIES", str(directory))
    return directory


def processor_secret() -> str:
    return Settings().processor_secret.get_secret_value()


@pytest.mark.parametrize(
    "name", ["ROBOSURE_PROCESSOR_SECRET", "robosure_processor_secret"]
)
def test_a_file_is_named_as_its_variable_is(secrets: Path, name: str) -> None:
    (secrets / name).write_text("canary ü\n", encoding="utf-8")
    assert processor_secret() == "canary ü"
    assert "canary" not in repr(Settings())


def test_names_that_every_host_knows_and_lists_work_too(secrets: Path) -> None:
    (secrets / "database_url").write_text("postgres://a:b@db/x")
    (secrets / "robosure_allowed_hosts").write_text("a.example, b.example\n")
    (secrets / "of_somebody_else").write_text("ignored")
    settings = Settings()
    assert settings.database_url.get_secret_value() == "postgresql+asyncpg://a:b@db/x"
    assert settings.allowed_hosts == ("a.example", "b.example")


def test_kubernetes_links_its_files(secrets: Path) -> None:
    (secrets / "..2026").mkdir()
    (secrets / "..2026" / "robosure_processor_secret").write_text("linked")
    (secrets / "..data").symlink_to("..2026")
    (secrets / "robosure_processor_secret").symlink_to(
        "..data/robosure_processor_secret"
    )
    assert processor_secret() == "linked"


def test_the_environment_and_the_env_file_win(
    monkeypatch: pytest.MonkeyPatch, secrets: Path, tmp_path: Path
) -> None:
    (secrets / "robosure_processor_secret").write_text("file")
    (tmp_path / ".env").write_text("ROBOSURE_PROCESSOR_SECRET=written\n")
    assert processor_secret() == "written"
    monkeypatch.setenv("ROBOSURE_PROCESSOR_SECRET", "set")
    assert processor_secret() == "set"


def test_the_env_file_may_name_the_directory_and_the_last_one_wins(
    monkeypatch: pytest.MonkeyPatch, secrets: Path, tmp_path: Path
) -> None:
    monkeypatch.delenv("ROBOSURE_SECRETS_DIRECTORIES")
    (secrets / "robosure_processor_secret").write_text("first")
    (secrets / "robosure_encryption_key").write_text("first")
    second = tmp_path / "second"
    second.mkdir()
    (second / "robosure_processor_secret").write_text("second")
    (tmp_path / ".env").write_text(f"ROBOSURE_SECRETS_DIRECTORIES={secrets}, {second},")
    assert processor_secret() == "second"
    assert Settings().encryption_key.get_secret_value() == "first"
    # and nothing is read where no directory is named, such as here
    (tmp_path / "robosure_encryption_key").write_text("here")
    assert Settings().encryption_key.get_secret_value() == "first"


def test_production_takes_a_secret_from_a_file(
    monkeypatch: pytest.MonkeyPatch, secrets: Path
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("ROBOSURE_SIGNING_KEY_FILES", "key.pem")
    monkeypatch.setenv("ROBOSURE_ISSUER", "https://insurer.example")
    monkeypatch.setenv("ROBOSURE_CLAMAV_URL", "off")
    (secrets / "database_url").write_text("postgres://a:9f2b@db/x?sslmode=verify-full")
    (secrets / "robosure_processor_secret").write_text("x")
    with pytest.raises(ValueError, match="ROBOSURE_ENCRYPTION_KEY"):
        Settings()
    (secrets / "robosure_encryption_key").write_text("y" * 32)
    assert Settings().environment == "production"


def test_what_cannot_be_read_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, secrets: Path, tmp_path: Path
) -> None:
    # given a directory where a file should be, a file elsewhere, and one of no text
    file = secrets / "robosure_processor_secret"
    file.mkdir()
    with pytest.raises(SecretsUnreadableError, match="found a directory"):
        Settings()
    file.rmdir()
    (tmp_path / "elsewhere").write_text("x")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecretsUnreadableError, match="resolves outside"):
        Settings()
    file.unlink()
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SecretsUnreadableError, match="cannot be read"):
        Settings()
    # and where the directory is none, or is not there
    for missing in (file, tmp_path / "nowhere"):
        monkeypatch.setenv("ROBOSURE_SECRETS_DIRECTORIES", str(missing))
        with pytest.raises(SecretsUnreadableError, match="directory"):
            Settings()


@pytest.mark.parametrize("process", list(Process))
def test_a_process_reads_the_files_that_it_needs_and_no_other(
    monkeypatch: pytest.MonkeyPatch, secrets: Path, process: Process
) -> None:
    # given a file for each secret, and that those of others cannot even be opened
    theirs = {name for name, needed in NEEDS.items() if process not in needed}
    for name in NEEDS:
        plain = name in {"database_url", "redis_url"}
        file = secrets / (name if plain else f"robosure_{name}")
        file.mkdir() if name in theirs else file.write_text("postgres://a:b@db/own")
    # when the process is told what it is
    settings = Settings(process=process)
    # then it has its own secrets and none of theirs
    default = Settings.model_fields
    for name in NEEDS:
        value = getattr(settings, name)
        if name in theirs:
            assert value == default[name].default
        else:
            assert value.get_secret_value().endswith("a:b@db/own")
    # and a process that does not say what it is would have read them all
    assert theirs
    with pytest.raises(SecretsUnreadableError, match="found a directory"):
        Settings()
