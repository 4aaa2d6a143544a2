"""Settings from vaults, read by the vendors' clients over real connections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from robosure.platform.needs import Process
from robosure.platform.settings import Settings
from robosure.platform.vaults import SecretsUnreadableError
from tests.integration.platform.vaults.servers import (
    Certificate,
    a_service_account,
    key_vault,
    secret_manager,
)

NAMES = (
    "DATABASE_URL",
    "REDIS_URL",
    "LOG_LEVEL",
    "ENVIRONMENT",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "GOOGLE_CLOUD_PROJECT",
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("vaults"))


@pytest.fixture(autouse=True)
def _clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Certificate
) -> None:
    """Start from an environment that says whom to trust, in an empty directory."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    trusted = str(certificate.certificate)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", trusted)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def azure(
    monkeypatch: pytest.MonkeyPatch, certificate: Certificate
) -> Iterator[dict[str, str | None]]:
    """What an Azure Key Vault holds that the environment names."""
    secrets: dict[str, str | None] = {}
    with key_vault(secrets, certificate) as (url, identity):
        monkeypatch.setenv("ROBOSURE_AZURE_KEY_VAULT_URL", url)
        monkeypatch.setenv("IDENTITY_ENDPOINT", identity)
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        yield secrets


@pytest.fixture
def google(
    monkeypatch: pytest.MonkeyPatch, certificate: Certificate, tmp_path: Path
) -> Iterator[dict[str, str | None]]:
    """What a Google Secret Manager holds that the environment names."""
    secrets: dict[str, str | None] = {}
    with secret_manager(secrets, certificate) as endpoint:
        monkeypatch.setenv("ROBOSURE_GOOGLE_SECRET_PROJECT", "robots")
        monkeypatch.setenv("ROBOSURE_GOOGLE_SECRET_ENDPOINT", endpoint)
        account = str(a_service_account(tmp_path))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", account)
        yield secrets


def said(settings: Settings) -> tuple[str, str, str]:
    password = settings.admin_password
    return (
        settings.database_url.get_secret_value(),
        settings.processor_secret.get_secret_value(),
        "" if password is None else password.get_secret_value(),
    )


def test_azure_key_vault_is_read(azure: dict[str, str | None]) -> None:
    azure["database-url"] = "postgres://a:canary@db/x"
    azure["Robosure-Processor-Secret"] = "canary"
    azure["of-somebody-else"] = None
    settings = Settings()
    assert said(settings) == ("postgresql+asyncpg://a:canary@db/x", "canary", "")
    assert "canary" not in repr(settings)


def test_google_secret_manager_is_read(google: dict[str, str | None]) -> None:
    google["DATABASE_URL"] = "postgres://a:canary@db/x"
    google["robosure_processor_secret"] = "canary"
    google["of_somebody_else"] = None
    settings = Settings()
    assert said(settings) == ("postgresql+asyncpg://a:canary@db/x", "canary", "")
    assert "canary" not in repr(settings)


def test_a_process_asks_azure_for_what_it_needs_and_no_more(
    azure: dict[str, str | None],
) -> None:
    # given a secret that may not be read, and of which one process has no need
    azure["database-url"] = "postgres://a:canary@db/x"
    azure["robosure-processor-secret"] = None
    azure["robosure-admin-password"] = "canary"
    settings = Settings(process=Process.WORKER)
    assert said(settings) == ("postgresql+asyncpg://a:canary@db/x", "sandbox", "")
    # then one that needs it does not start
    with pytest.raises(SecretsUnreadableError):
        Settings(process=Process.JOBS)


def test_a_process_asks_google_for_what_it_needs_and_no_more(
    google: dict[str, str | None],
) -> None:
    google["DATABASE_URL"] = "postgres://a:canary@db/x"
    google["robosure_processor_secret"] = None
    google["robosure_admin_password"] = "canary"
    settings = Settings(process=Process.WORKER)
    assert said(settings) == ("postgresql+asyncpg://a:canary@db/x", "sandbox", "")
    with pytest.raises(SecretsUnreadableError, match="ROBOSURE_PROCESSOR_SECRET is in"):
        Settings(process=Process.JOBS)


def test_what_is_nearer_wins(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    azure: dict[str, str | None],
    google: dict[str, str | None],
) -> None:
    # given a secret in all places, one in both vaults, and one in the farther of them
    monkeypatch.setenv("ROBOSURE_SECRETS_DIRECTORIES", str(tmp_path))
    (tmp_path / "database_url").write_text("postgresql+asyncpg://file/x")
    azure["database-url"] = "postgresql+asyncpg://azure/x"
    azure["robosure-processor-secret"] = "azure"
    google["database_url"] = "postgresql+asyncpg://google/x"
    google["robosure_processor_secret"] = "google"
    google["robosure_admin_password"] = "google"
    assert said(Settings()) == ("postgresql+asyncpg://file/x", "azure", "google")
    # and the environment wins over all of them
    monkeypatch.setenv("DATABASE_URL", "postgresql+asyncpg://env/x")
    assert said(Settings())[0] == "postgresql+asyncpg://env/x"


def test_a_secret_of_azure_that_may_not_be_read_ends_the_start(
    azure: dict[str, str | None],
) -> None:
    azure["robosure-encryption-key"] = None
    with pytest.raises(SecretsUnreadableError, match="ROBOSURE_AZURE_KEY_VAULT_URL"):
        Settings()


def test_a_secret_of_google_that_may_not_be_read_ends_the_start(
    google: dict[str, str | None],
) -> None:
    google["robosure_encryption_key"] = None
    with pytest.raises(SecretsUnreadableError, match="ROBOSURE_ENCRYPTION_KEY is in"):
        Settings()


def test_a_vault_that_does_not_answer_ends_the_start_in_one_line(
    monkeypatch: pytest.MonkeyPatch, azure: dict[str, str | None]
) -> None:
    monkeypatch.setenv("ROBOSURE_AZURE_KEY_VAULT_URL", "https://127.0.0.1:9")
    started = [sys.executable, "-m", "robosure.entrypoints.cli", "serve"]
    ended = subprocess.run(started, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        "robosure: ROBOSURE_AZURE_KEY_VAULT_URL names https://127.0.0.1:9, and cannot "
        "be read: "
    )


def test_google_without_credentials_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, google: dict[str, str | None], tmp_path: Path
) -> None:
    missing = str(tmp_path / "no-account.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", missing)
    with pytest.raises(SecretsUnreadableError, match=r"robots, and cannot be read"):
        Settings()


@pytest.mark.parametrize(
    ("variable", "missing", "extra"),
    [
        ("ROBOSURE_AZURE_KEY_VAULT_URL", "azure.identity", "azure"),
        ("ROBOSURE_AZURE_KEY_VAULT_URL", "azure.keyvault.secrets", "azure"),
        ("ROBOSURE_GOOGLE_SECRET_PROJECT", "google.cloud.secretmanager", "gcp"),
    ],
)
def test_a_client_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, missing: str, extra: str
) -> None:
    monkeypatch.setenv(variable, "https://a.example")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SecretsUnreadableError) as refused:
        Settings()
    assert f"pip install 'robosure[{extra}]'" in str(refused.value)
